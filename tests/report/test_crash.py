"""Reading what `fatal` and `maps` say of a crash; whatever they hold, it is an answer or one sentence."""

import random

import pytest

import folders
from report import crash, reader
from report import run as runs
from report.errors import CrunchError
from report.symbols import Frame

FATAL = """\
SIGSEGV illegal access: address 0x2000010
explanation a write to an address 6 bytes after a live block of 10 bytes, where nothing is mapped
signal SIGSEGV
number 11
code 1
cause address not mapped
address 0x2000010
pid 4711
thread 4711
access write
instruction c6 00 01
block below 0x2000000 live 10 0 1 0 1 0
block above 0x3000000 freed 20 4 2 1 2 0
block pointed 0x2000000 live 10 0 1 0 1 0
explained_by pointed
register rax 0x2000010
register rip 0x401139
frame 0x401139 at /no/such\\040file+0x1139
frame 0x501200 after -
frames_left_out 1000
frame 0x501200 after -
frames_missing stack not readable
thread_stack 4712 worker \x1b[31m
frame 0x401139 after /no/such\\040file+0x1139
thread_stack 4713
note the thread did not answer
module 0x401000 0x402000 0x400000 0a1b2c /no/such\\040file
"""
MAPS = "0x401000-0x402000 r-xp 0x1000 /no/such file\n0x7000-0x8000 rw-p 0x0 \nleft_out 3\n"


def folder(path, fatal=FATAL, maps=MAPS):
    out = folders.run_folder(path, fatal=fatal, end="signal SIGSEGV")
    (out / "maps").write_text(maps)
    return out


def read(path):
    return runs.load(path).crash


def test_everything_is_read(tmp_path):
    found = read(folder(tmp_path / "out"))
    assert found.line == "SIGSEGV illegal access: address 0x2000010" and found.access == "write" and found.address == 0x2000010
    assert found.sentence.startswith("a write to an address 6 bytes after")
    assert found.instruction == b"\xc6\0\1" and found.registers == [("rax", 0x2000010), ("rip", 0x401139)]
    assert [(block.where, block.address, block.size, block.state, block.kind, block.explains) for block in found.neighbours] == [
        ("pointed", 0x2000000, 10, "live", "malloc", True), ("above", 0x3000000, 20, "freed", "new", False)]
    assert found.explaining is found.neighbours[0]
    assert [frame.name for frame in found.stack] == [
        "such file+0x1139", "0x501200", "[frames left out]", "0x501200",
        "[frames missing: stack not readable]"]
    assert [(thread.id, thread.name, len(thread.frames), thread.note) for thread in found.threads] == [
        (4712, "worker \\x1b[31m", 1, ""), (4713, "", 0, "the thread did not answer")]
    assert [(mapping.start, mapping.access, mapping.path) for mapping in found.mappings] == [
        (0x401000, "r-xp", "/no/such file"), (0x7000, "rw-p", "")]


def test_the_short_form_is_a_crash_without_details(tmp_path):
    found = read(folder(tmp_path / "out", "SIGSEGV illegal access: address 0x10\nsignal SIGSEGV\naddress 0x10\n", ""))
    assert found.sentence == "" and found.stack == [] and found.address == 0x10 and found.explaining is None


@pytest.mark.parametrize("line", ["frame", "frame 0x at -", "frame 0x1 beside -", "block below 0x1 live", "module 1 2 3 4 5",
                                  "register rip", "instruction zz", "thread_stack x", "frame 0x11111111111111111 at -"])
def test_a_line_that_makes_no_sense_is_said(line, tmp_path):
    with pytest.raises(CrunchError, match="fatal is damaged: "):
        read(folder(tmp_path / "out", f"SIGSEGV x\nsignal SIGSEGV\n{line}\n"))


def test_random_damage_is_said_or_survived(tmp_path):
    source = random.Random(7)
    out = folder(tmp_path / "out")
    for _ in range(400):
        data = bytearray(FATAL.encode())
        for _ in range(source.randrange(1, 8)):
            data[source.randrange(len(data))] = source.randrange(256)
        (out / "fatal").write_bytes(bytes(data))
        (out / "maps").write_bytes(bytes(source.getrandbits(8) for _ in range(50)) + MAPS.encode())
        try:
            read(out)
            crash.annotate(runs.load(out))
        except CrunchError as error:
            assert "\n" not in error.message


def test_names_are_added_once(tmp_path):
    out = folder(tmp_path / "out")
    crash.annotate(runs.load(out))
    once = (out / "fatal").read_bytes()
    crash.annotate(runs.load(out))
    assert (out / "fatal").read_bytes() == once and reader.read_fatal(out).details == runs.load(out).fatal.details


def test_repeated_frames_are_shown_once_with_those_left_out():
    dig, main = (Frame(name, f"/home/x/{name}.c", 3, 0, "/home/x/prog", True) for name in ("dig", "main"))
    library = Frame("raise", "", 0, 0, "/usr/lib/libc.so.6", True)
    gap = Frame(crash.LEFT_OUT, "", 1000, 0, "", False)
    assert crash.shown([library, dig, dig, gap, dig, main], "/home/x/prog", 8) == [(dig, 1003), (main, 1)]
    assert crash.shown([library, dig, main], "/home/x/prog", 1) == [(dig, 1)]
    assert crash.shown([library], "/home/x/prog", 8) == [(library, 1)]
