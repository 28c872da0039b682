"""Call stacks on the terminal, and the progress bar."""

import io
import os

import pytest

import folders
from folders import site
from launcher import progress, sites
from report import run

MAIN, LOAD, GROW, STD, EVIL = range(16, 21)  # of the fixture `recorded`


def test_the_largest_at_the_end_and_where_others_at_the_peak(recorded):
    found = recorded(site(17, GROW, live_bytes=300, live_blocks=3, epoch=1, peak_bytes=300, peak_blocks=3),
                     site(16, LOAD, live_bytes=100, live_blocks=1),
                     site(0, MAIN, epoch=1, peak_bytes=4000, peak_blocks=1))
    assert sites.lines(found, sites.Wanted()) == [
        "still allocated, by call stack",
        "  300 bytes in 3 blocks, 75 %", "    grow", "    load", "    main",
        "  100 bytes in 1 block, 25 %", "    load", "    main",
        "",
        "at the peak of 4.9 KiB, by call stack",
        "  3.9 KiB in 1 block, 80 %", "    main",
        "  300 bytes in 3 blocks, 6 %", "    grow", "    load", "    main",
        "  100 bytes in 1 block, 2 %", "    load", "    main"]


def test_a_peak_like_the_end_is_not_said_again(recorded):
    found = recorded(site(17, GROW, live_bytes=300, live_blocks=3))
    assert sites.lines(found, sites.Wanted())[0] == "still allocated, by call stack"
    assert not [line for line in sites.lines(found, sites.Wanted()) if "peak" in line]


def test_a_peak_a_little_above_the_end_at_the_same_places_is_not_said(recorded):
    found = recorded(site(17, GROW, live_bytes=4900, live_blocks=3, epoch=1, peak_bytes=5000, peak_blocks=4))
    found.stats["live_bytes"] = 4900
    said = sites.lines(found, sites.Wanted())
    assert said[0] == "still allocated, by call stack" and not [line for line in said if "peak" in line]


def test_what_was_told_as_lost_is_not_told_again(recorded):
    found = recorded(site(17, GROW, live_bytes=300, live_blocks=3), site(16, LOAD, live_bytes=100, live_blocks=1))
    lost = {("grow", "load", "main")}
    also = ["also still allocated, by call stack", "  100 bytes in 1 block, 25 %", "    load", "    main"]
    assert sites.lines(found, sites.wanted(None), lost)[:4] == also
    assert sites.lines(found, sites.Wanted(count=1), lost)[:4] == also
    assert sites.lines(found, sites.wanted(3), lost)[0] == "still allocated, by call stack", "whole call stacks are what was asked for"
    assert "allocated" not in "\n".join(sites.lines(found, sites.Wanted(), lost | {("load", "main")}))


def test_a_peak_that_is_mostly_the_runtimes_own_says_so(recorded):
    found = recorded(site(16, LOAD, epoch=1, peak_bytes=40, peak_blocks=1),
                     site(17, GROW, live_bytes=4900, live_blocks=1, epoch=1, peak_bytes=4900, peak_blocks=1))
    pool = max(found.stacks.places, key=lambda place: place.peak_bytes)
    pool.runtime_bytes, pool.runtime_blocks = 4900, 1
    assert sites.lines(found, sites.Wanted()) == [
        "at the peak of 4.9 KiB, 4.8 KiB of it the runtime's own, by call stack", "  40 bytes in 1 block, 1 %", "    load", "    main"]


def test_stacks_that_read_alike_are_one(recorded):
    found = recorded(site(18, STD, live_bytes=10, live_blocks=1), site(17, GROW, live_bytes=20, live_blocks=2),
                     site(18, EVIL, live_bytes=5, live_blocks=1))
    assert sites.lines(found, sites.Wanted())[1:5] == ["  30 bytes in 3 blocks from 2 call stacks, 8 %", "    grow", "    load", "    main"]
    whole = sites.lines(found, sites.wanted(2))
    assert whole[1:6] == ["  20 bytes in 2 blocks, 5 %", "    grow", "    load", "    main", "  10 bytes in 1 block, 2 %"]
    assert whole[6:10] == ["    std::allocate(int)", "    grow", "    load", "    main"]


