"""What is lost, as the page shows it: records by kind with their stacks; who holds which block, for the scripts."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from . import leaks, stack_rows
from .leaks import WORDS, Leaks, Record
from .run import Run
from .stack_rows import StackRows
from .stack_view import StackView
from .suppressions import DEFINITE, INDIRECT, POSSIBLE, REACHABLE
from .words import plural, sized

PAGE_RECORDS = {DEFINITE: 100, POSSIBLE: 50, REACHABLE: 30}
MOST_STEPS = 30  # of a way to a root, in the HTML
MEANINGS = {
    DEFINITE: "nothing points at them any more", INDIRECT: "only lost blocks point at them", POSSIBLE: "something points into them, nothing at their beginning",
    REACHABLE: "they can still be reached",
}
TITLES = {DEFINITE: "Definitely lost", POSSIBLE: "Possibly lost", REACHABLE: "Still reachable"}


@dataclass(frozen=True)
class KindRow:
    """A line of the table of kinds."""

    name: str
    meaning: str
    bytes: int
    blocks: str


@dataclass(frozen=True)
class RecordRow:
    """The blocks of one kind from one call stack. site: its number in the page, -1: not there."""

    bytes: int
    blocks: str
    through_bytes: int  # indirectly lost
    through: str  # their number; empty: there are none
    stack: StackRows
    site: int
    leak: int
    held: List[str]  # who holds its largest block, up to the root; empty: nobody does


@dataclass(frozen=True)
class LeakView:
    """Records by kind, largest first."""

    definite: int
    kinds: List[KindRow]
    groups: List[Tuple[str, List[RecordRow]]]
    notes: List[str]


def view(run: Run, stacks: Optional[StackView], editor: str) -> Optional[LeakView]:
    """The page's leaks; None where nothing is left, or nobody looked."""
    found = run.leaks
    if found is None or not any(total.blocks for total in found.totals.values()):
        return None
    groups, notes = [], []
    numbers = {place: number for number, place in enumerate(stacks.shown)} if stacks else {}
    held = [record for kind in (POSSIBLE, REACHABLE) for record in found.of(kind)[:PAGE_RECORDS[kind]]]
    largest = found.largest(held) if held else {}
    for kind, most in PAGE_RECORDS.items():
        records = found.of(kind)
        if records:
            groups.append((TITLES[kind], [_row(run, found, record, numbers, editor, largest.get((record.site, kind), -1)) for record in records[:most]]))
        if len(records) > most:
            left_out = sum(record.bytes for record in records[most:])
            notes.append(f"{WORDS[kind].capitalize()}: the {most} largest of {plural(len(records), 'record')} are here; the others have {sized(left_out)}. "
                         f"The sites have them all.")
    kinds = [KindRow(WORDS[kind], MEANINGS[kind], found.totals[kind].bytes, f"{found.totals[kind].blocks:,}") for kind in (DEFINITE, INDIRECT, POSSIBLE, REACHABLE)]
    return LeakView(len(found.of(DEFINITE)), kinds, groups, notes)


def _row(run: Run, found: Leaks, record: Record, numbers: Dict[int, int], editor: str, largest: int) -> RecordRow:
    stack = stack_rows.view(run, "", found.frames(record), editor, with_source=record.kind != REACHABLE)
    through = f"{plural(record.indirect_blocks, 'block')} through {'it' if record.blocks == 1 else 'them'}" if record.indirect_blocks else ""
    return RecordRow(record.bytes, plural(record.blocks, "block"), record.indirect_bytes, through, stack, numbers.get(record.site, -1), leaks.KINDS.index(record.kind), _held(found, largest))


def _held(found: Leaks, block: int) -> List[str]:
    steps = [step.text for step in found.path(block)[1:]] if block >= 0 else []
    return steps if len(steps) <= MOST_STEPS else [*steps[:MOST_STEPS], f"{len(steps) - MOST_STEPS:,} more"]
