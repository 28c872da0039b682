"""The heap over time: the points of a run with their exact extremes, resident memory, and the largest places at moments.

Times are nanoseconds since the start of the run. docs/time.md says how exact what is.
"""

import struct
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from . import reader
from .errors import CrunchError
from .reader import Recording, Section
from .stacks import Place

TIMELINE_HALF, SERIES_HALF = 2048, 64
SERIES_SITES = 63
HISTORY = struct.Struct("<QQ")
TIMELINE = struct.Struct("<QQqq32x")
POINT = struct.Struct("<QqqqqQQQ")
SERIES_POINT = struct.Struct("<QII")
ENTRY = struct.Struct("<IIQ")
LATE_NS = 50_000_000  # at most so long after a point the next event takes another, however short the interval
RESIDENT = "resident"  # the launcher's samples: lines of a time of the monotonic clock and bytes


@dataclass(frozen=True)
class Point:
    """The process at a moment; the extremes are of the time since the point before."""

    time_ns: int
    live_bytes: int
    live_blocks: int
    low_bytes: int
    high_bytes: int
    allocations: int  # so far
    bytes_allocated: int


@dataclass(frozen=True)
class Moment:
    """The largest places at a moment, as (number in Stacks.places, bytes, blocks), largest first."""

    time_ns: int
    top: Tuple[Tuple[int, int, int], ...]
    complete: bool  # no other place had live bytes

    @property
    def threshold(self) -> int:
        """No place that is not in `top` had more bytes."""
        return 0 if self.complete or not self.top else self.top[-1][1]


