"""What the page shows, decided from the facts of a run; every text in it is fit to be shown (see words.printable)."""

import shlex
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Tuple

from . import (about_view, block_file, block_view, crash_view, error_view, leak_view, overview, snapshot_view, stack_view, suppression_view, thread_view,
               time_view)
from .about_view import AboutView
from .block_view import BlockView
from .crash_view import CrashView
from .error_view import ErrorView
from .leak_view import LeakView
from .overview import Step, Worst
from .processes import Process
from .run import Run
from .snapshot_view import SnapshotView
from .stack_view import StackView
from .suppression_view import SuppressionView
from .suppressions import DEFINITE
from .thread_view import ThreadView
from .time_view import VERDICTS, TimeView
from .words import plural, printable, seconds, sized, with_sized

COMMAND_COLUMNS, COMMAND_MOST = 36, 400  # of a process, as shown and as a tooltip
DEEPEST_BRANCH = 12  # of the tree of processes; what is deeper stands no further in
FATAL_NAMES = {"signal": "Signal", "number": "Number", "code": "Code", "cause": "Cause", "explanation": "Why", "access": "Access",
               "instruction": "Instruction", "address": "Address",
               "sender": "Sent by process", "pid": "Process", "thread": "Thread"}
SHOWN_BETTER = ("explanation", "instruction", "explained_by", "access")  # by crash_view


@dataclass(frozen=True)
class Verdict:
    """The answer in words. tone: 'bad', 'warn' or 'good'."""

    tone: str
    headline: str
    detail: str


