"""Leaks and who holds what, from damaged and hostile files: one sentence, or what makes no sense is left out; never anything else."""

import os
import random
import shutil
import subprocess
import sys

import pytest

import folders
import programs
from folders import CallStacks, site
from report import block_file, data_names, files, holders, leaks, macho_names, reader, run
from report.errors import CrunchError

ROOT = block_file.HOLDER_ROOT
DEFINITE, INDIRECT, REACHABLE = block_file.LEAK_DEFINITE, block_file.LEAK_INDIRECT, block_file.LEAK_REACHABLE


def leak(place, kind, blocks=1, size=8, more=0, more_bytes=0):
    return leaks.SUM.pack(place, kind, blocks, size, more, more_bytes)


def root(kind=block_file.ROOT_MEMORY, address=0x10, name=block_file.NO_NAME, pc=0, base=0, thread=0):
    return block_file.ROOT.pack(address, pc, base, name, kind, thread)


def blocks_file(entries, found=(), names=b"", **header):
    """A `blocks` file of (class, holder)."""
    counts = {"count": len(entries), "roots": len(found), "name_bytes": len(names), **header}
    head = block_file.BLOCKS_HEADER.pack(b"crunch-b", files.FORMAT_VERSION, block_file.BLOCK.size, counts["count"], folders.LIVE, counts["roots"],
                                     counts["name_bytes"])
    body = b"".join(block_file.BLOCK.pack(0x1000 * number, 8, 1500, 1, 1, 0, 0, kind, holder) for number, (kind, holder) in enumerate(entries, 1))
    return head + body + b"".join(found) + names


@pytest.fixture
def loaded(tmp_path):
    """A run whose recording has these sums and whose `blocks` is this file."""
    def make(sums=(), data=blocks_file([(REACHABLE, 0)]), pcs=((0x1000, 0),)):
        folder = tmp_path / "out"
        shutil.rmtree(folder, ignore_errors=True)
        stacks = CallStacks(sites=[site(0, 16, live_bytes=8, live_blocks=1)], pcs=list(pcs), leaks=list(sums))
        folders.run_folder(folder, call_stacks=stacks, live_blocks=1, live_bytes=8)
        (folder / "recording").write_bytes(folders.recording(call_stacks=stacks, flags=reader.CLASSIFIED))
        (folder / "blocks").write_bytes(data)
        return run.load(folder)
    return make


def texts(one, number):
    return [step.text for step in one.leaks.path(number)]


def look_at_everything(one):
    """All that terminal and page ask of a run's leaks."""
    for record in one.leaks.records:
        one.leaks.frames(record)
        one.leaks.kinds(record)
    for number in range(len(one.blocks or ())):
        one.leaks.path(number)
    holders.holders(one, list(range(len(one.blocks or ()))))


@pytest.mark.parametrize("kind", (0, DEFINITE + 1, 0xffffffff))
def test_a_sum_of_no_class_is_a_sentence(loaded, kind):
    with pytest.raises(CrunchError, match="its leak 1 makes no sense"):
        loaded([leak(1, DEFINITE), leak(1, kind)]).leaks.totals


def test_a_sum_of_a_place_that_is_not_there_counts_and_has_no_record(loaded):
    found = loaded([leak(1, DEFINITE, 1, 8), leak(0, DEFINITE, 2, 10), leak(99, DEFINITE, 4, 100), leak(0xffffffff, REACHABLE, 8, 1 << 63)]).leaks
    assert found.totals[leaks.DEFINITE] == leaks.Total(7, 118) and found.totals[leaks.REACHABLE] == leaks.Total(8, 1 << 63)
    assert [(record.blocks, record.bytes) for record in found.records] == [(1, 8)]


def test_half_a_sum_at_the_end_is_none(loaded):
    one = loaded([leak(1, DEFINITE), leak(1, DEFINITE)[:20]])
    assert one.leaks.totals[leaks.DEFINITE] == leaks.Total(1, 8)


@pytest.mark.parametrize("holder", (3, 0x7fffffff, ROOT | 1, 0xffffffff))
def test_a_holder_that_is_not_there_is_a_sentence(loaded, holder):
    one = loaded(data=blocks_file([(REACHABLE, ROOT), (REACHABLE, holder)], [root()]))
    assert texts(one, 0) == ["block 0x1000 of 8 bytes", "memory at 0x10"]
    with pytest.raises(CrunchError, match="its block 1 is held by nothing there is"):
        one.leaks.path(1)


