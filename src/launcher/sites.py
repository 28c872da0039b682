"""What the terminal says about call stacks: the largest at the end and, where they are others, at the peak."""

import os
from dataclasses import dataclass
from typing import AbstractSet, List, Optional, Tuple

from report import frames, groups
from report.frames import is_missing
from report.groups import Group
from report.growth import Verdict
from report.run import Run
from report.stacks import REASONS
from report.words import plural, size

SITES = 3
SHORT_FRAMES = 3
WIDTH = 100
TROUBLES = 3
GROWING = 2
ALIKE = 1.1  # a peak that is at most this many times what is left at the end, from the same places, is no news
OWN_SHARE = 0.1  # of the peak: from here on the runtimes' part of it is said
CUT_SHARE = 0.01  # of the allocations: from here on it is said that call stacks are incomplete
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
    shown = [*new[:wanted.count], *([] if same else peak)]
    notes = [f"crunch: {note}" for note in (*_cut_short(run, shown), *_nameless(run, shown), *_troubles(run))]
    return text + _growing(run) + ([""] * bool(notes) + notes)


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


def _cut_short(run: Run, shown: List[Group]) -> List[str]:
    """How many call stacks lack their outermost frames, and why, if it is many or one of those shown."""
    assert run.stacks is not None and run.tree is not None
    cut, total = run.stacks.cut_short(), sum(place.allocations for place in run.stacks.places)
    missing = sum(cut.values())
    if not missing or (missing < CUT_SHARE * total and not any(is_missing(run.tree.stack(group.leaf)[-1]) for group in shown)):
        return []
    reasons = [REASONS.get(reason, f"reason {reason}") for reason in sorted(cut, key=lambda reason: -cut[reason])]
    return [f"{missing:,} of {plural(total, 'allocation')} have call stacks without their outermost frames: {', '.join(reasons)}"]


def _nameless(run: Run, shown: List[Group]) -> List[str]:
    """Which files call stacks without any name come from, where nothing else says why."""
    assert run.stacks is not None
    files = {frame.module: None for group in shown if not any(frame.known for frame in group.frames) for frame in group.frames if frame.module}
    names = [os.path.basename(path) for path in files]
    if not names or run.symbols.troubles:
        return []
    more = [f"{len(names) - TROUBLES} more"] if len(names) > TROUBLES else []
    return [f"{' and '.join([*names[:TROUBLES], *more])} {'are' if len(names) > 1 else 'is'} stripped of symbols, so functions have no names; "
            "--debuginfod <s> fetches what servers have of them"]


def _troubles(run: Run) -> List[str]:
    found = run.symbols.troubles
    more = [f"{len(found) - TROUBLES} more files have no names"] if len(found) > TROUBLES else []
    return [*found[:TROUBLES], *more]
