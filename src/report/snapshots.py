"""The snapshots of a run: run folders of their own under `snapshots`, by their numbers.

One that is still being written has a hidden name, and whoever writes it holds a lock on its marker.
"""

import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional

from . import reader
from .errors import CrunchError
from .run import Run
from .run import load as load_run
from .words import unescaped

LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Snapshot:
    """One of them, by its totals."""

    folder: Path
    number: int
    trigger: str  # request, time, signal, peak or program
    name: str  # what the program called it; usually nothing
    seconds: Optional[float]  # since the start
    live_bytes: int
    live_blocks: int
    peak_bytes: int


def list(run: Run) -> List[Snapshot]:  # noqa: A001 (named as it reads: snapshots.list)
    """Those that are complete and can be read, in the order they were taken."""
    found = []
    for folder in folders(run.folder):
        try:
            found.append(_read(folder))
        except CrunchError:
            continue
    return found


def folders(folder: Path) -> List[Path]:
    """The folders of the complete ones."""
    return [folder / "snapshots" / name for name in sorted(filter(str.isdigit, _names(folder)), key=int)]


def gone(folder: Path) -> int:
    """How many a process has taken that are not there any more."""
    counters = _counters(folder)
    return max(0, counters.taken - counters.dropped - len(folders(folder))) if counters else 0


def dropped(folder: Path) -> int:
    """How many a process could not take or not write whole."""
    counters = _counters(folder)
    return counters.dropped if counters else 0


def _counters(folder: Path) -> Optional[reader.Snapshots]:
    try:
        recording = reader.read_recording(folder)
    except CrunchError:
        return None
    return recording.snapshots if recording else None


def _read(folder: Path) -> Snapshot:
    run = load_run(folder)
    about = reader.read_pairs(folder / "snapshot") or {}
    wall = run.stats["wall_seconds"]
    return Snapshot(folder, int(folder.name), about.get("trigger", ""), unescaped(about.get("name", "")),
                    wall if isinstance(wall, float) else None, run.count("live_bytes"), run.count("live_blocks"),
                    run.count("peak_bytes"))


def settle(folder: Path) -> None:
    """Waits until the snapshots of an ended process are complete, and removes what one that was killed has left."""
    for part in _unfinished(folder):
        while part.exists() and _is_written(part):
            time.sleep(LOOK_SECONDS)
        shutil.rmtree(part, ignore_errors=True)


def _unfinished(folder: Path) -> Iterator[Path]:
    for name in _names(folder):
        if name.startswith(".") and name[1:].isdigit():
            yield folder / "snapshots" / name


def _is_written(part: Path) -> bool:
    """Whether the process that writes it lives."""
    try:
        marker = os.open(part / reader.MARKER, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(marker, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(marker)


def _names(folder: Path) -> List[str]:
    try:
        return os.listdir(folder / "snapshots")
    except OSError:
        return []
