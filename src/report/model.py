"""What the page shows, decided from the facts of a run; every text in it is fit to be shown (see words.printable)."""

import datetime
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from . import contents, reader, stack_view, suppression_view
from .contents import Contents
from .reader import Block
from .run import Run
from .stack_view import StackView
from .suppression_view import SuppressionView
from .words import plural, printable, seconds, size

PAGE_ROWS = 10_000
RUNTIME_ROWS = 200
FATAL_NAMES = {"signal": "Signal", "number": "Number", "code": "Code", "cause": "Cause", "address": "Address",
               "sender": "Sent by process", "pid": "Process", "thread": "Thread"}
META_NAMES = {"exe": "Program", "cwd": "Working folder", "system": "System", "release": "System release", "machine": "Machine",
              "tracker": "Tracker"}


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
class Row:
    """One block."""

    address: str
    size: int
    size_words: str
    time_ns: int
    time_words: str
    thread: int
    kind: str
    inherited: bool
    has_file: bool
    bytes: Optional[str]  # base64; None: the page holds none of it
    site: int  # number of its call stack in the page; -1: not there


@dataclass(frozen=True)
class BlockList:
    """The program's remaining blocks, largest first, and the runtime's own apart."""

    total: int
    total_words: str
    rows: List[Row]
    runtime_total: int
    runtime_words: str
    runtime_rows: List[Row]
    notes: List[str]
    missing: str = ""  # why there is no list

    @property
    def shown_all(self) -> bool:
        return len(self.rows) == self.total


@dataclass(frozen=True)
class FatalView:
    """How the program died."""

    line: str
    rows: List[Tuple[str, str]]


@dataclass(frozen=True)
class ChildRow:
    """One process below this one."""

    pid: str
    name: str
    end: str
    tone: str
    remaining: str
    peak: str
    link: str  # empty: it has no page


@dataclass(frozen=True)
class ChildList:
    """The processes below this one."""

    total: int
    rows: List[ChildRow]
    notes: List[str]


@dataclass(frozen=True)
class Page:
    """Everything the template needs."""

    title: str
    subtitle: str
    version: str
    verdict: Verdict
    cards: List[Card]
    notes: List[str]
    fatal: Optional[FatalView]
    blocks: BlockList
    about: List[Tuple[str, str]]
    children: Optional[ChildList] = None
    parent: str = ""  # link to the page of the process that started this one
    successor: str = ""  # link to the page of what exec made of this process
    contents: Optional[Contents] = field(default=None, compare=False)
    stacks: Optional[StackView] = None
    suppressions: Optional[SuppressionView] = None


def page(run: Run, version: str, children: Optional[ChildList] = None, parent: str = "", successor: str = "") -> Page:
    """The view of one run."""
    shown = run.blocks.largest(PAGE_ROWS) if run.blocks else []
    own = run.blocks.runtime(RUNTIME_ROWS) if run.blocks else []
    kept = contents.select(run.folder, shown + own)
    stacks = stack_view.view(run)
    sites = stacks.page_site if stacks else []
    return Page(
        title=printable(run.name), subtitle=command(run), version=version,
        verdict=verdict(run), cards=cards(run), notes=notes(run), fatal=fatal(run),
        blocks=block_list(run, shown, own, kept, sites), about=about(run),
        children=children, parent=parent, successor=successor, contents=kept, stacks=stacks,
        suppressions=suppression_view.view(run, with_unused=not parent))


def command(run: Run) -> str:
    """The command line as one would type it."""
    return printable(" ".join(map(shlex.quote, run.recording.arguments))) if run.recording else ""


def verdict(run: Run) -> Verdict:
    """Says in words whether the run went well."""
    remaining = f"{plural(run.remaining_blocks, 'heap block')} of {size(run.remaining_bytes)} in all"
    was = "was" if run.remaining_blocks == 1 else "were"
    if run.remaining_blocks == 1:
        remaining = f"1 heap block of {size(run.remaining_bytes)}"
    left = f"{remaining} {was} still allocated." if run.remaining_blocks else "no heap block was still allocated."
    if run.crashed:
        line = printable(run.fatal.line) if run.fatal else str(run.signal)
        return Verdict("bad", f"Crashed: {line}", f"At that moment, {left}")
    if run.signal:
        return Verdict("warn", _upper(printable(run.ended_by())), _upper(left))
    if run.end == "exec":
        return Verdict("warn", "Replaced itself with another program", f"At that moment, {left}")
    how = f"The program ended with {printable(run.end).replace('exit', 'exit status')}."
    if run.end == "unknown":
        how = "How the program ended is not known."
    if run.remaining_blocks:
        return Verdict("warn", f"{remaining} {was} never freed", how)
    return Verdict("good", "Every heap block was freed", how)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def cards(run: Run) -> List[Card]:
    """The totals."""
    wall = run.stats["wall_seconds"]
    return [
        Card("Remaining", size(run.remaining_bytes), plural(run.remaining_blocks, "block")),
        Card("Peak", size(run.count("peak_bytes")), plural(run.count("peak_blocks"), "block") + " at that moment"),
        Card("Allocated in all", size(run.count("bytes_allocated")), plural(run.count("allocations"), "allocation")),
        Card("Freed", size(run.count("bytes_freed")), plural(run.count("frees"), "free")),
        Card("Reallocations", f"{run.count('reallocations'):,}", "blocks changed in size"),
        Card("Resident at most", size(run.count("max_rss")) if run.count("max_rss") else "unknown", "memory of the whole process"),
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
                     f"({size(run.count('inherited_bytes'))}) of its parent's.")
    if run.count("untracked_frees"):
        found.append(f"{plural(run.count('untracked_frees'), 'free')} of addresses that crunch never saw allocated: usually "
                     f"blocks from before the tracker's start.")
    return found


