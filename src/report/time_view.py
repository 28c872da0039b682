"""The heap over time as the page shows it: a curve in the HTML itself, and columns for the scripts."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from .growth import Growth, Verdict
from .pack import Pack
from .run import Run
from .timeline import Timeline
from .words import seconds, sized

VERDICTS = list(Verdict)
CURVE_STEPS = 240
CURVE_WIDTH, CURVE_HEIGHT = 1000, 100
TABLE_ROWS = 24


@dataclass(frozen=True)
class TimeRow:
    """A line of the table that stands for the curve."""

    time: str
    live: int
    low: int
    high: int
    blocks: str


@dataclass(frozen=True)
class TimeView:
    """The curve is of the most live bytes in each step, as a path in a box of CURVE_WIDTH by CURVE_HEIGHT."""

    curve: str
    words: str
    most: int
    end: str
    rows: List[TimeRow]
    notes: List[str]
    pack: Pack


def view(run: Run, page_place: Sequence[int]) -> Optional[TimeView]:
    """The page's time; None where the run has none. `page_place` gives a place's number in the page, or -1."""
    timeline = run.timeline
    if timeline is None or len(timeline.points) < 2 or timeline.points[-1].time_ns <= timeline.points[0].time_ns:
        return None
    top = max(point.high_bytes for point in timeline.points)
    last = timeline.points[-1]
    notes = ["The recording keeps the largest 63 places of each moment; what is smaller then is among the others."] if run.moments else []
    return TimeView(
        curve=_curve(timeline, top), most=top, end=seconds(last.time_ns / 1e9), rows=_rows(timeline),
        words=f"Live bytes over {seconds(last.time_ns / 1e9)}: at most {sized(top)}, {sized(last.live_bytes)} at the end",
        notes=notes, pack=_pack(run, timeline, page_place))


def _curve(timeline: Timeline, top: int) -> str:
    """A closed path."""
    start, span = timeline.points[0].time_ns, timeline.points[-1].time_ns - timeline.points[0].time_ns
    highs: Dict[int, int] = {}
    for point in timeline.filled:
        step = (point.time_ns - start) * CURVE_STEPS // span
        highs[step] = max(highs.get(step, 0), point.high_bytes)
    parts = [f"M0,{CURVE_HEIGHT}"]
    for step in sorted(highs):
        y = CURVE_HEIGHT - CURVE_HEIGHT * highs[step] / max(1, top)
        parts.append(f"L{CURVE_WIDTH * step / CURVE_STEPS:.1f},{y:.1f}")
    return "".join(parts) + f"L{CURVE_WIDTH},{CURVE_HEIGHT}Z"


def _rows(timeline: Timeline) -> List[TimeRow]:
    """Some of the points, each with the extremes since the row before."""
    points = timeline.filled
    count = min(TABLE_ROWS, len(points))
    edges = [round(number * len(points) / count) for number in range(count + 1)]
    found = []
    for first, end in zip(edges, edges[1:]):
        part = points[first:end]
        found.append(TimeRow(seconds(part[-1].time_ns / 1e9), part[-1].live_bytes, min(point.low_bytes for point in part),
                             max(point.high_bytes for point in part), f"{part[-1].live_blocks:,}"))
    return found


def _pack(run: Run, timeline: Timeline, page_place: Sequence[int]) -> Pack:
    """Times are microseconds; sites are numbers in the page plus 1, 0 is none of them."""
    pack, points = Pack(), timeline.filled
    pack.numbers("point.time", [point.time_ns // 1000 for point in points], delta=True)
    for name, attribute in (("live", "live_bytes"), ("blocks", "live_blocks"), ("low", "low_bytes"), ("high", "high_bytes"),
                            ("allocations", "allocations"), ("allocated", "bytes_allocated")):
        pack.numbers("point." + name, [getattr(point, attribute) for point in points], delta=True)
    pack.numbers("resident.time", [time_ns // 1000 for time_ns, _ in timeline.resident], delta=True)
    pack.numbers("resident.bytes", [count for _, count in timeline.resident], delta=True)
    pack.numbers("moment.time", [moment.time_ns // 1000 for moment in run.moments], delta=True)
    pack.numbers("moment.count", [len(moment.top) for moment in run.moments])
    entries = [entry for moment in run.moments for entry in moment.top]
    pack.numbers("moment.site", [page_place[place] + 1 for place, _, _ in entries])
    pack.numbers("moment.bytes", [byte_count for _, byte_count, _ in entries])
    _add_growth(pack, [growth for growth in run.growth if page_place[growth.place] >= 0], page_place)
    _add_histograms(pack, run, page_place)
    return pack


def _add_growth(pack: Pack, found: List[Growth], page_place: Sequence[int]) -> None:
    pack.numbers("growth.site", [page_place[growth.place] for growth in found])
    pack.numbers("growth.verdict", [VERDICTS.index(growth.verdict) for growth in found])
    pack.numbers("growth.rate", [int(growth.per_second) for growth in found])


def _add_histograms(pack: Pack, run: Run, page_place: Sequence[int]) -> None:
    """Counts by bucket, only those that are not 0: first by allocations, then by time, then by size."""
    found = sorted((page_place[place], kept) for place, kept in run.histograms.items() if page_place[place] >= 0) if run.histograms else []
    buckets: List[int] = []
    counts: List[int] = []
    lengths = []
    for _, kept in found:
        filled = kept.filled()
        lengths.append(len(filled))
        buckets += [bucket for bucket, _ in filled]
        counts += [count for _, count in filled]
    pack.numbers("histogram.site", [site for site, _ in found], delta=True)
    pack.numbers("histogram.filled", lengths)
    pack.numbers("histogram.bucket", buckets)
    pack.numbers("histogram.count", counts)
    for name, attribute in (("others", "by_others"), ("grown", "grown"), ("shrunk", "shrunk"), ("copied", "copied_bytes"), ("longest", "longest"),
                            ("least", "at_least")):
        pack.numbers("histogram." + name, [int(getattr(kept, attribute)) for _, kept in found])
