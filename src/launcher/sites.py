"""What the terminal says about call stacks: the largest at the end and, where they are others, at the peak."""

from dataclasses import dataclass
from typing import List, Optional

from report import frames, groups
from report.groups import Group
from report.growth import Verdict
from report.run import Run
from report.words import plural, size

SITES = 3
SHORT_FRAMES = 3
WIDTH = 100
TROUBLES = 3
GROWING = 2
LONG_ENOUGH = 5.0  # seconds: every program grows while it starts


@dataclass(frozen=True)
class Wanted:
    """How many call stacks are shown, and whether whole or only their first own frames."""

    count: int = SITES
    whole: bool = False


def wanted(count: Optional[int]) -> Wanted:
    """From --stacks: None where it is not given."""
    return Wanted() if count is None else Wanted(count, whole=True)


def lines(run: Run, wanted: Wanted) -> List[str]:
    """The text; nothing where nothing was allocated or nobody wants it. May ask the symbol tools."""
    if run.stacks is None or run.tree is None or not wanted.count:
        return []
    depth = 0 if wanted.whole else SHORT_FRAMES
    live, peak = (groups.largest(run.stacks, run.tree, measure, wanted.count, depth) for measure in (groups.LIVE, groups.PEAK))
    text: List[str] = []
    if live:
        text += ["still allocated, by call stack", *_groups(run, live, run.remaining_bytes, wanted)]
    if peak != live:
        total = run.count("peak_bytes")
        text += [""] * bool(text) + [f"at the peak of {size(total)}, by call stack", *_groups(run, peak, total, wanted)]
    return text + _growing(run) + _troubles(run)


def _growing(run: Run) -> List[str]:
    """The places that grew without end, if the run was long enough for that to mean something; fastest first."""
    wall = run.stats["wall_seconds"]
    if run.tree is None or not isinstance(wall, float) or wall < LONG_ENOUGH:
        return []
    found = sorted((one for one in run.growth if one.verdict is Verdict.GROWING), key=lambda one: -one.per_second)
    text = []
    for one in found[:GROWING]:
        leaf = run.tree.leaves[one.place]
        label = run.tree.frames[run.tree.frame_of[run.tree.label(leaf)]] if leaf else None
        where = frames.line(label, run.cwd, WIDTH) if label else "an unknown place"
        text.append(f"grew without end: {where}, {size(int(one.per_second))} a second")
    if len(found) > GROWING:
        text.append(f"… and {plural(len(found) - GROWING, 'more call stack')} in report.html")
    return ["", *text] if text else []


def _groups(run: Run, found: List[Group], total: int, wanted: Wanted) -> List[str]:
    text = []
    for group in found:
        several = f" from {group.stacks:,} call stacks" if group.stacks > 1 else ""
        text.append(f"  {size(group.bytes)} in {plural(group.blocks, 'block')}{several}{_share(group.bytes, total)}")
        text += [f"    {frames.line(frame, run.cwd, 0 if wanted.whole else WIDTH - 4)}" for frame in group.frames]
    return text


def _share(count: int, total: int) -> str:
    share = 100 * count / total if total else 0
    return f", {share:.0f} %" if 0.5 <= share < 100 else ""


def _troubles(run: Run) -> List[str]:
    found = run.symbols.troubles
    more: Optional[str] = f"crunch: {len(found) - TROUBLES} more files have no names" if len(found) > TROUBLES else None
    text = [f"crunch: {trouble}" for trouble in found[:TROUBLES]] + ([more] if more else [])
    return ["", *text] if text else []