def fatal(run: Run) -> Optional[FatalView]:
    """The fatal file as a table."""
    if run.fatal is None:
        return None
    return FatalView(printable(run.fatal.line), [
        (printable(FATAL_NAMES.get(key, key)), printable(value)) for key, value in run.fatal.values.items()])


def block_list(run: Run, shown: List[Block], own: List[Block], kept: Contents, sites: Sequence[int]) -> BlockList:
    """The tables of blocks, with what is left out of them in words."""
    missing = ""
    if run.blocks is None:
        missing = "The program ended in a way that left no time to list its blocks and to keep their contents."
    return BlockList(
        total=run.remaining_blocks, total_words=size(run.remaining_bytes),
        rows=[_row(block, kept, sites) for block in shown],
        runtime_total=run.count("runtime_blocks"), runtime_words=size(run.count("runtime_bytes")),
        runtime_rows=[_row(block, kept, sites) for block in own],
        notes=_left_out(run, len(shown), kept) if run.blocks else [], missing=missing)


def _left_out(run: Run, shown: int, kept: Contents) -> List[str]:
    found = []
    if shown < run.remaining_blocks:
        found.append(f"The page lists the {shown:,} largest of {run.remaining_blocks:,} blocks; the file 'blocks' in the run "
                     f"folder holds every one.")
    if kept.cut:
        found.append(f"Of {plural(kept.cut, 'larger block')} the page holds the first {size(kept.limit)}; the files under "
                     f"'heap' hold all bytes that were kept.")
    left_out = run.count("heap_left_out_files")
    if left_out:
        found.append(f"The contents of {plural(left_out, 'block')} ({size(run.count('heap_left_out_bytes'))}) were not kept: "
                     f"see --no-heap, --heap-limit and its limit of 10,000 files.")
    return found


def _row(block: Block, kept: Contents, sites: Sequence[int]) -> Row:
    return Row(
        address=f"0x{block.address:x}", size=block.size, size_words=size(block.size), time_ns=block.time_ns,
        time_words=seconds(block.time_ns / 1e9), thread=block.thread, kind=reader.KINDS[block.kind],
        inherited=bool(block.flags & reader.BLOCK_INHERITED), has_file=bool(block.flags & reader.BLOCK_CONTENTS),
        bytes=kept.by_address.get(block.address), site=sites[block.site] if block.site < len(sites) else -1)


def about(run: Run) -> List[Tuple[str, str]]:
    """Facts about the run itself."""
    rows = [("Command", command(run))] if run.recording else []
    facts = run.recording.facts if run.recording else {}
    rows += [(META_NAMES.get(key, key), value) for key, value in facts.items()]
    rows.append(("Process", f"{run.count('pid')}, started by {run.count('ppid')}"))
    rows.append(("End", run.end))
    if run.recording:
        start = datetime.datetime.fromtimestamp(min(run.recording.start_wall_ns / 1e9, 2**33), datetime.timezone.utc)
        rows.append(("Started", start.strftime("%Y-%m-%d %H:%M:%S UTC")))
    rows += stack_view.about(run)
    rows.append(("Run folder", str(run.folder)))
    return [(printable(key), printable(value)) for key, value in rows]


def child_row(folder: Path, run: Optional[Run], state: str, link: str) -> ChildRow:
    """One line of the table of processes; `run` is None while a process runs or where its folder is damaged."""
    if run is None:
        return ChildRow(folder.name, "", printable(state), "warn", "", "", "")
    tone = "bad" if run.crashed else "warn" if run.signal or run.end not in ("exit 0", "exec") else "good"
    own = f"{plural(run.remaining_blocks, 'block')}, {size(run.remaining_bytes)}" if run.remaining_blocks else "nothing"
    return ChildRow(folder.name, printable(run.name), printable(run.end), tone, own, size(run.count("peak_bytes")), link)
