"""Every internal map of the tracker fails once, and then it and all that follow: the program never notices."""

import pytest

from harness import LIBRARY, bare, preload_environment, target

MOST = 200


def run(folder, number, program, rest):
    """The program's result and how many maps failed."""
    folder.mkdir()
    log = folder.with_suffix(".log")
    env = {**preload_environment(folder, LIBRARY, before=[target("fail_map", "-shared")]), "FAIL_MAP": str(number),
           "FAIL_MAP_LOG": str(log), **({"FAIL_MAP_ON": "1"} if rest else {})}
    result = bare(program, env=env)
    return result, log.stat().st_size if log.exists() else 0


@pytest.mark.parametrize("rest", [False, True], ids=["one fails", "all from one on fail"])
def test_program_is_unharmed(rest, tmp_path):
    program = [target("busy")]
    expected = bare(program)
    failed = 0
    for number in range(1, MOST):
        result, failures = run(tmp_path / f"out{number}", number, program, rest)
        assert (result.status, result.stdout) == (expected.status, expected.stdout), f"map {number}"
        assert len(result.said.splitlines()) <= 1, f"map {number}: {result.said}"
        if not failures:
            break
        failed += 1
    assert 5 < failed < MOST - 1, "there are maps to fail, and some number is beyond the last of them"


def test_tracking_that_stops_says_so(tmp_path):
    from harness import Folder

    program = [target("many_blocks"), "3000000"]
    for number in range(1, MOST):
        result, failures = run(tmp_path / f"out{number}", number, program, rest=True)
        assert result.status == 0 and failures
        run_folder = Folder(tmp_path / f"out{number}")
        if (run_folder.path / "stats").exists() and run_folder.count("allocations") > 1000000:
            break
    assert run_folder.stats["tracking"] == "stopped" and "tracking stopped" in run_folder.recording.message
