"""What the terminal says about leaks: how much of each kind, and the largest of what is lost."""

from dataclasses import dataclass, field
from typing import List, Set, Tuple

from report import frames, leaks
from report.run import Run
from report.suppressions import DEFINITE, INDIRECT, POSSIBLE, REACHABLE
from report.symbols import Frame
from report.words import plural, size

RECORDS = 3
FRAMES = 3
WIDTH = 100


@dataclass
class Told:
    """What is said of lost memory, or in one line that there is none; nothing where nothing is left, or nobody looked."""

    lost: List[str] = field(default_factory=list)
    nothing: List[str] = field(default_factory=list)
    stacks: Set[Tuple[str, ...]] = field(default_factory=set)  # shown in `lost`, as lines of frames without indentation


def told(run: Run) -> Told:
    """May ask the symbol tools."""
    found = run.findings.leaks
    if found is None or not any(total.blocks for total in found.totals.values()):
        return Told()
    if all(not found.totals[kind].blocks for kind in (DEFINITE, INDIRECT, POSSIBLE)):
        return Told(nothing=["nothing is lost: all remaining blocks are still reachable"])
    kinds = [kind for kind in (DEFINITE, INDIRECT, POSSIBLE, REACHABLE) if found.totals[kind].blocks]
    width = max(len(size(found.totals[kind].bytes)) for kind in kinds)
    text = [f"{leaks.WORDS[kind]:16} {size(found.totals[kind].bytes):>{width}} in {plural(found.totals[kind].blocks, 'block')}"
            for kind in kinds]
    stacks = set()
    for record in found.lost[:RECORDS]:
        stack = tuple(frames.line(frame, run.cwd, WIDTH - 4) for frame in _shown(run, found.frames(record)))
        text += [f"  {leaks.WORDS[record.kind]}: {leaks.amount(record)}", *(f"    {frame}" for frame in stack)]
        stacks.add(stack)
    more = len(found.lost) - RECORDS
    if more > 0:
        text.append(f"  … and from {plural(more, 'more call stack')}")
    return Told(text, stacks=stacks)


def _shown(run: Run, stack: List[Frame]) -> List[Frame]:
    """The first frames from the innermost own one outwards, chosen as `tree.Tree.short` does."""
    own = next((number for number, frame in enumerate(stack) if frames.is_own(frame, run.program)), 0)
    shown: List[Frame] = []
    for frame in stack[own:]:
        if len(shown) == FRAMES or (shown and frames.is_starter(frame)):
            break
        if not shown or frame != shown[-1]:
            shown.append(frame)
        if frames.is_main(frame):
            break
    return shown + [frame for frame in stack[own + len(shown):] if frames.is_section(frame)]
