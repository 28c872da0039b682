"""Commands about programs that run under crunch right now."""

import os
import shlex
from pathlib import Path
from typing import List

from report import summary
from report.words import printable, size

from . import live, request


def snapshot(wanted: str) -> str:
    """Has a process take a snapshot; what is said of it."""
    return f"snapshot written to {printable(str(request.ask(live.find(wanted))))}"


def poke_all(folder: Path) -> None:
    """Asks every process of a run for a snapshot and does not wait."""
    for process in live.in_folder(folder):
        request.poke(process)


def listed() -> List[str]:
    """A line per running process."""
    processes = live.running()
    if not processes:
        return ["no program runs under crunch"]
    rows = [(str(process.pid), size(summary.live(process.recording)[0]), _command(process), str(process.folder)) for process in processes]
    rows.insert(0, ("PID", "LIVE", "PROGRAM", "RUN FOLDER"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"{pid:>{widths[0]}}  {bytes_:>{widths[1]}}  {program:<{widths[2]}}  {folder}" for pid, bytes_, program, folder in rows]


def _command(process: live.Process) -> str:
    arguments = list(process.recording.arguments)
    words = printable(" ".join(shlex.quote(word) for word in [os.path.basename(arguments[0]), *arguments[1:]])) if arguments else "?"
    return words if len(words) <= 40 else words[:39] + "…"
