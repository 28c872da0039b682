"""The heap over time in real runs: verdicts, threads by name, resident size, realloc chains, children."""

import pytest

from harness import Folder, crunch, needs, preloaded, tags, target
from report import run as runs
from report import timeline


def loaded(folder) -> runs.Run:
    return runs.load(folder.path if isinstance(folder, Folder) else folder)


def test_courses_of_a_real_program(folder):
    result, run = crunch(folder, target("courses"), "6000")
    assert result.status == 0
    read = loaded(run)
    seen = {}
    for one in read.growth:
        for frame in read.tree.stack(read.tree.leaves[one.place]):
            if frame.name in [words[0] for words in tags("courses", "course")]:
                seen[frame.name] = one.verdict.value
                if frame.name == "leak":
                    mean = 1000 * 3000 / read.stats["wall_seconds"]  # on a busy machine the two halves do not take as long as each other
                    assert mean / 3 < one.per_second < 3 * mean
    assert seen == {words[0]: " ".join(words[1:]) for words in tags("courses", "course")}
    assert "grew without end: leak (tests/targets/courses.c:12)" in result.said


def test_points_agree_with_the_totals(folder):
    _, run = preloaded(folder, [target("threads_churn"), "300"])
    read = loaded(run)
    points = read.timeline.points
    assert len(points) > 20 and max(point.high_bytes for point in points) == run.count("peak_bytes")
    assert points[0].allocations == 0 and 0.3 <= points[-1].time_ns / 1e9 <= run.stats["wall_seconds"] + 0.001  # the rest is the end's work
    assert any(size > 1 << 20 for _, size in read.timeline.resident)
    last = read.moments[-1]
    assert last.complete and last.time_ns == points[-1].time_ns and len(read.threads) > 4
    summed = sum(size for _, size, _ in last.top)  # each place over all threads, of which any may be in the middle of an event
    assert abs(summed - points[-1].live_bytes) <= 5 * 5000


def test_a_program_that_sleeps_has_resident_samples(folder):
    _, run = crunch(folder, "sleep", "1")
    read = loaded(run)
    assert len(read.timeline.resident) >= 5 and len((folder / timeline.RESIDENT).read_text().splitlines()) >= 3
    times = [time for time, _ in read.timeline.resident]
    assert times == sorted(times) and times[-1] > 700_000_000


def test_threads_are_named_and_counted(folder):
    _, run = preloaded(folder, [target("thread_names")])
    found = {thread.name: thread for thread in loaded(run).threads}
    assert set(found) >= {"thread_names", "reader", "writer"}
    assert (found["reader"].allocations, found["reader"].bytes_allocated) == (3, 300)
    assert (found["writer"].frees, found["writer"].bytes_freed) == (3, 300)
    assert found["reader"].end_ns and not found["thread_names"].end_ns and found["thread_names"].live_bytes >= 4000


def test_realloc_chains(folder):
    _, run = preloaded(folder, [target("thread_names")])
    read = loaded(run)
    chains = [kept for kept in read.histograms.values() if kept.grown]
    assert [(kept.grown, kept.longest) for kept in chains] == [(39, 39)] and chains[0].shrunk == 0


def test_fragmentation(folder):
    """Every twentieth of 20,000 blocks of 1,001 bytes remains, and 3 MiB of which a third was never touched."""
    result, run = preloaded(folder, [target("sparse")])
    read = loaded(run)
    found = read.fragmentation
    assert result.status == 0 and found.asked == run.count("live_bytes") and found.unknown_blocks == 0
    assert 1000 * 4 <= found.slack <= 1000 * 24 + 8192 and sum(found.by_place.values()) == found.usable
    sparse = found.sparse(1 / 4)
    assert sparse.count * found.page_bytes > 15 << 20 and sparse.live_bytes < 1_100_000
    assert (2 << 20) - 8192 <= found.pages[-1].count * found.page_bytes <= (2 << 20) + 8192
    assert found.heap_bytes > 20 << 20 and found.heap_unused > 15 << 20


@pytest.mark.parametrize("count, asked", [(1000, True), (300_000, False)])
def test_the_allocator_is_asked_for_sums_only_where_that_is_cheap(folder, count, asked):
    """It looks at every free piece of memory: with three million, that took a third of xmllint's time."""
    found = loaded(preloaded(folder, [target("many_blocks"), str(count)])[1]).fragmentation
    assert (found.heap_bytes is not None) == asked and found.asked >= 5 * 16


def test_an_exit_within_the_allocator_asks_it_nothing(folder):
    """_exit in a handler that interrupted malloc: its locks may be taken."""
    for _ in range(5):
        result, run = preloaded(folder / str(_), [target("exit_in_malloc")])
        assert result.status == 5 and run.end == "exit 5"


def test_a_forked_child_starts_its_own_timeline(folder):
    _, run = preloaded(folder, [target("children"), "fork"])
    (child,) = run.children.values()
    points = loaded(child).timeline.points
    assert points[0].live_bytes == child.count("inherited_bytes") and points[0].allocations == 0
    assert points[0].time_ns < 100_000_000 and len(loaded(child).threads) == 1


def test_a_program_of_the_system(folder):
    program = needs("perl")
    _, run = preloaded(folder, [program, "-e", "my @a; push @a, 'x' x ($_ % 300) for 1..200000; print scalar(@a)"])
    read = loaded(run)
    assert len(read.timeline.points) > 5 and read.growth and sum(kept.ended for kept in read.histograms.values()) > 10_000
