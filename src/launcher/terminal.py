"""What crunch says on the terminal after the program's end; the caller prints it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Sequence

from report import problem_text, problems
from report.run import Run
from report.words import plural, printable, size

from . import losses

HEAP_FILES = "10,000"
HEAP_FAILED = "heap/: "  # in the tracker's message, before the reason


@dataclass(frozen=True)
class Kept:
    """What of the run stays on disk, and how many blocks are listed."""

    folder: Path  # the top run folder
    report: bool  # False: nothing stays
    heap_limit: str  # as the user wrote it; empty: no contents wanted
    max_listed: int
    children: int
    stacks: Sequence[str] = ()  # what sites.lines has to say
    suppressed: Sequence[str] = ()  # and suppressed.lines
    crash: Sequence[str] = ()  # what crashes.lines has to say
    crashes_below: Sequence[str] = ()  # what crashes.below has to say
    leaks: losses.Told = field(default_factory=losses.Told)
    snapshots: int = 0
    snapshots_below: int = 0  # in the child processes together
    snapshots_gone: int = 0  # taken, and thinned since
    snapshots_dropped: int = 0  # in all processes together
    errors_below: int = 0  # in the child processes together
    remaining_below: int = 0  # bytes, in the child processes together


def lines(started: Run, ended: Run, kept: Kept) -> List[str]:
    """The whole text. `ended` is `started`, unless exec replaced the program on the way."""
    groups = [[*_end(ended), *kept.crash], _crash_info(ended) if kept.report else [], list(kept.crashes_below), _notes(started, ended),
              *_summary(ended, kept), _files(ended, kept) if kept.report else [],
              kept.leaks.nothing, list(kept.stacks), list(kept.suppressed)]
    text: List[str] = []
    for group in filter(None, groups):
        text += ([""] if text else []) + group
    return text


def _summary(run: Run, kept: Kept) -> List[List[str]]:
    """What is wrong first; the list of blocks, which may be long, behind it."""
    head = ["=== crunch ===", *_errors(run, kept)]
    return [[*head, *kept.leaks.lost], _remaining(run, kept)] if kept.leaks.lost else [head + _remaining(run, kept)]


def _end(run: Run) -> List[str]:
    if run.signal is None:
        return []
    if run.crashed and run.fatal:
        return [f"crunch: {printable(run.fatal.line)}"]
    return [f"crunch: {run.ended_by()}"]


def _crash_info(run: Run) -> List[str]:
    if not run.crashed:
        return []
    return ["writing crash info...", f"crash info written to {printable(str(run.folder / 'fatal'))}"]


def _notes(started: Run, ended: Run) -> List[str]:
    notes = []
    if ended is not started:
        notes.append(f"crunch: {printable(started.name)} became {printable(ended.name)} by exec; what follows is "
                     f"{printable(ended.name)}'s heap")
    elif started.end == "exec":
        notes.append(f"crunch: {printable(started.name)} was replaced by exec with a program that is not recorded; what "
                     f"follows is the heap before that")
    if ended.message:
        notes.append(f"crunch: {printable(ended.message)}")
    return notes


def _errors(run: Run, kept: Kept) -> List[str]:
    found = problem_text.summary(run)
    where = f", written to {printable(str(run.folder / problem_text.FILE))}" if kept.report else ""
    text = [f"{found}{where}"] if found else []
    more = problems.left_out(run)
    text += [more] if more else []
    if kept.errors_below and not (kept.errors_below == len(run.findings.problems) and run.folder != kept.folder):
        where = f", written to {printable(str(kept.folder / 'children'))}/*/errors" if kept.report else ""
        text.append(f"{plural(kept.errors_below, 'error')} in child processes{where}")
    return text


def _remaining(run: Run, kept: Kept) -> List[str]:
    text = [f"{run.remaining_blocks} remaining heap allocations"]
    if run.blocks is None:
        if run.remaining_blocks:
            text.append(f"  {size(run.remaining_bytes)} in all, the runtime's own included; {run.blocks_missing}")
        return text
    listed = run.blocks.largest(kept.max_listed)
    text += [f"  0x{block.address:x} : {block.size} {'byte' if block.size == 1 else 'bytes'}" for block in listed]
    more = run.remaining_blocks - len(listed)
    if more > 0:
        text.append(f"  … and {more:,} more" + (" in report.html" if kept.report else "; --max-listed <n> names more"))
    runtime = run.count("runtime_blocks")
    if runtime:
        text.append(f"  and {runtime:,} of the runtime's own")
    return text


def _files(run: Run, kept: Kept) -> List[str]:
    text = []
    if run.count("heap_files"):
        text += ["dumping heap...", f"heap contents written to {printable(str(run.folder / 'heap'))}"]
    left_out = run.count("heap_left_out_files")
    if left_out and run.blocks is not None:
        amount = f"{plural(left_out, 'block')} ({size(run.count('heap_left_out_bytes'))})"
        shared = " for all processes together" if kept.children else ""
        why = f"--heap-limit {kept.heap_limit}, at most {HEAP_FILES} files{shared}" if kept.heap_limit else "--no-heap"
        if kept.heap_limit and HEAP_FAILED in run.message:
            why = "they could not be written"
        text.append(f"heap contents of {amount} left out: {printable(why)}")
    if kept.children:
        noun = "child process" if kept.children == 1 else "child processes"
        left = f", {size(kept.remaining_below)} remaining in them" if kept.remaining_below else ""
        text.append(f"{kept.children:,} {noun} recorded in {printable(str(kept.folder / 'children'))}{left}")
    if kept.snapshots or kept.snapshots_below:
        gone = f"; {kept.snapshots_gone:,} more made room for later ones, --snapshot-keep lets more stay" if kept.snapshots_gone else ""
        places = ["snapshots"] * bool(kept.snapshots) + ["children/*/snapshots"] * bool(kept.snapshots_below)
        where = " and ".join(printable(str(kept.folder / place)) for place in places)
        text.append(f"{plural(kept.snapshots + kept.snapshots_below, 'snapshot')} in {where}{gone}")
    if kept.snapshots_dropped:
        text.append(f"{plural(kept.snapshots_dropped, 'snapshot')} dropped: not to be taken, or not to be written whole")
    page = kept.folder / "report.html"
    if page.exists():
        text.append(f"crunch report written to {printable(str(page))}")
    return text