def test_a_class_that_is_none_is_a_sentence(loaded):
    with pytest.raises(CrunchError, match="its block 0 is held by nothing there is"):
        loaded(data=blocks_file([(DEFINITE + 1, 0)])).leaks.path(0)


@pytest.mark.parametrize("circle", ([1], [2, 1], [2, 3, 1], [2, 3, 2]))
def test_holders_in_a_circle_end(loaded, circle):
    one = loaded(data=blocks_file([(INDIRECT, holder) for holder in circle]))
    assert len(one.leaks.path(0)) == len(circle)
    distances, roots, _ = holders.holders(one, list(range(len(circle))))
    assert distances == [holder - 1 - at for at, holder in enumerate(circle)] and not any(roots)


def test_a_very_long_path_is_cut(loaded):
    one = loaded(data=blocks_file([(INDIRECT, number + 2) for number in range(3000)] + [(DEFINITE, 0)]))
    assert len(one.leaks.path(0)) == leaks.LONGEST_PATH


@pytest.mark.parametrize("damaged", (
    root(kind=block_file.ROOT_FAR + 1), root(kind=0xffffffff), root(name=5), root(name=0xfffffffe)))
def test_a_root_that_makes_no_sense_is_a_sentence(loaded, damaged):
    one = loaded(data=blocks_file([(REACHABLE, ROOT | 1)], [root(), damaged], b"/lib\0"))
    for ask in (lambda: one.leaks.path(0), lambda: holders.holders(one, [0])):
        with pytest.raises(CrunchError, match="its root 1 makes no sense"):
            ask()


@pytest.mark.parametrize("counts", ({"roots": 2}, {"roots": 1 << 63}, {"name_bytes": 6}, {"name_bytes": (1 << 64) - 1}, {"count": 1 << 58}))
def test_tables_that_the_file_has_no_room_for_are_a_sentence(tmp_path, counts):
    (tmp_path / "blocks").write_bytes(blocks_file([(REACHABLE, ROOT)], [root()], b"/lib\0", **counts))
    with pytest.raises(CrunchError, match="is too short") as caught:
        block_file.read_blocks(tmp_path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("which", (
    root(block_file.ROOT_DATA, 1, 0, base=1 << 63), root(block_file.ROOT_STACK, 9, 0, pc=(1 << 64) - 1, base=(1 << 64) - 1, thread=(1 << 64) - 1),
    root(block_file.ROOT_REGISTER, (1 << 64) - 1), root(block_file.ROOT_DATA, 0), root(block_file.ROOT_STACK, pc=1), root(block_file.ROOT_USER), root(block_file.ROOT_FAR)))
@pytest.mark.parametrize("names", (b"/etc/hostname\0", b"no end", b"\xff\x1b[2J\0", b"/proc/self/mem\0", b"/dev/zero\0", b"." + b"/a" * 5000 + b"\0"))
def test_wild_roots_and_hostile_names_are_words(loaded, which, names):
    (_, text) = texts(loaded(data=blocks_file([(REACHABLE, ROOT)], [which], names)), 0)
    assert text.isprintable() and text


def test_random_damage_of_blocks_and_leaks_is_a_sentence_or_a_run(loaded):
    chance = random.Random(11)
    whole = blocks_file([(REACHABLE, ROOT), (REACHABLE, 1), (INDIRECT, 4), (DEFINITE, 0), (REACHABLE, ROOT | 2)],
                        [root(block_file.ROOT_DATA, 0x2010, 0, base=0x2000), root(block_file.ROOT_REGISTER, 3), root(block_file.ROOT_STACK, 5, 0, pc=9)], b"/lib\0")
    sums = b"".join(leak(1, kind) for kind in (DEFINITE, INDIRECT, REACHABLE))
    outcomes = set()
    for _ in range(300):
        data, wrong_sums = bytearray(whole), bytearray(sums)
        for _ in range(chance.randint(1, 4)):
            target = chance.choice((data, data, wrong_sums))
            target[chance.randrange(8 if target is data else 0, len(target))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)):]
        try:
            look_at_everything(loaded([bytes(wrong_sums)], bytes(data)))
            outcomes.add("run")
        except CrunchError as error:
            assert "\n" not in error.message
            outcomes.add("sentence")
    assert outcomes == {"run", "sentence"}


