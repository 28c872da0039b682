"""What becomes of the live bytes of a place as time goes by, in one word. The rule stands in docs/time.md; pure functions."""

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from typing import Dict, List, Sequence, Tuple

from .timeline import Moment

SAMPLES = 96  # equidistant values that a verdict looks at
LEAST_SAMPLES = 8  # of the recording
LEAST_BYTES = 4096
WARM_UP, TEAR_DOWN = 0.1, 0.05  # shares of the time that say nothing of what would go on
SWING = 0.3  # of the largest value: a rise or fall that counts
SWINGS = 3  # falls of a saw-tooth
GONE = 0.2  # of the largest value
FLAT = 0.1  # growth, of what stays
STEADY = 0.5  # growth of the last third, of the mean of the first two
LEAST_RISES = 3  # in every third of what grows
NEGLIGIBLE = 0.05  # of the largest value: what a place that is not among the largest may have had and is taken for nothing


class Verdict(Enum):
    """See docs/time.md."""

    CONSTANT = "constant"
    GROWING = "growing without end"
    SATURATING = "saturating"
    SAWTOOTH = "saw-tooth"
    BURST = "one burst"
    UNKNOWN = "too little to say"


@dataclass(frozen=True)
class Growth:
    """A place over time, and what it is said to do. Samples are (time_ns, bytes)."""

    place: int  # number in Stacks.places
    samples: List[Tuple[int, int]]
    verdict: Verdict

    @property
    def per_second(self) -> float:
        """Bytes a second over the second half of the time, teardown left out; may be negative."""
        kept = _without_tear_down(self.samples)
        start, end = kept[len(kept) // 2], kept[-1]
        return (end[1] - start[1]) * 1e9 / (end[0] - start[0]) if end[0] > start[0] else 0.0


def verdicts(found: Sequence[Moment]) -> List[Growth]:
    """All places that ever were among the largest, those with most bytes at any time first."""
    tops: Dict[int, int] = {}
    for moment in found:
        tops.update((place, size) for place, size, _ in moment.top if size > tops.get(place, -1))
    samples: Dict[int, List[Tuple[int, int]]] = {place: [] for place in tops}
    for moment in found:
        present = {place: size for place, size, _ in moment.top}
        for place, own in samples.items():  # one that is not among the largest had something between nothing and the threshold
            if place in present or moment.threshold <= NEGLIGIBLE * tops[place]:
                own.append((moment.time_ns, present.get(place, 0)))
    grown = [Growth(place, own, verdict(own)) for place, own in samples.items()]
    return sorted(grown, key=lambda growth: -max(size for _, size in growth.samples))


def verdict(samples: Sequence[Tuple[int, int]]) -> Verdict:
    """The verdict on values at rising times."""
    first = next((number for number, (_, size) in enumerate(samples) if size), len(samples))
    kept = _without_tear_down(samples[max(0, first - 1):])
    top = max((size for _, size in kept), default=0)
    if len(kept) < LEAST_SAMPLES or kept[-1][0] <= kept[0][0] or top < LEAST_BYTES:
        return Verdict.UNKNOWN
    values = _resampled(kept)
    falls, valley = _falls(values, SWING * top)
    if falls < SWINGS and values[-1] <= GONE * top:
        return Verdict.BURST
    if falls >= SWINGS:  # how high the last tooth stood at the end says nothing
        values = values[:valley + 1] + values[valley:valley + 1] * (SAMPLES - 1 - valley)
    steady = _floor(values)[int(WARM_UP * SAMPLES):]
    growth = steady[-1] - steady[0]
    if falls >= SWINGS and growth <= SWING * top:
        return Verdict.SAWTOOTH
    return Verdict.CONSTANT if growth <= FLAT * steady[-1] else _grows(steady)


def _grows(floor: List[int]) -> Verdict:
    """What has grown: on and on, until it was full, or in so few steps that nobody knows."""
    third = len(floor) // 3
    parts = [floor[:third + 1], floor[third:2 * third + 1], floor[2 * third:]]
    first, second, last = (part[-1] - part[0] for part in parts)
    if last < STEADY * (first + second) / 2:
        return Verdict.SATURATING
    rises = [sum(a < b for a, b in zip(part, part[1:])) for part in parts]
    return Verdict.GROWING if min(rises) >= LEAST_RISES else Verdict.UNKNOWN


def _without_tear_down(samples: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Without the last moments, if they take away most of what was there: what is freed at the end says nothing."""
    if not samples:
        return []
    start, end = samples[0][0], samples[-1][0]
    kept = [sample for sample in samples if sample[0] <= end - TEAR_DOWN * (end - start)]
    lowest = min(size for _, size in samples[max(0, len(kept) - 1):])
    return kept if kept and lowest <= (1 - SWING) * kept[-1][1] else list(samples)


def _resampled(samples: List[Tuple[int, int]]) -> List[int]:
    """Equidistant in time; between two samples the earlier one holds."""
    times = [time for time, _ in samples]
    start, span = times[0], times[-1] - times[0]
    return [samples[bisect_right(times, start + span * number // (SAMPLES - 1)) - 1][1] for number in range(SAMPLES)]


def _floor(values: List[int]) -> List[int]:
    """What stays: at every moment the least of all values from then on."""
    found, lowest = [], values[-1]
    for value in reversed(values):
        lowest = min(lowest, value)
        found.append(lowest)
    return found[::-1]


def _falls(values: List[int], swing: float) -> Tuple[int, int]:
    """Falls by at least `swing`, each from a height that was reached by a rise of as much; and where the lowest value since the last of
    them is."""
    falls, rising, extreme, valley = 0, True, 0, 0
    for number, value in enumerate(values):
        if rising:
            extreme = max(extreme, value)
            if value <= extreme - swing:
                falls, rising, extreme, valley = falls + 1, False, value, number
        else:
            if value < extreme:
                extreme, valley = value, number
            if value >= extreme + swing:
                rising, extreme = True, value
    return falls, valley
