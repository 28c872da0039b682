"""The program's resident size as seen from outside, at moments: a program that sleeps takes no points of its own.

At most 4,096 samples: when there are as many, every other one goes and the next ones come half as often. They are written to
`resident` in the run folder now and then and at the end, so that little is lost if the launcher is killed.
"""

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import List, Tuple

from report import reader

SECONDS = 0.2
MOST = 4096
WRITTEN_EVERY = 64
FILE = "resident"
FOOTPRINT_WORD = 9  # of struct rusage_info_v0, behind a UUID of two words: ri_phys_footprint


class Samples:
    """The samples of one run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.found: List[Tuple[int, int]] = []
        self.stride, self.calls = 1, 0
        self.process = 0  # not known before it records

    def take(self) -> None:
        """One more, if it is time; a process that is gone has none."""
        self.calls += 1
        if self.calls % self.stride:
            return
        self.process = self.process or reader.recorded_process(self.path.parent)
        size = resident(self.process) if self.process else 0
        if not size:
            return
        self.found.append((time.monotonic_ns(), size))
        if len(self.found) == MOST:
            self.found = self.found[1::2]
            self.stride *= 2
        if len(self.found) % WRITTEN_EVERY == 0:
            self.write()

    def write(self) -> None:
        """Puts the file in its place, whole; a disk that is full goes without."""
        if not self.found:
            return
        unfinished = self.path.with_name(f".{FILE}.new")
        try:
            unfinished.write_text("".join(f"{moment} {size}\n" for moment, size in self.found), "ascii")
            os.replace(unfinished, self.path)
        except OSError:
            pass


def resident(process: int) -> int:
    """Resident bytes, on macOS the physical footprint; 0 where nobody can tell."""
    if sys.platform == "darwin":
        return _footprint(process)
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _footprint(process: int) -> int:
    usage = (ctypes.c_uint64 * 64)()
    try:
        failed = ctypes.CDLL("/usr/lib/libproc.dylib").proc_pid_rusage(process, 0, ctypes.byref(usage))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else int(usage[FOOTPRINT_WORD])
