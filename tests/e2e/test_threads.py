"""Threads: counts are exact, whoever frees what, and also while a thread ends."""

from harness import preloaded, tagged_blocks, target

THREADS, ROUNDS = 64, 2000


def test_threads_that_free_each_others_blocks(folder):
    result, run = preloaded(folder, [target("threads")])
    assert result.status == 0
    run.check()
    assert run.kinds() == tagged_blocks("threads") * THREADS
    assert run.count("untracked_frees") == 0 and run.count("threads") == THREADS + 1
    own = run.count("allocations") - run.count("runtime_blocks")
    made = THREADS * (ROUNDS + 1)
    assert made <= own <= made + THREADS, "pthread_create makes at most one block per thread"
    handed = sum(i % 64 + 1 for i in range(ROUNDS)) * THREADS
    assert handed <= run.count("bytes_freed") <= handed + THREADS * 400


def test_peak_of_threads_is_within_the_documented_bound(folder):
    _, run = preloaded(folder, [target("peak")])
    run.check()
    made = 16 * 1000 * 100
    assert made * 0.998 - 2048 * 17 <= run.count("peak_bytes") - run.count("runtime_bytes") <= made + 20000


def test_destructors_of_thread_local_data(folder):
    result, run = preloaded(folder, [target("thread_ends")])
    assert result.status == 0
    run.check()
    assert run.own_blocks == [] and run.count("untracked_frees") == 0
    assert run.count("frees") >= 300 and run.count("threads") == 101
