"""Errors of the program, from the recording to words with call stacks."""

import random

import pytest

import folders
from folders import error
from report import problems, reader, run
from report.errors import CrunchError

NAMES = (b"main", b"make", b"drop", b"again")
NODES = [(0, 16), (16, 17), (16, 18), (16, 19), (14, 18)]  # main; make, drop, again under it; drop, its caller alone kept


def recorded(path, monkeypatch, *items: bytes) -> run.Run:
    call_stacks = folders.perf_stacks(path / "maps", monkeypatch, NAMES, [], NODES)
    call_stacks.errors = items
    return run.load(folders.run_folder(path / "run", call_stacks=call_stacks))


def test_a_double_free_has_three_stacks(tmp_path, monkeypatch):
    found, = problems.read(recorded(tmp_path, monkeypatch, error(problems.DOUBLE_FREE, stack=19, allocated=17, freed=20,
                                                                 freed_thread=2, count=3, flags=problems.BLOCK | problems.SKIPPED)))
    assert found.kind == "double-free" and found.count == 3
    assert found.headline == "double free: free(0x5000) of a block of 24 bytes that is freed already"
    assert found.details == ["2.0 ms after the start, then 2 times more", "the call was not made"]
    assert [(title, [frame.name for frame in frames]) for title, frames in found.stacks] == [
        ("here by thread 1", ["again", "main"]), ("allocated by thread 1", ["make", "main"]),
        ("freed by thread 2", ["drop", "[frames missing: without --check only the caller of a free is kept]"])]


@pytest.mark.parametrize("kind, values, words", [
    (problems.DOUBLE_FREE, dict(flags=0, function=b"realloc"), "double free: realloc(0x5000) of a block that is freed already"),
    (problems.FREE_INSIDE, dict(address=0x5008), "wrong free: free(0x5008) is 8 bytes inside a block of 24 bytes"),
    (problems.FREE_STACK, dict(flags=0), "wrong free: free(0x5000) of stack memory"),
    (problems.FREE_STATIC, dict(flags=0), "wrong free: free(0x5000) of static memory"),
    (problems.FREE_UNMAPPED, dict(flags=0), "wrong free: free(0x5000) of an address where there is no memory"),
    (problems.MISMATCH, dict(block_kind=5), "mismatched free: free(0x5000) of a block of 24 bytes that operator new[] made"),
    (problems.MISMATCH, dict(function=b"operator delete"), "mismatched free: operator delete(0x5000) of a block of 24 bytes that malloc made"),
    (problems.WRONG_SIZE, dict(function=b"operator delete", detail=(16,), block_kind=4),
     "wrong size: operator delete(0x5000, 16) of a block of 24 bytes that operator new made"),
    (problems.WRONG_ALIGNMENT, dict(function=b"operator delete", detail=(64,)),
     "wrong alignment: operator delete(0x5000) says an alignment of 64 for a block of 24 bytes made without one"),
    (problems.WRONG_ALIGNMENT, dict(function=b"operator delete", detail=(0, 1)),
     "wrong alignment: operator delete(0x5000) says none for a block of 24 bytes made with one"),
    (problems.WRONG_ZONE, dict(detail=(0x10, 0x20)), "wrong zone: free(0x5000) says zone 0x10 for a block of 24 bytes of zone 0x20"),
    (problems.NEGATIVE_SIZE, dict(function=b"malloc", detail=(2**64 - 8,)), "negative size: malloc(-8)"),
    (problems.NEGATIVE_SIZE, dict(function=b"calloc", detail=(2**40, 2**30)), "impossible size: calloc(1099511627776, 1073741824)"),
    (problems.OVERRUN, dict(detail=(0, 1)), "overrun: 1 byte changed right behind the end of a block of 24 bytes"),
    (problems.UNDERRUN, dict(detail=(8, 2)), "underrun: 2 bytes changed 8 bytes before a block of 24 bytes"),
    (problems.WRITE_AFTER_FREE, dict(detail=(4, 2)), "write after free: 2 bytes changed 4 bytes inside a block of 24 bytes that was freed"),
    (problems.OUT_OF_BOUNDS, dict(function=b"memcpy", detail=(30,), flags=problems.BLOCK | problems.WRITES),
     "out of bounds: write of 30 bytes by memcpy at the start of a block of 24 bytes"),
    (problems.GUARD_AFTER, dict(function=b"", address=0x5020, flags=problems.BLOCK | problems.READS),
     "overrun: read 8 bytes behind the end of a block of 24 bytes"),
    (problems.GUARD_BEFORE, dict(function=b"", address=0x4FFF, detail=(1,), flags=problems.BLOCK),
     "underrun: access of 1 byte 1 byte before a block of 24 bytes"),
    (problems.GUARD_FREED, dict(function=b"", address=0x5018), "use after free: access at the end of a freed block of 24 bytes"),
    (problems.USE_AFTER_FREE, dict(function=b"strlen", flags=problems.READS), "use after free: read by strlen at 0x5000 a block"),
])
def test_every_kind_is_a_sentence(tmp_path, monkeypatch, kind, values, words):
    found, = problems.read(recorded(tmp_path, monkeypatch, error(kind, **values)))
    assert found.headline == words and found.stacks == []


def test_changed_bytes_are_shown_with_what_was_expected(tmp_path, monkeypatch):
    found, = problems.read(recorded(tmp_path, monkeypatch, error(problems.OVERRUN, changed=b"A\0", expected=b"\xfd\xfd")))
    assert found.details[1:] == ["found    41 00", "expected fd fd"]


def test_what_is_not_kept_is_said(tmp_path, monkeypatch):
    path = folders.run_folder(tmp_path / "more")
    (path / "recording").write_bytes(folders.recording(errors=7, errors_left_out=5))
    recorded_run = run.load(path)
    assert problems.left_out(recorded_run).startswith("5 more errors that differ") and recorded_run.recording.errors == 7
    assert problems.left_out(recorded(tmp_path, monkeypatch)) == ""


@pytest.mark.parametrize("item", [error(0), error(99), error(1, block_kind=7), error(1)[:-8] + b"\x21" + bytes(7)])
def test_what_cannot_be_is_damage(tmp_path, monkeypatch, item):
    with pytest.raises(CrunchError, match="its error 0 makes no sense"):
        problems.read(recorded(tmp_path, monkeypatch, item))


def test_random_damage_is_a_sentence_or_words(tmp_path, monkeypatch):
    chance, outcomes = random.Random(3), set()
    for number in range(200):
        data = bytearray(error(1 + number % 18, stack=19))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            found, = problems.read(recorded(tmp_path / str(number), monkeypatch, bytes(data)))
            assert found.headline.isprintable()
            outcomes.add("words")
        except CrunchError as trouble:
            assert "\n" not in trouble.message
            outcomes.add("sentence")
    assert outcomes == {"words", "sentence"} and reader.ITEM_BYTES[reader.ERRORS] == problems.ERROR.size
