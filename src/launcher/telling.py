"""Errors of the program, told on the terminal while it runs.

The tracker counts errors in the header of each process's recording, after it has entered them. So a look is a few bytes read per
process; only where the count has risen is the recording itself read, and the names of its frames looked up. A look may meet
a recording in the middle of a step: what makes no sense now is looked at again later, at the latest when the program has ended.
"""

import time
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from report import problem_text, reader, run, summary
from report.errors import CrunchError
from report.suppressions import Suppressions
from report.words import printable

SECONDS = 0.2  # between two looks
CHILDREN = 100  # of the last processes only, while the program runs: each look opens each file
REST = 5  # times as long as the last reading took nothing is read again
WIDTH = 100
FRAMES = 12


class Teller:
    """Tells each error of a run once, up to a limit."""

    def __init__(self, folder: Path, most: int, entries: Suppressions, say: Callable[[List[str]], None]) -> None:
        """folder: the top run folder; entries: of errors that are not to be told."""
        self._folder = folder
        self._left = most
        self._entries = entries
        self._say = say
        self._counted: Dict[Path, int] = {}  # errors, repetitions included, when last read
        self._told: Dict[Path, int] = {}  # items of ERRORS that were looked at
        self._not_before = 0.0
        self._closed = False

    def look(self) -> None:
        """Tells what is new. While the program runs."""
        if time.monotonic() >= self._not_before:
            started = time.monotonic()
            if self._read((self._folder, *run.children(self._folder)[-CHILDREN:])):
                self._not_before = time.monotonic() + REST * (time.monotonic() - started)

    def finish(self) -> None:
        """Tells the rest, when everything is written."""
        self._read((self._folder, *run.children(self._folder)))

    def _read(self, folders: Sequence[Path]) -> bool:
        """Whether there was anything to read."""
        found = False
        for folder in folders:
            try:
                count = reader.count_errors(folder)
                if count > self._counted.get(folder, 0):
                    found = True
                    self._tell(folder)
                    self._counted[folder] = count
            except CrunchError:
                continue
        return found

    def _tell(self, folder: Path) -> None:
        recording = reader.read_recording(folder)
        if recording is None:
            return
        stats = summary.stats_of(recording, summary.UNKNOWN_END, 0.0, 0)
        seen = run.Run(folder, stats, recording, None, None, self._entries)
        known, self._told[folder] = self._told.get(folder, 0), recording.sections[reader.ERRORS].declared
        new = [problem for problem in seen.findings.problems if problem.number >= known]
        whose = "" if folder == self._folder else f"process {recording.pid} ({printable(seen.name)}): "
        for problem in new[:self._left]:
            first, *rest = problem_text.lines(problem, seen.cwd, WIDTH, FRAMES)
            self._say([f"crunch: {whose}{first}", *rest, ""])
        if len(new) > self._left and not self._closed:
            self._closed = True
            self._say(["crunch: more errors are only counted here; --max-errors <n> shows more"])
        self._left = max(0, self._left - len(new))
