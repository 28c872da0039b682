"""The verdicts on live bytes over time: synthetic courses of each kind, with noise, at any scale, and at uneven times."""

import math
import random

import pytest

from report import growth
from report.growth import Verdict, verdict
from report.timeline import Moment

END = 1000  # of a course's time


def course(kind: str, t: float, seed: int) -> float:
    """Live bytes at 0 <= t < 1, of about 1."""
    if kind == "linear":
        return t
    if kind == "quadratic":
        return t * t
    if kind == "linear from a base":
        return 1 + 0.5 * t
    if kind == "growing saw-tooth":
        return t + 0.3 * (t * 20 % 1)
    if kind == "growing, with a burst":
        return 0.4 * t + (0.8 if 0.4 < t < 0.45 else 0)
    if kind == "growing, freed at the end":
        return t if t < 0.98 else 0
    if kind == "cache":
        return 1 - math.exp(-8 * t)
    if kind == "cache that fills by a third":
        return min(1, 3 * t)
    if kind == "constant":
        return 1
    if kind == "constant after the start":
        return min(1, 20 * t)
    if kind == "constant with noise":
        return 1 + 0.04 * random.Random(seed * 7919 + int(t * 997)).random()
    if kind == "constant, freed at the end":
        return 1 if t < 0.97 else 0
    if kind == "saw-tooth":
        return t * 7 % 1
    if kind == "square":
        return float(t * 5 % 1 < 0.5)
    if kind == "saw-tooth on a base":
        return 0.5 + (t * 6 % 1)
    if kind == "burst":
        return 1 if 0.3 < t < 0.5 else 0.01
    if kind == "triangle":
        return max(0, 1 - abs(t - 0.4) / 0.2)
    raise AssertionError(kind)


EXPECTED = {
    "linear": Verdict.GROWING, "quadratic": Verdict.GROWING, "linear from a base": Verdict.GROWING,
    "growing saw-tooth": Verdict.GROWING, "growing, with a burst": Verdict.GROWING, "growing, freed at the end": Verdict.GROWING,
    "cache": Verdict.SATURATING, "cache that fills by a third": Verdict.SATURATING,
    "constant": Verdict.CONSTANT, "constant after the start": Verdict.CONSTANT, "constant with noise": Verdict.CONSTANT,
    "constant, freed at the end": Verdict.CONSTANT,
    "saw-tooth": Verdict.SAWTOOTH, "square": Verdict.SAWTOOTH, "saw-tooth on a base": Verdict.SAWTOOTH,
    "burst": Verdict.BURST, "triangle": Verdict.BURST,
}


def sampled(kind: str, count: int, scale: float, seed: int, even: bool = True) -> list:
    """(time, bytes), the times even or at random."""
    dice = random.Random(seed)
    times = [number / count for number in range(count)] if even else sorted(dice.random() for _ in range(count))
    return [(int(t * END * 10**6), int(course(kind, t, seed) * scale)) for t in times]


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("scale", [10_000, 1 << 20, 1 << 40])
def test_courses(kind, scale):
    for count in (64, 90, 127):
        assert verdict(sampled(kind, count, scale, count)) == EXPECTED[kind], count


@pytest.mark.parametrize("kind", EXPECTED)
def test_uneven_times(kind):
    right = sum(verdict(sampled(kind, 120, 1 << 20, seed, even=False)) == EXPECTED[kind] for seed in range(40))
    assert right >= 36


@pytest.mark.parametrize("kind", EXPECTED)
def test_noise_changes_nothing(kind):
    dice = random.Random(3)
    for seed in range(20):
        noisy = [(time, max(0, int(size * (1 + 0.02 * dice.uniform(-1, 1))))) for time, size in sampled(kind, 100, 1 << 20, seed)]
        assert verdict(noisy) == EXPECTED[kind]


@pytest.mark.parametrize("samples", [
    [], [(0, 0)], [(0, 5000)] * 20, [(n, 5000 * n) for n in range(7)], [(n, n) for n in range(100)], [(n, 0) for n in range(100)],
    [(n, 5000 * (n > 50)) for n in range(60)] + [(n, 10000) for n in range(60, 100)]])
def test_too_little_to_say(samples):
    assert verdict(samples) in (Verdict.UNKNOWN, Verdict.SATURATING if len(samples) == 100 and samples[-1][1] == 10000 else Verdict.UNKNOWN)


def test_a_place_that_comes_late_is_judged_from_its_first_byte():
    late = [(n, 0) for n in range(300)] + [(n, (n - 300) * 100) for n in range(300, 400)]
    assert verdict(late) == Verdict.GROWING


def test_growth_per_second():
    samples = [(n * 10**9, 1000 * n) for n in range(101)]
    one = growth.Growth(0, samples, verdict(samples))
    assert one.per_second == pytest.approx(1000, rel=0.01)


def test_moments_become_courses():
    """A place below the threshold of a moment has no sample there; one that is not there at all has 0."""
    found = growth.verdicts([
        Moment(1, ((5, 9000, 1), (7, 100, 1)), True), Moment(2, ((5, 9000, 1),), True), Moment(3, ((5, 9000, 1),), False)])
    assert [(one.place, one.samples) for one in found] == [(5, [(1, 9000), (2, 9000), (3, 9000)]), (7, [(1, 100), (2, 0)])]


def test_a_place_that_falls_out_of_the_largest_is_gone():
    """Not in a list whose last entry is small beside what it had: so it was freed, and was not there before it came."""
    others = tuple((place, 500, 1) for place in range(100, 163))
    found = growth.verdicts([Moment(n, (((5, 90_000 + n, 1),) if 50 < n < 70 else ()) + others, False) for n in range(100)])
    assert (found[0].place, found[0].verdict) == (5, Verdict.BURST) and len(found[0].samples) == 100
    others = tuple((place, 50_000, 1) for place in range(100, 163))
    found = growth.verdicts([Moment(n, (((5, 90_000 + n, 1),) if 50 < n < 70 else ()) + others, False) for n in range(100)])
    assert (found[0].place, len(found[0].samples)) == (5, 19), "what it had otherwise is not known"
