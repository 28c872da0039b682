"""Reading run folders, whole and damaged: damage is one sentence, never a traceback and never a wrong number."""

import random
import re
import shutil
import subprocess
import struct
from pathlib import Path

import pytest

import folders
from conftest import ROOT
from report import block_file, reader
from report.errors import CrunchError


def read_everything(folder: Path) -> None:
    reader.read_recording(folder)
    reader.read_stats(folder)
    reader.read_fatal(folder)
    blocks = block_file.read_blocks(folder)
    if blocks:
        blocks.largest(100)
        blocks.runtime(100)


def test_what_is_written_is_read(tmp_path):
    folder = folders.run_folder(tmp_path / "run", [(0x7F00, 10, 0), (0x8000, 99, block_file.BLOCK_RUNTIME), (0x9000, 20, 0)],
                                {0x7F00: b"0123456789"}, arguments=[b"./a", b"\xff", b"x=y"], message=b"disk full")
    recording = reader.read_recording(folder)
    assert recording.arguments == ("./a", "\udcff", "x=y") and recording.facts["exe"] == "/opt/prog"
    assert recording.message == "disk full" and recording.pid == folders.LIVE and len(recording.slots) == 1
    blocks = block_file.read_blocks(folder)
    assert [block.address for block in blocks.largest(10)] == [0x9000, 0x7F00]
    assert [block.address for block in blocks.largest(1)] == [0x9000]
    assert [block.size for block in blocks.runtime(10)] == [99]
    assert reader.read_contents(folder, blocks.largest(2)[1].address, 4) == b"0123"
    assert reader.read_stats(folder)["live_blocks"] == 3


def test_a_file_that_is_not_there_is_none(tmp_path):
    assert (reader.read_recording(tmp_path), block_file.read_blocks(tmp_path), reader.read_stats(tmp_path),
            reader.read_fatal(tmp_path)) == (None, None, None, None)


def test_equal_sizes_keep_the_order_of_the_file(tmp_path):
    (tmp_path / "blocks").write_bytes(folders.blocks([(3, 8, 0), (1, 8, 0), (2, 9, 0)]))
    assert [block.address for block in block_file.read_blocks(tmp_path).largest(3)] == [2, 3, 1]


@pytest.mark.parametrize("name, data, words", [
    ("recording", b"", "no recording of crunch"),
    ("recording", b"x" * 9000, "no recording of crunch"),
    ("recording", folders.recording()[:8192], "header makes no sense"),
    ("blocks", b"crunch-b", "no list of blocks"),
    ("blocks", folders.blocks([(1, 2, 0)])[:-1], "too short"),
    ("blocks", folders.blocks([])[:16] + b"\xff" * 48, "not written to its end"),
    ("stats", b"", "damaged"),
    ("stats", b"format 1\npid x\n", "damaged"),
    ("stats", b"format 1\n", "another version"),
    ("fatal", b"", "empty"),
])
def test_damage_is_one_sentence(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CrunchError, match=words) as caught:
        read_everything(tmp_path)
    assert "\n" not in caught.value.message and str(tmp_path / name) in caught.value.message


def test_another_version_is_refused_by_its_number(tmp_path):
    data = bytearray(folders.recording())
    struct.pack_into("<I", data, 8, 7)
    (tmp_path / "recording").write_bytes(data)
    with pytest.raises(CrunchError, match="version 7"):
        reader.read_recording(tmp_path)


def test_a_folder_in_the_place_of_a_file_is_one_sentence(tmp_path):
    (tmp_path / "recording").mkdir()
    with pytest.raises(CrunchError, match="cannot be read"):
        reader.read_recording(tmp_path)


def test_random_damage_never_raises_anything_else(tmp_path):
    whole = folders.run_folder(tmp_path / "whole", [(0x1000 * n, n, n % 8) for n in range(1, 40)], fatal="SIGSEGV x\nsignal SIGSEGV\n")
    chance = random.Random(1)
    for round_number in range(600):
        name = ("recording", "blocks", "stats", "fatal")[round_number % 4]
        data = bytearray((whole / name).read_bytes())
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(min(len(data), 400))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)):]
        damaged = tmp_path / "damaged"
        damaged.mkdir(exist_ok=True)
        for other in ("recording", "blocks", "stats", "fatal"):
            (damaged / other).write_bytes(bytes(data) if other == name else (whole / other).read_bytes())
        try:
            read_everything(damaged)
        except CrunchError:
            pass


def test_the_layout_is_the_headers(tmp_path):
    """Compares every offset the reader uses with the C compiler's."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler")
    names = [name for name in folders.DEFAULTS]
    members = {"max_rss": "max_rss_bytes", "heap_bytes_left": "heap_left.bytes_left", "heap_files_left": "heap_left.files_left"}
    source = tmp_path / "layout.c"
    source.write_text('#include "base/format.h"\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n' + "".join(
        f'printf("%zu ", offsetof(struct cr_header, {members.get(name, name)}));\n' for name in names) +
        'printf("%zu ", offsetof(struct cr_header, snapshots));\n'
        'printf("%zu %zu", offsetof(struct cr_header, sections), sizeof(struct cr_chunk)); return 0; }\n')
    program = tmp_path / "layout"
    subprocess.run([compiler, "-std=c11", "-I", str(ROOT / "src/tracker"), "-o", str(program), str(source)], check=True)
    offsets = [int(word) for word in subprocess.run([str(program)], check=True, capture_output=True).stdout.split()]
    items = re.findall(r"\d*[a-zA-Z]", reader.HEADER.format.lstrip("<"))
    ours, position = [], 0
    for item in items:
        if not item.endswith("x"):
            ours.append(position)
        position += struct.calcsize("<" + item)
    ours = ours[5:5 + len(names)]  # magic, version, header_bytes, file_bytes, chunk_count come first
    assert ours + [reader.SNAPSHOTS_AT, reader.HEADER.size, reader.CHUNK.size] == offsets
