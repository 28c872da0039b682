"""The threads of a run as the page shows them."""

from dataclasses import dataclass
from typing import List, Optional

from .run import Run
from .threads import Thread
from .words import plural, printable, seconds

PAGE_THREADS = 500


@dataclass(frozen=True)
class ThreadRow:
    """One thread, or all that ended and are not kept one by one (number 0). Sizes of None are not known."""

    number: int
    name: str
    id: str
    span: str
    allocations: str
    allocated: int
    frees: str
    freed: int
    live: Optional[int]
    blocks: str


@dataclass(frozen=True)
class ThreadView:
    """Those that allocated most first."""

    total: int
    rows: List[ThreadRow]
    notes: List[str]


def view(run: Run) -> Optional[ThreadView]:
    """The page's threads; None where the recording knows of none."""
    found = run.threads
    if not found:
        return None
    notes = []
    if len(found) > PAGE_THREADS:
        notes.append(f"The page shows the {PAGE_THREADS} threads that allocated most, of {len(found):,}.")
    return ThreadView(sum(thread.threads for thread in found), [_row(thread) for thread in found[:PAGE_THREADS]], notes)


def _row(thread: Thread) -> ThreadRow:
    name = printable(thread.name) if thread.number else f"{plural(thread.threads, 'thread')} that ended"
    span = seconds(thread.start_ns / 1e9) + (f" to {seconds(thread.end_ns / 1e9)}" if thread.end_ns else " to the end") if thread.number else ""
    return ThreadRow(thread.number, name, str(thread.system_id) if thread.system_id else "", span, f"{thread.allocations:,}", thread.bytes_allocated,
                     f"{thread.frees:,}", thread.bytes_freed, thread.live_bytes, "" if thread.live_blocks is None else plural(thread.live_blocks, "block"))
