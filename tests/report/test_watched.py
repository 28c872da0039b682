"""What --watch shows, without a terminal."""

import re
import sys
from pathlib import Path

import pytest

import folders
from launcher import watched
from report.errors import CrunchError

NAMES = [b"big", b"busy", b"small"]


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Writes the recording of a program with three call stacks; returns a Watched and what writes it anew."""
    out = tmp_path / "out"
    out.mkdir()

    def write(*sites):
        found = [folders.site(0, 16 + number, allocations=count, bytes=live, live_bytes=live, live_blocks=blocks)
                 for number, (live, blocks, count) in enumerate(sites)]
        stacks = folders.perf_stacks(tmp_path / "maps", monkeypatch, NAMES, found, [])
        slot = folders.slot(allocations=sum(site[2] for site in sites), bytes_allocated=sum(site[0] for site in sites),
                            frees=sum(site[2] - site[1] for site in sites))
        (out / "recording").write_bytes(folders.recording([slot], [b"./server", b"-v"], state=0, call_stacks=stacks, peak_bytes=5000))
        return watched.sample(out)
    return watched.Watched(out), write


def at(sample, seconds):
    return watched.Sample(seconds, *list(vars(sample).values())[1:])


def order(seen):
    return [row.key[1] - 16 for row in seen.rows()]


def test_sorts_rates_and_growth(program):
    seen, write = program
    seen.take(at(write((3000, 3, 3), (100, 1, 1000), (500, 5, 5)), 10.0))
    assert order(seen) == [0, 2, 1]
    seen.take(at(write((2900, 3, 3), (100, 1, 3000), (900, 6, 6)), 12.0))
    assert [(row.bytes, row.blocks, row.rate, row.growth) for row in seen.rows()] == [(2900, 3, 0, -100), (900, 6, 0.5, 400), (100, 1, 1000, 0)]
    assert seen.rate() == 1000.5
    for key, expected in (("n", [2, 0, 1]), ("a", [1, 2, 0]), ("g", [2, 1, 0]), ("b", [0, 2, 1])):
        seen.press(key)
        assert order(seen) == expected
    seen.press("r")
    assert all(row.growth == 0 for row in seen.rows())


def test_the_screen(program):
    seen, write = program
    seen.take(write((3000, 3, 3), (100, 1, 1000), (500, 5, 5)))
    lines = watched.screen(seen, 100, 12)
    assert len(lines) == 12 and lines[0].startswith(f"{folders.LIVE} server -v  ") and re.search(r"  0 allocations/s · 1 thread · \d+ d [\d:]+$", lines[0])
    assert len(lines[0]) == 100 and "live 3.5 KiB in 9 blocks" in lines[1] and "peak 4.9 KiB" in lines[1]
    assert lines[3].startswith("     live*") and [line.split()[-1] for line in lines[4:7]] == ["big", "small", "busy"]
    assert lines[-1].startswith("1-3 of 3  b n a g sort")
    seen.press("?")
    assert watched.screen(seen, 100, 30)[0] == "keys"


@pytest.mark.parametrize("width, height", [(1, 1), (10, 2), (20, 4), (200, 3), (3, 60)])
def test_any_size_of_screen(program, width, height):
    seen, write = program
    assert watched.screen(seen, width, height)
    seen.take(write((3000, 3, 3), (100, 1, 1000), (500, 5, 5)))
    for _ in range(5):
        seen.press("down")
    lines = watched.screen(seen, width, height)
    assert len(lines) <= height and all(len(line) <= width for line in lines)


def test_moving_through_the_list_ends_at_its_end(program):
    seen, write = program
    seen.take(write((3000, 3, 3), (100, 1, 1000), (500, 5, 5)))
    for _ in range(9):
        seen.press("down")
    assert "2-3 of 3" in watched.screen(seen, 100, 7)[-1] and seen.first == 1
    seen.press("up")
    assert "1-2 of 3" in watched.screen(seen, 100, 7)[-1]


def test_a_page_at_a_time(program):
    seen, write = program
    seen.take(write((3000, 3, 3), (100, 1, 1000), (500, 5, 5)))
    assert "1-1 of 3" in watched.screen(seen, 100, 6)[-1]
    for key, shown in (("page down", 2), ("page down", 3), ("page up", 2), ("home", 1)):
        seen.press(key)
        assert f"{shown}-{shown} of 3" in watched.screen(seen, 100, 6)[-1]


def test_a_message_goes_after_a_while(program, monkeypatch):
    seen, write = program
    seen.take(write((3000, 3, 3), (100, 1, 1000), (500, 5, 5)))
    seen.say("snapshot asked for")
    assert watched.screen(seen, 100, 12)[-1] == "1-3 of 3  snapshot asked for"
    now = watched.time.monotonic()
    monkeypatch.setattr(watched.time, "monotonic", lambda: now + 9)
    assert watched.screen(seen, 100, 12)[-1].startswith("1-3 of 3  b n a g sort")


def test_what_does_not_fit_is_cut(program):
    seen, write = program
    seen.take(write((3000, 3, 3), (100, 1, 1000), (500, 5, 5)))
    seen.labels = {row.key: "inner < middle (table.c:44) < outer" for row in seen.rows()}
    assert watched.screen(seen, 64, 12)[4].endswith("  inner < middle (t…") and watched.screen(seen, 99, 12)[4].endswith("outer")
    seen.unicode = False
    assert watched.screen(seen, 64, 12)[4].endswith("(t.") and "·" not in "".join(watched.screen(seen, 64, 12))


def test_sparkline():
    assert watched.sparkline([0, 1, 4, 8], 10) == " ▁▄█"
    assert watched.sparkline([1, 2, 3], 2, unicode=False) == "*#" and watched.sparkline([], 5) == watched.sparkline([0, 0], 0) == ""


def test_a_recording_that_stays_damaged_is_one_sentence(program):
    seen, _ = program
    (seen.folder / "recording").write_bytes(b"x" * 10000)
    with pytest.raises(CrunchError, match="damaged"):
        watched.sample(seen.folder)


def test_it_reads_and_does_not_write():
    """Nothing of what is shown opens a recording to write."""
    source = Path(sys.modules["launcher.watched"].__file__).read_text()
    assert not re.search(r"open\(|request|mmap", source)
