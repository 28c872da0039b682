"""What the terminal says about call stacks: the largest at the end and, where they are others, at the peak."""

from dataclasses import dataclass
from typing import AbstractSet, List, Optional, Tuple

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
ALIKE = 1.1  # a peak that is at most this many times what is left at the end, from the same places, is no news
OWN_SHARE = 0.1  # of the peak: from here on the runtimes' part of it is said
LONG_ENOUGH = 5.0  # seconds: every program grows while it starts


@dataclass(frozen=True)
class Wanted:
    """How many call stacks are shown, and whether whole or only their first own frames."""

    count: int = SITES
    whole: bool = False


def wanted(count: Optional[int]) -> Wanted:
    """From --stacks: None where it is not given."""
    return Wanted() if count is None else Wanted(count, whole=True)


def lines(run: Run, wanted: Wanted, told: AbstractSet[Tuple[str, ...]] = frozenset()) -> List[str]:
    """The text; nothing where nothing was allocated or nobody wants it. May ask the symbol tools.

    told: call stacks, as lines of frames, that the terminal has shown already: their live bytes are not shown again, but for whole stacks."""
    if run.stacks is None or run.tree is None or not wanted.count:
        return []
    depth = 0 if wanted.whole else SHORT_FRAMES
    known = frozenset() if wanted.whole else told
    live = groups.largest(run.stacks, run.tree, groups.LIVE, wanted.count + len(known), depth)
    peak = groups.largest(run.stacks, run.tree, groups.PEAK, wanted.count, depth)
    new = [group for group in live if not known or tuple(_frames(run, group, wanted)) not in known]
    text: List[str] = []
    if new:
        also = "still allocated" if len(new) == len(live) else "also still allocated"
        text += [f"{also}, by call stack", *_groups(run, new[:wanted.count], run.remaining_bytes, wanted)]
    total = run.count("peak_bytes")
    same = peak == live[:wanted.count] or (_same_places(peak, live[:wanted.count]) and total <= ALIKE * run.count("live_bytes"))
    if peak and not same:
        text += [""] * bool(text) + [f"at the peak of {size(total)}{_own_share(run, total)}, by call stack",
                                     *_groups(run, peak, total, wanted)]
    return text + _growing(run) + _troubles(run)


def _same_places(peak: List[Group], live: List[Group]) -> bool:
    return [group.frames for group in peak] == [group.frames for group in live]


def _own_share(run: Run, total: int) -> str:
    """What of the peak belongs to the runtimes, whose call stacks are not shown, if it is much."""
    own = sum(place.peak_bytes for place in run.stacks.places if place.is_runtime) if run.stacks else 0
    return f", {size(own)} of it the runtime's own" if own >= max(1, OWN_SHARE * total) else ""


def _growing(run: Run) -> List[str]:
    """The places that grew without end, if the run was long enough for that to mean something; fastest first."""
    wall = run.stats["wall_seconds"]
    if run.tree is None or not isinstance(wall, float) or wall < LONG_ENOUGH:
        return []
    found = sorted((one for one in run.growth if one.verdict is Verdict.GROWING), key=lambda one: -one.per_second)
    text = []
    for one in found[:GROWING]:
        leaf = run.tree.leaves[one.place]
        where = frames.chain(run.tree.stack(leaf), run.program, run.cwd, WIDTH) if leaf else "an unknown place"
        text.append(f"grew without end: {where}, {size(int(one.per_second))} a second")
    if len(found) > GROWING:
        text.append(f"… and {plural(len(found) - GROWING, 'more call stack')} in report.html")
    return ["", *text] if text else []


def _groups(run: Run, found: List[Group], total: int, wanted: Wanted) -> List[str]:
    text = []
    for group in found:
        several = f" from {group.stacks:,} call stacks" if group.stacks > 1 else ""
        text.append(f"  {size(group.bytes)} in {plural(group.blocks, 'block')}{several}{_share(group.bytes, total)}")
        text += [f"    {frame}" for frame in _frames(run, group, wanted)]
    return text


def _frames(run: Run, group: Group, wanted: Wanted) -> List[str]:
    return [frames.line(frame, run.cwd, 0 if wanted.whole else WIDTH - 4) for frame in group.frames]


def _share(count: int, total: int) -> str:
    share = 100 * count / total if total else 0
    return f", {share:.0f} %" if 0.5 <= share < 100 else ""


def _troubles(run: Run) -> List[str]:
    found = run.symbols.troubles
    more: Optional[str] = f"crunch: {len(found) - TROUBLES} more files have no names" if len(found) > TROUBLES else None
    text = [f"crunch: {trouble}" for trouble in found[:TROUBLES]] + ([more] if more else [])
    return ["", *text] if text else []
