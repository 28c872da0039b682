"""Signals: the program sees what it would see without crunch, and its own handlers win."""

import pytest

from harness import bare, preloaded, target


@pytest.mark.parametrize("part", ["queries", "handled", "crash", "crash_on_own_stack", "ignored", "back_to_default",
                                  "default_with_siginfo"])
def test_same_as_without_crunch(part, folder):
    program = [target("signals"), part]
    expected = bare(program)
    result, run = preloaded(folder, program)
    assert expected.status != 99 and result == expected
    run.check()
    assert run.end == ("signal SIGTERM" if "default" in part else f"exit {expected.status}")
    assert (run.fatal is not None) == ("default" in part)


def test_ignored_by_the_parent_stays_ignored(folder):
    program = ["sh", "-c", 'trap "" TERM INT; exec "$0" queries', target("signals")]
    expected = bare(program)
    assert b"at the start: signal 15 ignore" in expected.stdout
    result, _ = preloaded(folder, program)
    assert result == expected


def test_storm_of_timer_signals(folder):
    result, run = preloaded(folder, [target("storm"), "2"])
    assert result.status == 0
    run.check()
    assert run.own_blocks == [] and run.count("untracked_frees") == 0
    own_calls = run.count("allocations") - int(result.stdout)
    assert 0 <= own_calls < 20, "beside the counted calls only those of pthread_create"