@dataclass(frozen=True)
class Card:
    """One total."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class FatalView:
    """How the program died."""

    line: str
    rows: List[Tuple[str, str]]


@dataclass(frozen=True)
class ChildRow:
    """One process below this one."""

    pid: str
    name: str  # the command, its beginning
    command: str  # more of it; empty: that is all
    end: str
    tone: str
    allocated: Optional[int]  # bytes; None: it is not known, as below
    peak: Optional[int]
    blocks: str  # that remain
    remaining: Optional[int]
    link: str  # empty: it has no page, or this is it
    depth: int  # in the tree; 0: the process of this page
    branch: str  # drawn before its number
    below: str  # processes, itself and below; empty: nothing is below
    total_allocated: Optional[int]  # by it and below; None where that is itself
    total: Optional[int]  # what remains in it and below; the same


@dataclass(frozen=True)
class ChildList:
    """The tree of processes: the rows of this one and of all below it, each before its children."""

    total: int
    rows: List[ChildRow]
    notes: List[str]


@dataclass(frozen=True)
class View:
    """An entry of the navigation. badge: how many there are of what it shows; script: it shows nothing without a script."""

    name: str
    label: str
    badge: str = ""
    tone: str = ""
    script: bool = False


@dataclass(frozen=True)
class Page:
    """Everything the template needs."""

    title: str
    subtitle: str
    version: str
    verdict: Verdict
    views: List[View]
    cards: List[Card]
    worst: Worst
    steps: List[Step]
    notes: List[str]
    fatal: Optional[FatalView]
    blocks: BlockView
    about: AboutView
    facts: Dict[str, Any]  # for the scripts
    children: Optional[ChildList] = None
    parent: str = ""  # link to the page of the process that started this one
    successor: str = ""  # link to the page of what exec made of this process
    stacks: Optional[StackView] = None
    crash: Optional[CrashView] = None
    errors: Optional[ErrorView] = None
    leaks: Optional[LeakView] = None
    time: Optional[TimeView] = None
    threads: Optional[ThreadView] = None
    snapshots: Optional[SnapshotView] = None
    suppressions: Optional[SuppressionView] = None


def page(run: Run, version: str, children: Optional[ChildList] = None, parent: str = "", successor: str = "", editor: str = "") -> Page:
    """The view of one run; `editor` is the pattern of links to source lines, if there are to be any."""
    stacks = stack_view.view(run)
    shown = stacks.shown if stacks else []
    places = stack_view.page_places(run.stacks, shown) if run.stacks else []
    made = Page(
        title=printable(run.name), subtitle=run.command, version=version, verdict=verdict(run), cards=cards(run), worst=overview.worst(run, stacks, editor),
        steps=overview.steps(run, stacks), notes=notes(run), fatal=fatal(run), blocks=block_view.view(run, stacks.page_site if stacks else []),
        about=about_view.view(run, version), facts={}, views=[], children=children, parent=parent, successor=successor, stacks=stacks,
        crash=crash_view.view(run, editor), errors=error_view.view(run, editor),
        leaks=leak_view.view(run, stacks, editor), time=time_view.view(run, places),
        threads=thread_view.view(run), snapshots=snapshot_view.view(run, shown),
        suppressions=suppression_view.view(run, with_unused=not parent))
    return replace(made, views=views(run, made), facts=facts(run, made, editor), about=replace(made.about, left_out=left_out(made)))


def left_out(made: Page) -> List[str]:
    """What the views say they do not show, and how to get it."""
    told = [made.errors, made.leaks, made.stacks, made.blocks, made.snapshots, made.threads, made.children]
    missing = [made.blocks.missing] if made.blocks.missing else []
    return missing + list(dict.fromkeys(note for view in told if view for note in view.notes))


def facts(run: Run, made: Page, editor: str) -> Dict[str, Any]:
    """What the scripts know besides the packs."""
    rows = made.snapshots.rows if made.snapshots else []
    return {"folder": run.cwd, "editor": editor, "kinds": block_file.KINDS, "classes": made.blocks.classes, "verdicts": [verdict.value for verdict in VERDICTS],
            "snapshots": [[row.column, f"Snapshot {row.number}{f' {row.name}' if row.name else ''}, {row.time}", row.time_us] for row in rows if row.column]}


def views(run: Run, made: Page) -> List[View]:
    """The navigation: what there is something to show of."""
    found = [View("overview", "Overview")]
    if run.fatal is not None:
        found.append(View("crash", "Crash" if made.verdict.tone == "bad" else "End", "", made.verdict.tone))
    if made.errors:
        found.append(View("errors", "Errors", f"{made.errors.total:,}", "bad"))
    if made.leaks:
        found.append(View("leaks", "Leaks", f"{made.leaks.definite:,}", "bad" if made.leaks.definite else ""))
    if made.stacks and made.stacks.total:
        found += [View("flame", "Flame graph", script=True), View("sites", "Sites", f"{made.stacks.total:,}")]
    if made.time:
        found.append(View("time", "Time"))
    found.append(View("blocks", "Blocks", f"{made.blocks.total:,}"))
    if made.snapshots:
        found.append(View("snapshots", "Snapshots", f"{len(made.snapshots.rows):,}"))
    if made.threads:
        found.append(View("threads", "Threads", f"{made.threads.total:,}"))
    if made.children:
        found.append(View("processes", "Processes", f"{made.children.total:,}"))
    return found + [View("about", "About")]


def verdict(run: Run) -> Verdict:
    """Says in words whether the run went well: the worst thing first, the others behind it."""
    left, how = _remaining(run), _ending(run)
    errors = run.findings.problems
    if run.crashed:
        line = printable(run.fatal.line) if run.fatal else str(run.signal)
        why = f"{with_sized(_upper(run.crash.sentence))}." if run.crash and run.crash.sentence else ""
        return Verdict("bad", f"Crashed: {line}", " ".join(filter(None, [why, _errors(run), _lost(run), f"At that moment, {left}"])))
    if errors:
        return Verdict("bad", f"{plural(len(errors), 'error')}: {errors[0].headline}", " ".join(filter(None, [how, _lost(run), _upper(left)])))
    if run.signal:
        return Verdict("warn", _upper(printable(run.ended_by())), _upper(left))
    if run.end == "snapshot":
        return Verdict("good", "Snapshot of the running program", f"At that moment, {left}")
    if run.end == "exec":
        return Verdict("warn", "Replaced itself with another program", f"At that moment, {left}")
    if _lost(run):
        return Verdict("bad", _lost(run)[:-1], f"{how} {_upper(left)}")
    if run.remaining_blocks and run.leaks and not run.leaks.lost:
        return Verdict("good", "Nothing is lost: what remained can still be reached", f"{how} {_upper(left)}")
    if run.remaining_blocks:
        return Verdict("warn", left.replace("were still allocated.", "were never freed").replace("was still allocated.", "was never freed"), how)
    return Verdict("good", "Every heap block was freed", how)


def _remaining(run: Run) -> str:
    if not run.remaining_blocks:
        return "no heap block was still allocated."
    if run.remaining_blocks == 1:
        return f"1 heap block of {sized(run.remaining_bytes)} was still allocated."
    return f"{plural(run.remaining_blocks, 'heap block')} of {sized(run.remaining_bytes)} in all were still allocated."


def _ending(run: Run) -> str:
    if run.end == "unknown":
        return "How the program ended is not known."
    if run.signal:
        return f"{_upper(printable(run.ended_by()))}."
    return f"The program ended with {printable(run.end).replace('exit', 'exit status')}."


def _lost(run: Run) -> str:
    """'3 definite leaks, 1.2 MiB.'; empty where there are none, or nobody looked."""
    records = run.leaks.of(DEFINITE) if run.leaks else []
    lost = sum(record.all_bytes for record in records)
    return f"{plural(len(records), 'definite leak')}, {sized(lost)}." if records else ""


def _errors(run: Run) -> str:
    """The errors before a crash; empty where there were none."""
    found = run.findings.problems
    return f"Before that, {plural(len(found), 'error')}: {found[0].headline}." if found else ""


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def cards(run: Run) -> List[Card]:
    """The totals."""
    wall = run.stats["wall_seconds"]
    return [
        Card("Remaining", sized(run.remaining_bytes), plural(run.remaining_blocks, "block")),
        Card("Peak", sized(run.count("peak_bytes")), plural(run.count("peak_blocks"), "block") + " at that moment"),
        Card("Allocated in all", sized(run.count("bytes_allocated")), plural(run.count("allocations"), "allocation")),
        Card("Freed", sized(run.count("bytes_freed")), plural(run.count("frees"), "free")),
        Card("Reallocations", f"{run.count('reallocations'):,}", "blocks changed in size"),
        Card("Resident at most", sized(run.count("max_rss")) if run.count("max_rss") else "unknown", "memory of the whole process"),
        Card("Threads", f"{run.count('threads'):,}", "that used the heap"),
        Card("Duration", seconds(wall) if isinstance(wall, float) else "unknown", "wall clock"),
    ]


def notes(run: Run) -> List[str]:
    """What a reader must know before trusting the numbers."""
    found = [_upper(printable(run.message)) + "."] if run.message else []
    if run.stats["tracking"] == "stopped":
        found.append("The tracker turned itself off before the end: the totals stand still since that moment.")
    if run.count("inherited_blocks"):
        found.append(f"This process began by fork, with {plural(run.count('inherited_blocks'), 'block')} "
                     f"({sized(run.count('inherited_bytes'))}) of its parent's.")
    if run.count("untracked_frees"):
        found.append(f"{plural(run.count('untracked_frees'), 'free')} of addresses that crunch never saw allocated: usually "
                     f"blocks from before the tracker's start.")
    return found


def fatal(run: Run) -> Optional[FatalView]:
    """The fatal file as a table."""
    if run.fatal is None:
        return None
    return FatalView(printable(run.fatal.line), [
        (printable(FATAL_NAMES.get(key, key)), with_sized(printable(value))) for key, value in run.fatal.values.items()
        if key != "explained_by"])


def child_row(process: Process, depth: int, link: str) -> ChildRow:
    """One line of the table of processes; there is no run while a process runs or where its folder is damaged."""
    run = process.run
    pid = process.folder.name if depth else str(process.pid)
    branch = "\u00a0\u00a0" * max(0, min(depth, DEEPEST_BRANCH) - 1) + ("" if not depth else "⇒ " if process.became else "└ ")
    below = f"{process.processes:,}" if process.children else ""
    totals = (process.allocated_bytes, process.remaining_bytes) if process.children else (None, None)
    if run is None:
        return ChildRow(pid, "", "", printable(process.state), "warn", None, None, "", None, "", depth, branch, below, *totals)
    tone = "bad" if run.crashed else "warn" if run.signal or run.end not in ("exit 0", "exec") else "good"
    blocks = plural(run.remaining_blocks, "block") if run.remaining_blocks else "nothing"
    arguments = run.recording.arguments[1:] if run.recording else ()
    words = printable(" ".join(map(shlex.quote, [run.name, *arguments])))
    name = words if len(words) <= COMMAND_COLUMNS else words[:COMMAND_COLUMNS - 1] + "…"
    return ChildRow(pid, name, words[:COMMAND_MOST] if name != words else "", printable(run.end), tone, run.count("bytes_allocated"),
                    run.count("peak_bytes"), blocks, run.remaining_bytes if run.remaining_blocks else None, link, depth, branch, below, *totals)

