"""What the terminal says about call stacks: the largest at the end and, where they are others, at the peak."""

from dataclasses import dataclass
from typing import List, Optional

from report import frames
from report.run import Run
from report.stacks import Place
from report.words import size

SITES = 3
SHORT_FRAMES = 3
WIDTH = 100
TROUBLES = 3


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
    stacks = run.stacks
    if stacks is None or not wanted.count:
        return []
    live = frames.largest(stacks.places, "own_bytes", wanted.count)
    peak = frames.largest(stacks.places, "peak_bytes", wanted.count)
    text: List[str] = []
    if live:
        text += ["still allocated, by call stack", *_sites(run, live, "own", run.remaining_bytes, wanted)]
    if peak != live or [place.peak_bytes for place in peak] != [place.own_bytes for place in live]:
        total = run.count("peak_bytes")
        text += [""] * bool(text) + [f"at the peak of {size(total)}, by call stack", *_sites(run, peak, "peak", total, wanted)]
    return text + _troubles(run)


def _sites(run: Run, places: List[Place], prefix: str, total: int, wanted: Wanted) -> List[str]:
    assert run.stacks is not None
    text = []
    run.symbols.resolve(pc for place in places for pc in run.stacks.walk(place)[0])
    for place in places:
        count = getattr(place, f"{prefix}_bytes")
        text.append(f"  {frames.amount(count, getattr(place, f'{prefix}_blocks'))}{_share(count, total)}")
        text += [f"    {line}" for line in _stack(run, place, wanted.whole)]
    return text


def _share(count: int, total: int) -> str:
    return f", {100 * count / total:.0f} %" if 0 < count < total else ""


def _stack(run: Run, place: Place, whole: bool) -> List[str]:
    assert run.stacks is not None
    found = frames.whole(run.stacks, run.symbols, place)
    if whole:
        return [frames.line(frame, run.cwd) for frame in found]
    return [frames.line(frame, run.cwd, WIDTH - 4) for frame in frames.short(found, run.program, SHORT_FRAMES)]


def _troubles(run: Run) -> List[str]:
    found = run.symbols.troubles
    more: Optional[str] = f"crunch: {len(found) - TROUBLES} more files have no names" if len(found) > TROUBLES else None
    text = [f"crunch: {trouble}" for trouble in found[:TROUBLES]] + ([more] if more else [])
    return ["", *text] if text else []