@dataclass(frozen=True)
class Timeline:
    """A run over time."""

    points: List[Point]
    interval_ns: int  # points are at least about so far apart
    resident: List[Tuple[int, int]]  # time and bytes

    @property
    def stills(self) -> List[Tuple[int, int]]:
        """From when to when the heap stood still for long: after a point is due the next event takes it, and the point says what was there
        before that event."""
        late = max(2 * self.interval_ns, LATE_NS)
        return [(before.time_ns + late, point.time_ns) for before, point in zip(self.points, self.points[1:])
                if point.time_ns - before.time_ns > 2 * late]

    @cached_property
    def filled(self) -> List[Point]:
        """The points, and two more at the beginning of each time in which the heap stood still: with the extremes before it, and without."""
        begins = {end: begin for begin, end in self.stills}
        found: List[Point] = []
        for point in self.points:
            begin = begins.get(point.time_ns, point.time_ns)
            if begin < point.time_ns and (not found or found[-1].time_ns < begin):
                found.append(replace(point, time_ns=found[-1].time_ns + (begin - found[-1].time_ns) // 2 if found else begin))
                point = replace(point, low_bytes=point.live_bytes, high_bytes=point.live_bytes)
                found.append(replace(point, time_ns=begin))
            found.append(point)
        return found

    @property
    def peak_ns(self) -> int:
        """When most was live, as nearly as the points tell: the end of the time in which it was; 0 without points."""
        return max(self.filled, key=lambda point: point.high_bytes).time_ns if self.points else 0

    @property
    def rates(self) -> List[float]:
        """Allocations per second between each point and the one before."""
        found = [0.0]
        for before, point in zip(self.points, self.points[1:]):
            elapsed = point.time_ns - before.time_ns
            found.append((point.allocations - before.allocations) * 1e9 / elapsed if elapsed > 0 else 0.0)
        return found[:len(self.points)]


def read(recording: Recording, folder: Path, end_ns: Optional[int] = None) -> Timeline:
    """The timeline of a recording in `folder`; CrunchError if it makes no sense.

    A run that the tracker did not see end gets one more point: what its threads had counted, at `end_ns` if that is known."""
    entries, interval = _history(recording.sections[reader.TIMELINE], TIMELINE_HALF, folder)
    points, resident = [], []
    for entry in entries:
        *values, resident_bytes = POINT.unpack(entry)
        points.append(Point(*values))
        if resident_bytes:
            resident.append((values[0], resident_bytes))
    _require(all(a.time_ns <= b.time_ns for a, b in zip(points, points[1:])) and
             all(point.low_bytes <= point.live_bytes <= point.high_bytes for point in points), folder)
    if points and goes_on(recording):
        points.append(_now(recording, points[-1], end_ns))
    return Timeline(points, interval, sorted(resident + _samples(folder, recording.start_ns)))


def goes_on(recording: Recording) -> bool:
    """Whether the tracker did not see an end: there is no last point and no last moment."""
    return recording.state == reader.RUNNING or bool(recording.flags & reader.SNAPSHOT)


def moment_of(places: Sequence[Place], time_ns: int) -> Moment:
    """What the counters of the places say, as a moment."""
    live = sorted(((number, place.live_bytes, max(0, place.live_blocks)) for number, place in enumerate(places) if place.live_bytes > 0),
                  key=lambda entry: -entry[1])
    return Moment(time_ns, tuple(live[:SERIES_SITES]), len(live) <= SERIES_SITES)


def moments(recording: Recording, folder: Path, place_of: List[int]) -> List[Moment]:
    """The largest places over time; `place_of` is that of Stacks."""
    found = []
    for data in _history(recording.sections[reader.SERIES], SERIES_HALF, folder)[0]:
        time_ns, count, places = SERIES_POINT.unpack_from(data)
        _require(count <= min(SERIES_SITES, places), folder)
        top: Dict[int, Tuple[int, int]] = {}
        for number in range(count):
            site, blocks, size = ENTRY.unpack_from(data, SERIES_POINT.size + number * ENTRY.size)
            _require(site < max(1, recording.sections[reader.SITES].declared), folder)
            place = place_of[site] if site < len(place_of) else -1
            if place >= 0:  # one of code that was unloaded and loaded again may come more than once
                before = top.get(place, (0, 0))
                top[place] = (before[0] + size, before[1] + blocks)
        ordered = sorted(((place, *values) for place, values in top.items()), key=lambda entry: -entry[1])
        found.append(Moment(time_ns, tuple(ordered), count == places))
    _require(all(a.time_ns <= b.time_ns for a, b in zip(found, found[1:])), folder)
    return found


def filled_moments(found: List[Moment], timeline: Timeline) -> List[Moment]:
    """The moments, and one more at the beginning of each time in which the heap stood still: the one that ended it says what was there."""
    times = [moment.time_ns for moment in found]
    begun = {}
    for begin, end in timeline.stills:
        number = bisect_right(times, begin)
        if number < len(times) and times[number] <= end:
            begun[number] = begin
    return [each for number, moment in enumerate(found)
            for each in ([replace(moment, time_ns=begun[number])] if number in begun else []) + [moment]]


def _require(whole: bool, folder: Path) -> None:
    if not whole:
        raise CrunchError(f"{folder / 'recording'} is damaged: its history makes no sense")


def _history(section: Section, half: int, folder: Path) -> Tuple[List[bytes], int]:
    """The entries of a thinned history that were kept, and its interval."""
    data, size = section.read(), section.item_bytes
    if not data:
        return [], 0
    state, interval = HISTORY.unpack_from(data)
    count, high = state >> 1, state & 1
    _require(count <= 2 * half, folder)
    items = [1 + number + (2 * half if high and number < half else 0) for number in range(count)]
    _require(max(items, default=0) < section.declared, folder)
    return [data[item * size:(item + 1) * size] for item in items if (item + 1) * size <= len(data)], interval


def _now(recording: Recording, last: Point, end_ns: Optional[int]) -> Point:
    """The process when its recording was left, from the counters of its threads."""
    slots = recording.slots
    size = recording.inherited_bytes + sum(slot.bytes_allocated - slot.bytes_freed for slot in slots)
    blocks = recording.inherited_blocks + sum(slot.allocations - slot.frees for slot in slots)
    _, _, low, high = TIMELINE.unpack_from(recording.sections[reader.TIMELINE].read())
    for slot in slots:  # one thread at its extremes, as far as it has not handed them in
        own = slot.bytes_allocated - slot.bytes_freed
        low, high = min(low, size - own + slot.low_bytes), max(high, size - own + slot.high_bytes)
    return Point(max(last.time_ns, end_ns or 0), size, blocks, min(low, size), max(high, size),
                 sum(slot.allocations for slot in slots), sum(slot.bytes_allocated for slot in slots))


def _samples(folder: Path, start_ns: int) -> List[Tuple[int, int]]:
    """What the launcher saw of the process's resident size."""
    try:
        lines = (folder / RESIDENT).read_text("ascii").splitlines()
    except OSError:
        return []
    except ValueError:
        raise CrunchError(f"{folder / RESIDENT} is damaged") from None
    found = []
    for line in lines:
        words = line.split()
        if len(words) != 2 or not all(word.isdigit() for word in words):
            raise CrunchError(f"{folder / RESIDENT} is damaged")
        if int(words[0]) >= start_ns:
            found.append((int(words[0]) - start_ns, int(words[1])))
    return found
