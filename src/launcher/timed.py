"""The snapshots of --snapshot-every: asked for again and again, and thinned, so that a run of any length leaves so many of each process.

Only those that nobody but the clock asked for ever go, and of them neither the first nor the last.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from report import reader, snapshots
from report import run as runs

from . import live, request

TRIGGER = "time"


@dataclass(frozen=True)
class Timed:
    """What is to be done for one run. keep: how many of each process may stay; None: all."""

    folder: Path
    keep: Optional[int]

    def ask(self) -> None:
        """Asks every process for one more and does not wait."""
        for process in live.in_folder(self.folder):
            request.poke(process, timed=True)
        self.thin()

    def thin(self) -> None:
        """Makes every process's few enough again."""
        if self.keep is None:
            return
        for process in (self.folder, *runs.children(self.folder)):
            taken = snapshots.folders(process)
            if len(taken) > self.keep:
                times = {path: when for path, when in ((path, _timed(path)) for path in taken) if when is not None}
                for place in sparest([*times.values()], self.keep):
                    _remove([*times][place])


def sparest(times: Sequence[float], keep: int) -> List[int]:
    """Which of these moments, in order, have to go for so many to stay: always the one whose neighbours are nearest to each other."""
    left = [*range(len(times))]
    gone = []
    while len(left) > max(keep, 2):
        gap: Dict[int, float] = {at: times[left[at + 1]] - times[left[at - 1]] for at in range(1, len(left) - 1)}
        gone.append(left.pop(min(gap, key=lambda at: gap[at])))
    return gone


def _timed(folder: Path) -> Optional[float]:
    """When a snapshot was taken; None: not by the clock alone."""
    about = folder / "snapshot"
    try:
        return about.stat().st_mtime if (reader.read_pairs(about) or {}).get("trigger") == TRIGGER else None
    except OSError:
        return None


def _remove(folder: Path) -> None:
    """Under its hidden name first: nobody sees half of one, and what a launcher that is killed here leaves goes with snapshots.settle."""
    hidden = folder.with_name(f".{folder.name}")
    try:
        os.rename(folder, hidden)
        shutil.rmtree(hidden, ignore_errors=True)
    except OSError:
        pass  # the next look tries again
