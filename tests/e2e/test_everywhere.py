"""What a user meets first, on both systems alike: these run on a Mac, too, where the other files of this folder are skipped."""

import os
import re
import signal
import subprocess

import pytest

from harness import CRUNCH, Folder, bare, crunch, own_lines, preloaded, start, target, wait_until
from report import block_file, problems, reader
from report import run as runs

FAULTS = (128 + signal.SIGSEGV, 128 + signal.SIGBUS)  # which of them is the system's choice


def names(stack):
    """Functions of a stack up to main, those of libraries left out."""
    found = [frame.name for frame in stack if frame.file.endswith((".c", ".cpp"))]
    return found[:found.index("main") + 1] if "main" in found else found


def found(run):
    return problems.read(runs.load(run.path))


def sizes(run, least=1000):
    return sorted(block.size for block in run.own_blocks if block.size >= least)


@pytest.mark.parametrize("status", [0, 7])
def test_an_ordinary_program(folder, status):
    program = target("everywhere")
    result, run = crunch(folder, program, "end", str(status))
    assert (result.status, result.stdout, own_lines(result.stderr)) == (status, b"", [])
    assert {100, 300, 128} <= {block.size for block in run.own_blocks}
    assert {"calloc", "realloc", "aligned"} <= {kind for kind, _ in run.kinds()}
    assert run.end == f"exit {status}" and run.count("errors") == 0
    run.check()
    assert "several" in (folder / "report.html").read_text() and run.heap_files


def test_stacks_have_names_and_lines(folder):
    crunch(folder, target("everywhere"), "end", "0")
    loaded = runs.load(folder)
    stacks = [loaded.tree.stack(leaf) for leaf in loaded.tree.leaves]
    own = [stack for stack in stacks if names(stack) == ["several", "main"]]
    assert len(own) >= 3, [names(stack) for stack in stacks]
    assert all(frame.line > 0 for stack in own for frame in stack if frame.name in ("several", "main"))


def test_a_crash(folder):
    result, run = crunch(folder, target("example"))
    assert result.status in FAULTS
    first = result.said.splitlines()[0]
    assert first.startswith(("crunch: SIGSEGV", "crunch: SIGBUS"))
    assert "16777205 bytes after a live block of 10 bytes" in result.said
    assert re.search(r"  in\n    main \(\S*example.c:7\)\n.*was allocated in\n    main \(\S*example.c:6\)\n", result.said, re.DOTALL)
    assert run.fatal and "1 remaining heap allocations" in result.said


def test_a_null_pointer(folder):
    result, run = crunch(folder, target("everywhere"), "null")
    assert result.status in FAULTS and "offset 8 of a null pointer" in result.said
    assert re.search(r"  in\n    null \(\S*everywhere.c:\d+\)\n    main ", result.said)


def test_threads(folder):
    result, run = crunch(folder, target("everywhere"), "threads")
    assert result.status == 0
    assert sum(block.size == 100 for block in run.own_blocks) >= 100
    assert run.count("allocations") >= 200
    run.check()


def test_a_forked_child(folder):
    result, run = crunch(folder, target("everywhere"), "child")
    assert result.status == 3
    child, = run.children.values()
    assert sizes(run) == [1001] and sizes(child) == [1002]
    run.check()
    child.check()


def test_a_program_that_a_child_becomes(folder):
    program = target("everywhere")
    result, run = crunch(folder, program, "execs", program, "end", "5")
    assert result.status == 5
    child, = run.children.values()
    assert child.end == "exit 5" and 300 in {block.size for block in child.own_blocks}


@pytest.mark.parametrize("case, kind", [("double", "double-free"), ("inside", "free-inside")])
def test_wrong_frees(folder, case, kind):
    result, run = crunch(folder, target("everywhere"), case)
    assert result.status == 0
    problem, *more = found(run)
    assert not more and problem.kind == kind, problem.kind
    assert names(problem.stacks[0][1]) == ["wrong", "main"]


@pytest.mark.parametrize("case, kind", [("overrun", "overrun"), ("late", "write-after-free")])
def test_check_finds(folder, case, kind):
    result, run = crunch(folder, target("everywhere"), case, options=["--check"])
    assert result.status == 0
    assert [problem.kind for problem in found(run)] == [kind]


def test_guard_stops_the_program_where_it_is_wrong(folder):
    result, run = crunch(folder, target("everywhere"), "guarded", options=["--guard"])
    assert result.status in FAULTS and re.search(r"guarded \(\S*everywhere.c:\d+\)", result.said)
    assert [problem.kind for problem in found(run)] == ["guard-after"]


@pytest.mark.parametrize("case", ["lost", "tree", "circle"])
def test_leaks(folder, case):
    for word, leaked in (("gone", True), ("kept", False)):
        _, run = preloaded(folder / word, [target("leaks", "-pthread"), case, word, "exit"])
        found = {block.size: block.leak for block in run.own_blocks if 1000 < block.size < 1100}
        assert 1001 in found
        assert all(leak in ((block_file.LEAK_DEFINITE, block_file.LEAK_INDIRECT) if leaked else (block_file.LEAK_REACHABLE,)) for leak in found.values()), found


def test_new_and_delete(folder):
    _, run = crunch(folder, target("kinds_cxx"))
    assert set(range(2001, 2005)) <= set(sizes(run)) and run.count("errors") == 0


def test_a_snapshot_of_a_running_program(folder):
    process = start([*CRUNCH, "--out", str(folder), target("everywhere"), "sleep"], stdin=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"here\n"
        pid = wait_until(lambda: reader.recorded_process(folder))
        listed = bare([*CRUNCH, "--list"]).stdout.decode()
        assert str(pid) in listed and str(folder) in listed
        taken = bare([*CRUNCH, "--snapshot", str(pid)])
        assert taken.status == 0, taken.said
        snapshot = folder / "snapshots" / "1"
        wait_until((snapshot / "stats").exists)
        assert 70000 in {block.size for block in Folder(snapshot).blocks}
        process.communicate(b"x", timeout=60)
        assert process.returncode == 1
    finally:
        process.kill()
        process.wait()


def test_a_killed_program_has_a_report(folder):
    process = start([*CRUNCH, "--out", str(folder), target("everywhere"), "sleep"], stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"here\n"
    os.kill(wait_until(lambda: reader.recorded_process(folder)), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL and (folder / "report.html").exists()


def test_a_program_of_the_systems_that_takes_no_library(folder):
    """On a Mac one sentence says so before it is started; on Linux it is recorded."""
    result, run = crunch(folder, "/bin/echo", "said")
    if os.uname().sysname == "Darwin":
        assert result.status == 125 and "protected by the system" in result.said and result.stdout == b""
    else:
        assert result.status == 0 and result.stdout == b"said\n"
