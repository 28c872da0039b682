"""The page of a comparison: the report's frame around a table of changes and a flame graph that shows both runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import List

from . import compare, frames, render
from .compare import Change, Comparison
from .model import View
from .pack import Pack
from .run import Run
from .stack_view import LINES_IN_PAGE, pack_tree
from .tree import Builder
from .words import plural, printable, seconds, signed_count, signed_sized

FIRST_ROWS = 100  # in the HTML itself
MOST_STACKS = 100_000
PAGE = "compare.html"


@dataclass(frozen=True)
class Side:
    """One of the two runs."""

    label: str
    name: str
    folder: str
    bytes: int
    blocks: str
    time: str


@dataclass(frozen=True)
class Row:
    """One call stack in the HTML itself."""

    kind: str
    bytes: int
    blocks: str
    old: int
    new: int
    name: str
    where: str
    stack: List[str]


@dataclass(frozen=True)
class ComparePage:
    """What the templates need."""

    title: str
    tone: str
    sentence: str
    version: str
    views: List[View]
    sides: List[Side]
    rows: List[Row]
    total: int
    notes: List[str]


def write(comparison: Comparison, path: Path, folder: Path, version: str, editor: str = "") -> None:
    """Writes the page, completely or not at all."""
    stacks = sorted(comparison.changes + comparison.same, key=lambda change: -max(abs(change.bytes), change.old_bytes, change.new_bytes))
    kept = stacks[:MOST_STACKS]
    facts = {"folder": comparison.new.cwd, "editor": editor, "before": "old",
             "snapshots": [["old", "the old one", 0], ["new", "the new one", 0]]}
    render.write(path, render.framed(_page(comparison, version, len(stacks) - len(kept)), [("stacks", _pack(comparison, kept))], facts, folder))


def _page(comparison: Comparison, version: str, left_out: int) -> ComparePage:
    notes = [f"The page holds the {MOST_STACKS:,} largest call stacks; {left_out:,} more are left out."] if left_out else []
    return ComparePage(
        title=f"{printable(comparison.new.name)}, compared", tone="warn" if comparison.bytes > 0 else "good", sentence=compare.sentence(comparison, signed_sized), version=version,
        views=[View("changes", "Changes", f"{len(comparison.changes):,}"), View("flame", "Flame graph", script=True)],
        sides=[_side("Old", comparison.old), _side("New", comparison.new)],
        rows=[_row(comparison, change) for change in sorted(comparison.changes, key=lambda change: -abs(change.bytes))[:FIRST_ROWS]],
        total=len(comparison.changes), notes=notes)


def _side(label: str, run: Run) -> Side:
    wall = run.stats["wall_seconds"]
    return Side(label, run.command or printable(run.name), printable(str(run.folder)), run.remaining_bytes, plural(run.remaining_blocks, "block"),
                seconds(wall) if isinstance(wall, float) else "")


def _row(comparison: Comparison, change: Change) -> Row:
    label, lines = compare.label(comparison, change), [frames.line(frame, comparison.new.cwd) for frame in change.stack[:LINES_IN_PAGE]]
    if len(change.stack) > LINES_IN_PAGE:
        lines.append(f"… {len(change.stack) - LINES_IN_PAGE:,} more")
    return Row(change.kind, change.bytes, signed_count(change.blocks), change.old_bytes, change.new_bytes, frames.shortened(label.name, 80),
               frames.where(label, comparison.new.cwd), lines)


def _pack(comparison: Comparison, stacks: List[Change]) -> Pack:
    """Both runs' stacks as one tree, whose sites have two amounts."""
    builder = Builder(comparison.new.program)
    leaves = [builder.child(0, [builder.number(frame) for frame in reversed(change.stack)]) for change in stacks]
    pack = pack_tree(builder.tree, leaves, comparison.new.program)
    for name, values in (("old", [change.old_bytes for change in stacks]), ("oldBlocks", [change.old_blocks for change in stacks]),
                         ("new", [change.new_bytes for change in stacks]), ("newBlocks", [change.new_blocks for change in stacks])):
        pack.numbers(f"site.{name}", values)
    return pack
