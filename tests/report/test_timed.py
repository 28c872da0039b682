"""Which of --snapshot-every's snapshots go."""

import random

import pytest

from launcher import timed


@pytest.mark.parametrize("keep", [2, 3, 10, 50])
def test_those_that_stay_spread_over_the_whole_run(keep):
    """However many come, and however irregularly: first and last stay, and no gap is much wider than even ones would be."""
    random.seed(keep)
    kept, now = [], 0.0
    for count in range(1, 2001):
        now += random.uniform(0.8, 1.2)
        kept.append(now)
        for place in sorted(timed.sparest(kept, keep), reverse=True):
            del kept[place]
        assert len(kept) == min(count, keep) and kept[-1] == now
        if count >= 4 * keep and keep > 2:
            even = (kept[-1] - kept[0]) / (keep - 1)
            assert max(after - before for before, after in zip(kept, kept[1:])) <= 2.5 * even
    assert kept[0] <= 1.2


def test_few_enough_stay():
    assert timed.sparest([], 2) == [] and timed.sparest([1.0, 2.0], 2) == []
    assert timed.sparest([0.0, 1.0, 3.0, 4.0, 10.0], 3) == [1, 2]
