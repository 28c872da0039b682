"""The totals of a run, and the files the tracker could not write itself.

A program that is killed, or ends by a raw system call, leaves a `recording` and nothing else; `complete` makes `stats`
and `fatal` from it, by the formulas in src/tracker/base/format.h.
"""

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from . import files, liveness, reader
from .errors import CrunchError
from .reader import Recording, Slot, StatValue
from .words import printable


@dataclass(frozen=True)
class End:
    """How a process ended, seen from outside: an exit status, a signal, or (both None) nobody knows."""

    status: Optional[int] = None
    signal: Optional[int] = None

    def words(self) -> str:
        """As `stats` has it."""
        if self.signal is not None:
            return f"signal {signal_name(self.signal)}"
        return "unknown" if self.status is None else f"exit {self.status}"


UNKNOWN_END = End()


def signal_name(number: int) -> str:
    """'SIGSEGV', 'SIGRTMIN+3', 'signal 77'."""
    try:
        return signal.Signals(number).name
    except ValueError:
        low, high = getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", -1)
        return f"SIGRTMIN+{number - low}" if low < number < high else f"signal {number}"


def live(recording: Recording) -> Tuple[int, int]:
    """Live bytes and blocks, exact at every moment."""
    return (recording.inherited_bytes + sum(slot.bytes_allocated - slot.bytes_freed for slot in recording.slots),
            recording.inherited_blocks + sum(slot.allocations - slot.frees for slot in recording.slots))


def peak(recording: Recording) -> Tuple[int, int]:
    """Peak bytes, and the blocks live at that moment, with what the threads had not handed in yet."""
    best = (recording.peak_bytes, recording.peak_blocks)
    now_bytes, now_blocks = recording.shared_bytes, recording.shared_blocks
    for slot in recording.slots:
        now_bytes += _live_bytes(slot) - slot.handed_bytes
        now_blocks += _live_blocks(slot) - slot.handed_blocks
    best = max(best, (now_bytes, now_blocks))
    for slot in recording.slots:
        at_high = (now_bytes - _live_bytes(slot) + slot.high_bytes, now_blocks - _live_blocks(slot) + slot.high_blocks)
        best = max(best, at_high)
    return best


def _live_bytes(slot: Slot) -> int:
    return slot.bytes_allocated - slot.bytes_freed


def _live_blocks(slot: Slot) -> int:
    return slot.allocations - slot.frees


def stats_of(recording: Recording, end: End, wall_seconds: Optional[float], max_rss: int) -> Dict[str, StatValue]:
    """What `stats` says, from the recording alone; contents and runtime blocks are not known then."""
    live_bytes, live_blocks = live(recording)
    peak_bytes, peak_blocks = peak(recording)
    totals = {name: sum(getattr(slot, name) for slot in recording.slots) for name in (
        "allocations", "frees", "reallocations", "bytes_allocated", "bytes_freed", "untracked_frees")}
    return {
        "pid": recording.pid, "ppid": recording.ppid, "end": end.words(),
        "allocations": totals["allocations"], "frees": totals["frees"], "reallocations": totals["reallocations"],
        "bytes_allocated": totals["bytes_allocated"], "bytes_freed": totals["bytes_freed"],
        "peak_bytes": peak_bytes, "peak_blocks": peak_blocks, "live_bytes": live_bytes, "live_blocks": live_blocks,
        "runtime_bytes": 0, "runtime_blocks": 0,
        "inherited_bytes": recording.inherited_bytes, "inherited_blocks": recording.inherited_blocks,
        "untracked_frees": totals["untracked_frees"], "errors": recording.errors, "threads": recording.threads,
        "wall_seconds": wall_seconds, "max_rss": max_rss,
        "heap_files": 0, "heap_bytes": 0, "heap_left_out_files": live_blocks, "heap_left_out_bytes": live_bytes,
        "tracking": "stopped" if recording.flags & reader.STOPPED else "complete",
    }


def complete(folder: Path, end: Optional[End] = None, max_rss: int = 0) -> bool:
    """Makes the folder of an ended process complete, if it is not; says whether it is now.

    `end` is what the launcher saw itself, with `max_rss` in bytes; for any other process only the recording is asked.
    A folder without a recording, or of a process that still runs, stays as it is."""
    if (folder / "stats").exists():
        if end is not None:
            _tell_end(folder / "stats", end)
        return True
    recording = reader.read_recording(folder)
    if recording is None or (end is None and liveness.still_running(recording, folder)):
        return False
    seen = end or recorded_end(recording)
    wall = _wall_seconds(recording, now=time.time() if end else None)
    if seen.signal is not None and not (folder / "fatal").exists():
        _write(folder / "fatal", fatal_lines(seen.signal, recording.pid))
    stats = stats_of(recording, seen, wall, max_rss or recording.max_rss)
    _write(folder / "stats", [f"format {files.FORMAT_VERSION}"] + [f"{key} {_value(key, value)}" for key, value in stats.items()])
    return True


def _tell_end(stats: Path, end: End) -> None:
    """On macOS no exit handler is told the status, so the tracker may have had to leave it open."""
    lines = os.fsdecode(stats.read_bytes()).splitlines()
    if "end unknown" in lines:
        _write(stats, [f"end {end.words()}" if line == "end unknown" else line for line in lines])


def recorded_end(recording: Recording) -> End:
    """How the tracker saw the process end; it may have been stopped before it could write its files."""
    if recording.state == reader.EXITED:
        return End(status=recording.end_detail)
    if recording.state == reader.SIGNALLED:
        return End(signal=recording.end_detail)
    return UNKNOWN_END


def fatal_lines(number: int, pid: int) -> List[str]:
    """What `fatal` says of a death the tracker did not see."""
    name = signal_name(number)
    line = "SIGKILL killed from outside: by a kill command, or by the system when memory ran out"
    return [line if name == "SIGKILL" else name, f"signal {name}", f"number {number}", f"pid {pid}"]


def _wall_seconds(recording: Recording, now: Optional[float]) -> Optional[float]:
    if recording.end_ns:
        return max(0.0, (recording.end_ns - recording.start_ns) / 1e9)
    return None if now is None else max(0.0, now - recording.start_wall_ns / 1e9)


def _value(key: str, value: StatValue) -> str:
    if value is None:
        return "unknown"
    return f"{value:.6f}" if key == "wall_seconds" else str(value)


def _write(path: Path, lines: List[str]) -> None:
    """Writes a file so that it is there completely or not at all."""
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.write_bytes(os.fsencode("\n".join(lines) + "\n"))
        os.replace(unfinished, path)
    except OSError as error:
        elsewhere = "; --out <folder> writes elsewhere, --no-report only on the terminal" if error.errno == errno.ENOSPC else ""
        raise CrunchError(f"{printable(str(path))} cannot be written: {error.strerror}{elsewhere}") from None