# ---- names of data in ELF files ----


@pytest.fixture
def library(tmp_path):
    compiler = shutil.which("cc") if sys.platform != "darwin" else None
    if not compiler:
        pytest.skip("no C compiler that makes ELF files")
    (tmp_path / "data.c").write_text("long cache[8] = {1}; static long hidden[2] = {2}; void *use(void) { return hidden; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", str(tmp_path / "data.c"), "-o", str(tmp_path / "data.so")], check=True)
    return tmp_path / "data.so"


def address_of(path, name):
    table = subprocess.run(["nm", str(path)], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    return next(int(line.split()[0], 16) for line in table.splitlines() if line.split()[-1] == name)


def name_in(path, data, address, base=0):
    """What is said of an address in a file of these bytes, read anew."""
    path.write_bytes(data)
    data_names._table.cache_clear()
    return data_names.name(str(path), base, address)


def elf(symbols=b"", names=b"", **fields):
    """An ELF file with one segment and two sections: symbols, and their names."""
    header = {"segments_at": 64, "sections_at": 120, "segment_bytes": 56, "segments": 1, "section_bytes": 64, "sections": 2, "link": 1,
              "offset": 248, "size": len(symbols), "names_at": 248 + len(symbols), "names_bytes": len(names), **fields}
    head = data_names.HEADER.pack(b"\x7fELF\x02\x01" + bytes(10), 3, 62, 1, 0, header["segments_at"], header["sections_at"], 0, 64, header["segment_bytes"],
                                  header["segments"], header["section_bytes"], header["sections"], 0)
    segment = data_names.SEGMENT.pack(data_names.LOAD, 6, 0, header.get("first", 0), 0, 0, 0, 0)
    table = data_names.SECTION.pack(0, data_names.SYMTAB, 0, 0, header["offset"], header["size"], header["link"], 0, 8, 24)
    strings = data_names.SECTION.pack(0, 3, 0, 0, header["names_at"], header["names_bytes"], 0, 0, 1, 0)
    return head + segment + table + strings + symbols + names


def symbol(name=1, value=0x100, size=16, kind=data_names.OBJECT):
    return data_names.SYMBOL.pack(name, kind, 0, 1, value, size)


def test_names_of_data(library, tmp_path):
    assert data_names.name(str(library), 0x7000, 0x7000 + address_of(library, "cache") + 8) == "cache+0x8"
    assert data_names.name(str(library), 0, address_of(library, "hidden")) == "hidden"
    assert data_names.name(str(library), 0, 1) == "" and data_names.name(str(library), 1 << 64, 0) == ""
    assert name_in(tmp_path / "made", elf(symbol(), b"\0table\0"), 0x104) == "table+0x4"


@pytest.fixture(scope="module")
def mac_libraries(tmp_path_factory):
    """The same for macOS: of two architectures, and of both."""
    pytest.importorskip("ziglang", reason="zig is not installed")
    folder = tmp_path_factory.mktemp("mac")
    (folder / "data.c").write_text("long cache[8] = {1}; static long hidden[2] = {2}, zeros[5]; const long fixed = 3;\n"
                                   "void *use(int n) { return n ? hidden : zeros; }\n")
    for name, target in (("x86_64", "x86_64-macos"), ("arm64", "aarch64-macos")):
        subprocess.run([sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "data.c", "-o", name], cwd=folder, check=True, capture_output=True)
    (folder / "fat").write_bytes(programs.make_fat(*((folder / name).read_bytes() for name in ("x86_64", "arm64"))))
    return folder


@pytest.mark.parametrize("name", ["x86_64", "arm64", "fat"])
def test_names_of_data_in_a_mac_library(mac_libraries, name, monkeypatch):
    nm = shutil.which("llvm-nm") or shutil.which("llvm-nm-14") or pytest.skip("llvm-nm is not installed")
    monkeypatch.setattr(macho_names.platform, "machine", lambda: "arm64")
    thin = mac_libraries / ("arm64" if name == "fat" else name)
    table = subprocess.run([nm, str(thin)], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.splitlines()
    where = {line.split()[-1]: int(line.split()[0], 16) for line in table if len(line.split()) == 3}
    data_names._table.cache_clear()

    def named(address):
        return data_names.name(str(mac_libraries / name), 0x7000, 0x7000 + address)

    assert [named(where["_cache"]), named(where["_cache"] + 8)] == ["cache", "cache+0x8"]
    assert [named(where["_hidden"]), named(where["_zeros"] + 32)] == ["hidden", "zeros+0x20"]
    assert named(where["_use"]) == "", "code is no data"


def test_a_damaged_mac_library_has_at_most_other_names(mac_libraries, tmp_path):
    chance = random.Random(7)
    whole = (mac_libraries / "fat").read_bytes()
    for _ in range(300):
        damaged = bytearray(whole[:chance.choice((len(whole), chance.randrange(len(whole))))])
        for _ in range(8):
            at = chance.choice((0, 4096, 20480, chance.randrange(len(whole)))) + chance.randrange(600)
            if at < len(damaged):
                damaged[at] = chance.randrange(256)
        found = name_in(tmp_path / "made", bytes(damaged), 0x4008)
        assert found.isprintable() or not found


HUGE, TOP = 1 << 40, (1 << 64) - 1


@pytest.mark.parametrize("fields", (
    {"segments_at": TOP}, {"sections_at": TOP}, {"sections_at": HUGE}, {"segment_bytes": 0xffff, "segments": 0xffff}, {"section_bytes": 1, "sections": 0xffff},
    {"section_bytes": 0}, {"sections": 0xffff}, {"link": 2}, {"link": 0xffffffff}, {"link": 0}, {"offset": TOP}, {"offset": HUGE, "size": HUGE},
    {"size": TOP}, {"size": 1}, {"names_at": TOP}, {"names_at": HUGE}, {"names_bytes": TOP}, {"names_bytes": 0}, {"first": TOP}, {"sections": 0},
    {"segments": 0}))
def test_a_hostile_elf_file_has_at_most_other_names(tmp_path, fields):
    found = name_in(tmp_path / "made", elf(symbol(), b"\0table\0", **fields), 0x104)
    assert found.isprintable() or not found


@pytest.mark.parametrize("symbols, names", (
    (symbol(0xffffffff), b"\0a\0"), (symbol(1), b"\0no end"), (symbol(1, TOP, TOP), b"\0a\0"), (symbol(1, 0, TOP), b"\0a\x1b[2J\n\xff\0"),
    (symbol(1, 0, TOP), b"\0_Z99999999999999999999x\0"), (symbol(1, 0, TOP), b"\0_ZN1a" + b"1b" * 5000 + b"E\0"), (symbol(1, 0, TOP), b"\0_ZZZZNNN0E\0"),
    (symbol(1, 0, TOP), b"\0_ZN" + b"9" * 5000 + b"a\0"), (symbol()[:20], b"\0a\0")))
def test_hostile_symbols_are_printable_or_nothing(tmp_path, symbols, names):
    found = name_in(tmp_path / "made", elf(symbols, names), 0x104)
    assert found.isprintable() or not found


def test_cut_and_damaged_files_have_names_or_none(library, tmp_path):
    data, wanted, chance = library.read_bytes(), address_of(library, "cache"), random.Random(13)
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            where = chance.choice((chance.randrange(64), chance.randrange(len(data)), len(data) - 1 - chance.randrange(2048)))
            damaged[where] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        if chance.random() < 0.3:
            del damaged[chance.randrange(len(damaged)):]
        found = name_in(tmp_path / "damaged", bytes(damaged), wanted)
        assert found.isprintable() or not found


def test_what_is_no_file_has_no_names(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "missing", "/dev/zero", "a\0b"):
        assert data_names.name(str(path), 0, 0) == ""
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", data_names.LARGEST_BYTES + 1)
    assert data_names.name(str(tmp_path / "large"), 0, 0) == ""
    assert name_in(tmp_path / "other", b"\x7fELF\x01\x01" + bytes(100), 0) == name_in(tmp_path / "none", b"", 0) == ""
