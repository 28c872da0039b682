"""Threads: counts are exact, whoever frees what, and also while a thread ends."""

import os

import pytest

from harness import crunch, preloaded, tagged_blocks, target

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


def test_more_threads_than_the_first_slots(folder):
    result, run = preloaded(folder, [target("many_threads"), "600"])
    assert result.status == 3
    run.check()
    assert run.kinds() == tagged_blocks("many_threads") and run.count("threads") == 601
    assert run.count("untracked_frees") == 0
    child = next(iter(run.children.values()))
    child.check()
    assert child.end == "exit 4" and child.count("inherited_blocks") == run.count("live_blocks")


def test_program_that_gives_its_rights_away(tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root has rights to give away")
    out = tmp_path / "out"
    out.mkdir(0o755)
    result, run = crunch(out, target("many_threads"), "600", "drop")
    assert result.status == 3 and result.stdout == b""
    assert "crunch: the recording cannot grow, so later call stacks and threads are missing from it" in result.said
    assert run.end == "exit 3"
