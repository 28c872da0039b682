"""Totals from a recording alone, and the files made after a kill."""

import os
import signal
import sys

import pytest

import folders
from report import reader, run, summary
from report.summary import End


def read(tmp_path, *slots, **values):
    (tmp_path / "recording").write_bytes(folders.recording(slots, **values))
    return reader.read_recording(tmp_path)


def test_live_is_inherited_plus_what_the_threads_did(tmp_path):
    recording = read(tmp_path, folders.slot(allocations=5, frees=2, bytes_allocated=500, bytes_freed=120),
                     folders.slot(frees=1, bytes_freed=30), inherited_bytes=1000, inherited_blocks=10)
    assert summary.live(recording) == (1000 + 500 - 120 - 30, 10 + 5 - 2 - 1)


def test_peak_is_completed_with_what_was_not_handed_in(tmp_path):
    """Two threads; the second was 300 bytes higher than now since it last handed in."""
    recording = read(
        tmp_path,
        folders.slot(allocations=3, bytes_allocated=300, handed_bytes=200, handed_blocks=2, high_bytes=300, high_blocks=3),
        folders.slot(allocations=4, frees=3, bytes_allocated=400, bytes_freed=300, handed_bytes=100, handed_blocks=1,
                     high_bytes=400, high_blocks=4),
        shared_bytes=300, shared_blocks=3, peak_bytes=350, peak_blocks=3)
    assert summary.peak(recording) == (700, 7)


def test_peak_of_the_header_stands_when_it_is_higher(tmp_path):
    recording = read(tmp_path, folders.slot(), peak_bytes=9000, peak_blocks=2)
    assert summary.peak(recording) == (9000, 2)


def test_a_killed_run_gets_stats_and_fatal(tmp_path):
    read(tmp_path, folders.slot(allocations=2, bytes_allocated=64), state=reader.RUNNING, end_ns=0)
    assert summary.complete(tmp_path, End(signal=signal.SIGKILL), max_rss=4096)
    stats = reader.read_stats(tmp_path)
    assert stats["end"] == "signal SIGKILL" and stats["live_blocks"] == 2 and stats["max_rss"] == 4096
    assert stats["wall_seconds"] > 0
    fatal = reader.read_fatal(tmp_path)
    assert fatal.values == {"signal": "SIGKILL", "number": "9", "pid": str(folders.LIVE)}
    assert run.load(tmp_path).blocks is None


def test_a_raw_exit_gets_stats_and_no_fatal(tmp_path):
    read(tmp_path, state=reader.RUNNING)
    assert summary.complete(tmp_path, End(status=3))
    assert reader.read_stats(tmp_path)["end"] == "exit 3" and not (tmp_path / "fatal").exists()


def test_complete_files_of_the_tracker_stay(tmp_path):
    (tmp_path / "stats").write_text("as it was")
    assert summary.complete(tmp_path, End(status=0)) and (tmp_path / "stats").read_text() == "as it was"


def test_an_end_the_tracker_could_not_know_is_the_launchers_to_tell(tmp_path):
    (tmp_path / "stats").write_text("format 2\nend unknown\nwall_seconds unknown\n")
    assert summary.complete(tmp_path, End(status=3))
    assert (tmp_path / "stats").read_text() == "format 2\nend exit 3\nwall_seconds unknown\n"


def test_a_running_process_stays_incomplete(tmp_path):
    read(tmp_path, state=reader.RUNNING, pid=os.getpid())
    with folders.mapped(tmp_path):
        assert not summary.complete(tmp_path) and not (tmp_path / "stats").exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="only Linux says which files a process has mapped")
def test_another_process_of_the_same_number_is_not_the_one(tmp_path):
    """After a power cut, say: the numbers are given out anew."""
    (tmp_path / "other").mkdir()
    read(tmp_path / "other", state=reader.RUNNING, pid=os.getpid())
    read(tmp_path, state=reader.RUNNING, pid=os.getpid())
    with folders.mapped(tmp_path / "other"):
        assert summary.complete(tmp_path) and not summary.complete(tmp_path / "other")
    assert reader.read_stats(tmp_path)["end"] == "unknown"


def test_a_dead_child_that_nobody_saw_ends_unknown(tmp_path):
    read(tmp_path, state=reader.RUNNING, end_ns=0)
    assert summary.complete(tmp_path)
    stats = reader.read_stats(tmp_path)
    assert stats["end"] == "unknown" and stats["wall_seconds"] is None


def test_no_recording_no_stats(tmp_path):
    assert not summary.complete(tmp_path, End(status=0))


@pytest.mark.parametrize("number, name", [(11, "SIGSEGV"), (9, "SIGKILL"), (250, "signal 250")])
def test_signals_have_names(number, name):
    assert summary.signal_name(number) == name


def test_exec_is_followed_to_the_last_image(tmp_path):
    top = folders.run_folder(tmp_path / "top", end="exec")
    folders.run_folder(top / "children" / str(folders.LIVE), end="exec")
    last = folders.run_folder(top / "children" / f"{folders.LIVE}.2", end="exit 0")
    assert run.became(run.load(top)).folder == last


def test_exec_to_something_unrecorded_is_none(tmp_path):
    top = folders.run_folder(tmp_path / "top", end="exec")
    assert run.became(run.load(top)) is None
