"""The library built so that undefined behaviour traps, preloaded into programs that use all of it."""

import pytest

from harness import UBSAN_LIBRARY, bare, preloaded, target


@pytest.fixture
def library():
    if not UBSAN_LIBRARY.exists():
        pytest.skip(f"{UBSAN_LIBRARY} is not built: run 'make ubsan'")
    return UBSAN_LIBRARY


@pytest.mark.parametrize("command", [["busy"], ["counts"], ["kinds"], ["kinds_cxx"], ["rules"], ["rules_cxx"], ["threads"],
                                     ["thread_ends"], ["hello"], ["children", "fork"], ["children", "vfork"],
                                     ["children", "popen"], ["ends", "abort"], ["ends", "overflow"], ["ends", "fpe"],
                                     ["ends", "15"], ["ends", "failed_exec"], ["signals", "queries"],
                                     ["contents", "10100"], ["storm", "1"]], ids=" ".join)
def test_no_undefined_behaviour(command, library, folder):
    program = [target(command[0]), *command[1:]]
    result, run = preloaded(folder, program, library=library)
    assert result.status == bare(program).status
    run.check(errors=None)