def test_nothing_is_said_where_there_is_nothing_or_nobody_asks(recorded):
    found = recorded(site(17, GROW, live_bytes=300, live_blocks=3))
    assert sites.lines(found, sites.wanted(0)) == []
    (found.folder / "recording").unlink()
    assert sites.lines(run.load(found.folder), sites.Wanted()) == []


def test_names_cannot_talk_to_the_terminal(recorded):
    found = recorded(site(17, EVIL, live_bytes=300, live_blocks=3))
    assert "    ev;il\\x1b[2J <b>" in sites.lines(found, sites.Wanted())


def test_what_the_runtimes_keep_is_left_out(tmp_path, monkeypatch):
    stacks = folders.perf_stacks(tmp_path / "maps", monkeypatch, [b"main"], [site(0, MAIN, live_bytes=72704, live_blocks=1)], [])
    out = folders.run_folder(tmp_path / "out", [(0x10, 72704, 1)], call_stacks=stacks)
    assert sites.lines(run.load(out), sites.Wanted()) == []


def test_missing_frames_are_a_frame(recorded):
    found = recorded(site(4, GROW, live_bytes=300, live_blocks=3))
    assert sites.lines(found, sites.wanted(1))[2:4] == ["    grow", "    [frames missing: stack not readable]"]


FEW = (site(4, GROW, allocations=2), site(1, LOAD, allocations=5))
MANY = site(17, GROW, allocations=2000, live_bytes=300, live_blocks=3)


@pytest.mark.parametrize("counted, said", [
    ((*FEW, MANY), None),
    ((FEW[0], site(1, LOAD, allocations=5, live_bytes=9, live_blocks=1), MANY), "7 of 2,007 allocations"),
    ((*FEW, site(17, GROW, allocations=200, live_bytes=300, live_blocks=3)), "7 of 207 allocations")])
def test_incomplete_stacks_are_counted_with_their_reasons_where_they_are_many_or_shown(recorded, counted, said):
    lines = [line for line in sites.lines(recorded(*counted), sites.Wanted()) if "outermost" in line]
    assert lines == ([f"crunch: {said} have call stacks without their outermost frames: no unwind table for the code, and no frame pointer, "
                      "stack not readable"] if said else [])


def test_stacks_without_any_name_are_explained(tmp_path, monkeypatch):
    program = tmp_path / "prog"
    program.write_bytes(b"\x7fELF, and no symbols")
    os.utime(program, (1, 1))
    stacks = folders.CallStacks(sites=[site(0, 16, live_bytes=9, live_blocks=1)], pcs=[(0x7F0000001000, 1)],
                                modules=[folders.module(0x7F0000000000, 0x7F0000010000, 1)], strings=b"\0" + os.fsencode(program) + b"\0")
    said = sites.lines(run.load(folders.run_folder(tmp_path / "out", call_stacks=stacks)), sites.Wanted())
    assert said[2:] == ["    prog+0x1000", "", "crunch: prog is stripped of symbols, so functions have no names; "
                        "--debuginfod <s> fetches what servers have of them"]


def test_why_names_are_missing_is_said_once(tmp_path):
    stacks = folders.CallStacks(sites=[site(0, 16, live_bytes=9, live_blocks=1), site(0, 17, live_bytes=8, live_blocks=1)],
                                pcs=[(0x7F0000001000, 1), (0x7F0000002000, 1)],
                                modules=[folders.module(0x7F0000000000, 0x7F0000010000, 1)], strings=b"\0/gone/lib.so\0")
    said = sites.lines(run.load(folders.run_folder(tmp_path / "out", call_stacks=stacks)), sites.Wanted())
    assert said[-1] == "crunch: /gone/lib.so is no longer there, so its functions have no names"
    assert "    lib.so+0x1000" in said and sum("crunch:" in line for line in said) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_drawn_late_and_wiped_away(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    terminal = Terminal()
    with progress.bar(terminal) as tell:
        tell(1, 10)
        assert terminal.getvalue() == ""
        now[0] = 0.6
        tell(5, 10)
    assert terminal.getvalue() == "\rcrunch: finding names [###############...............]  50 %\x1b[K\r\x1b[K"
    with progress.bar(io.StringIO()) as tell, progress.bar(terminal, quiet=True) as quiet, progress.bar(None) as closed:
        assert tell is None and quiet is None and closed is None
