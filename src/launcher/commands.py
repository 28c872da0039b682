"""Commands about programs that run under crunch right now."""

import os
import shlex
from typing import List

from report import compare, frames, summary
from report.compare import Comparison
from report.words import printable, size

from . import live, request

LABEL_COLUMNS = 70


def snapshot(wanted: str) -> str:
    """Has a process take a snapshot; what is said of it."""
    return f"snapshot written to {printable(str(request.ask(live.find(wanted))))}"


def comparison(compared: Comparison, listed: int) -> List[str]:
    """What the terminal says of two runs: the changes that matter most, either way."""
    text = [f"old: {compare.named(compared.old)}", f"new: {compare.named(compared.new)}", compare.sentence(compared)]
    largest = sorted(compared.changes, key=lambda change: (-abs(change.bytes), -abs(change.blocks)))[:listed]
    rows = [(change.kind, compare.signed(change.bytes), compare.signed_count(change.blocks),
             frames.chain(change.stack, compared.new.program, compared.new.cwd, LABEL_COLUMNS)) for change in largest]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    text += [f"  {kind:<{widths[0]}}  {size_:>{widths[1]}}  {blocks:>{widths[2]}}  {label}" for kind, size_, blocks, label in rows]
    more = len(compared.changes) - len(largest)
    return text + ([f"  … and {more:,} more; --max-listed shows more of them"] if more else [])


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
