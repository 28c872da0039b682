"""Two runs, or two snapshots, by call stack: what is new, gone, grown and shrunk of what lives at the end.

Stacks are the same if all their frames read alike: function and source line, or function, or file and offset where there is no name.
Addresses mean nothing, since every run has others. What belongs to the runtimes is left out.
"""

from dataclasses import dataclass
from typing import Callable, Dict, List, Tuple

from . import frames
from .errors import CrunchError
from .run import Run
from .symbols import Frame
from .words import plural, printable, signed, signed_count

KINDS = ("new", "grown", "shrunk", "gone")


@dataclass
class Change:
    """One call stack."""

    stack: List[Frame]  # innermost first
    old_bytes: int = 0
    old_blocks: int = 0
    new_bytes: int = 0
    new_blocks: int = 0

    @property
    def bytes(self) -> int:
        return self.new_bytes - self.old_bytes

    @property
    def blocks(self) -> int:
        return self.new_blocks - self.old_blocks

    @property
    def kind(self) -> str:
        """One of KINDS; empty: as it was."""
        if not self.old_blocks and not self.old_bytes:
            return "new"
        if not self.new_blocks and not self.new_bytes:
            return "gone"
        more = self.bytes or self.blocks
        return "grown" if more > 0 else "shrunk" if more < 0 else ""


@dataclass(frozen=True)
class Comparison:
    """Both runs, and what changed: the most grown first, the most shrunk last; and what is as it was."""

    old: Run
    new: Run
    changes: List[Change]
    same: List[Change]

    @property
    def bytes(self) -> int:
        return sum(change.bytes for change in self.changes)

    @property
    def blocks(self) -> int:
        return sum(change.blocks for change in self.changes)

    def count(self, kind: str) -> int:
        return sum(change.kind == kind for change in self.changes)


def compare(old: Run, new: Run) -> Comparison:
    """Asks the symbol tools; CrunchError if one has no call stacks."""
    found: Dict[Tuple[Tuple[str, str, int], ...], Change] = {}
    for is_old, run in ((True, old), (False, new)):
        if run.stacks is None or run.tree is None:
            raise CrunchError(f"{printable(str(run.folder))} has no call stacks: {run.message or 'its recording is missing'}")
        tree = run.tree
        for place, leaf in zip(run.stacks.places, tree.leaves):
            if place.is_runtime or not (place.own_bytes or place.own_blocks):
                continue
            stack = tree.stack(leaf)
            change = found.setdefault(tuple((frame.name, frame.file, frame.line) for frame in stack), Change(stack))
            if is_old:
                change.old_bytes += place.own_bytes
                change.old_blocks += place.own_blocks
            else:
                change.new_bytes += place.own_bytes
                change.new_blocks += place.own_blocks
    changes = [change for change in found.values() if change.kind]
    return Comparison(old, new, sorted(changes, key=lambda change: (-change.bytes, -change.blocks)), [change for change in found.values() if not change.kind])


def sentence(comparison: Comparison, change: Callable[[int], str] = signed) -> str:
    """'+2.0 KiB in +2 blocks: 1 call stack new, 2 grown, 0 shrunk, 0 gone'; `change` says how a change of bytes is written."""
    counts = {kind: comparison.count(kind) for kind in KINDS}
    return (f"{change(comparison.bytes)} in {signed_count(comparison.blocks)} {'block' if abs(comparison.blocks) == 1 else 'blocks'}: "
            f"{plural(counts['new'], 'call stack')} new, " + ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS[1:]))


def named(run: Run) -> str:
    """What a run is called in a comparison."""
    return printable(f"{run.name}, {run.folder}")


def label(comparison: Comparison, change: Change) -> Frame:
    """The frame a stack is named after: the innermost of the program's own code, else the innermost."""
    own = (frame for frame in change.stack if frames.is_own(frame, comparison.new.program))
    return next(own, change.stack[0])
