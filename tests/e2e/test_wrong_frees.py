"""Wrong frees, always on: every one is told with its stacks, the program goes on, and the same thing done right is silent."""

import re
import subprocess

import pytest

import harness
from harness import CRUNCH, TARGETS, bare, crunch, preloaded, target
from report import problems, run

NONE = None
C_CASES = {  # argument: kind, end of the headline, innermost functions of the stacks: here, where allocated, where freed
    "double": ("double-free", "free(0x…) of a block of 24 bytes that is freed already", ["again", "make", "drop"]),
    "double-later": ("double-free", "free(0x…) of a block of 24 bytes that is freed already", ["again", "make", "drop"]),
    "double-much-later": ("double-free", "free(0x…) of a block that is freed already", ["again"]),
    "double-thread": ("double-free", "free(0x…) of a block of 24 bytes that is freed already", ["again", "make", "drop"]),
    "realloc-freed": ("double-free", "realloc(0x…) of a block of 24 bytes that is freed already", ["realloc_freed", "make", "drop"]),
    "free-resized": ("double-free", "free(0x…) of a block of 24 bytes that is freed already", ["again", "make", "free_resized"]),
    "inside": ("free-inside", "free(0x…) is 16 bytes inside a block of 1,000 bytes", ["drop", "make"]),
    "inside-unaligned": ("free-inside", "free(0x…) is 501 bytes inside a block of 1,000 bytes", ["drop", "make"]),
    "inside-large": ("free-inside", "is 838,860,800 bytes inside a block of 943,718,400 bytes", ["drop", "make"]),
    "realloc-inside": ("free-inside", "realloc(0x…) is 32 bytes inside a block of 1,000 bytes", ["realloc_inside", "make"]),
    "stack": ("free-stack", "free(0x…) of stack memory", ["drop"]),
    "stack-of-thread": ("free-stack", "free(0x…) of stack memory", ["drop"]),
    "data": ("free-static", "free(0x…) of static memory", ["drop"]),
    "literal": ("free-static", "free(0x…) of static memory", ["drop"]),
    "code": ("free-static", "free(0x…) of static memory", ["drop"]),
    "unmapped": ("free-unmapped", "free(0x…) of an address where there is no memory", ["drop"]),
    "small-number": ("free-unmapped", "free(0x…) of an address where there is no memory", ["drop"]),
    "negative": ("negative-size", "malloc(-24)", ["negative"]),
    "negative-calloc": ("negative-size", "calloc(1099511627776, 4294967296)", ["negative_calloc"]),
    "negative-realloc": ("negative-size", "realloc(-24)", ["negative_realloc"]),
    "negative-reallocarray": ("negative-size", "reallocarray(1099511627776, 1099511627776)", ["negative_reallocarray"]),
    "negative-aligned": ("negative-size", "aligned_alloc(-64)", ["negative_aligned"]),
    "merely-large": NONE,
    "repeated": ("double-free", "free(0x…) of a block of 24 bytes that is freed already", ["again", "make", "drop"]),
    "other-names": ("double-free", "free(0x…) of a block of 24 bytes that is freed already", ["again", "make", "other_names"]),
}
CXX_CASES = {
    "malloc-delete": ("mismatch", "operator delete(0x…) of a block of 4 bytes that malloc made", ["malloc_delete()"] * 2),
    "new-free": ("mismatch", "free(0x…) of a block of 4 bytes that operator new made", ["new_free()"] * 2),
    "new[]-free": ("mismatch", "free(0x…) of a block of 40 bytes that operator new[] made", ["new_array_free()"] * 2),
    "new-delete[]": ("mismatch", "operator delete[](0x…) of a block of 4 bytes that operator new made", ["new_delete_array()"] * 2),
    "new[]-delete": ("mismatch", "operator delete(0x…) of a block of 10 bytes that operator new[] made", ["new_array_delete()"] * 2),
    "new-realloc": ("mismatch", "realloc(0x…) of a block of 24 bytes that operator new made", ["new_realloc()"] * 2),
    "strdup-delete": ("mismatch", "operator delete(0x…) of a block of 9 bytes that malloc made", ["strdup_delete()", NONE]),
    "size": ("wrong-size", "operator delete(0x…, 4) of a block of 40 bytes that operator new made", ["wrong_size()"] * 2),
    "array-size": ("wrong-size", "operator delete[](0x…, 20) of a block of 28 bytes that operator new[] made", ["wrong_array_size()"] * 2),
    "alignment": ("wrong-alignment", "says none for a block of 64 bytes made with one", ["wrong_alignment()"] * 2),
    "unexpected-alignment": ("wrong-alignment", "says an alignment of 64 for a block of 64 bytes made without one",
                             ["unexpected_alignment()"] * 2),
    "wide": NONE,
    "own": NONE,
    "twice": ("double-free", "operator delete(0x…) of a block of 4 bytes that is freed already", ["twice()"] * 3),
    "inside": ("free-inside", "operator delete(0x…) is 16 bytes inside a block of 40 bytes", ["inside()"] * 2),
    "negative": ("negative-size", "operator new[](-5)", ["negative()"]),
}
CASES = [("wrong_frees", *item) for item in C_CASES.items()] + [("wrong_deletes", *item) for item in CXX_CASES.items()]
GOES_ON = {"mismatch", "wrong-size", "wrong-alignment", "negative-size"}  # the call is made all the same


def found(folder):
    return problems.read(run.load(folder.path))


@pytest.mark.parametrize("name, case, expected", CASES, ids=[f"{case}" for _, case, _ in CASES])
def test_a_wrong_call_is_told_and_the_right_one_is_not(tmp_path, name, case, expected):
    result, folder = preloaded(tmp_path / "wrong", [target(name), case])
    assert result.status == 0 and result.stdout.endswith(b"went on\n") and result.stderr == b""
    if expected is None:
        assert folder.count("errors") == 0
    else:
        kind, headline, functions = expected
        problem, = found(folder)
        shown = re.sub(r"0x[0-9a-f]{2,}", "0x…", problem.headline)
        assert problem.kind == kind and shown.endswith(headline)
        assert [frames[0].name for _, frames in problem.stacks if frames][:len(functions)] == [
            function or frames[0].name for function, (_, frames) in zip(functions, problem.stacks)]
        assert len(problem.stacks) == len(functions) and problem.stacks[0][1][-1].name in ("_start", "clone3", "__clone3", "clone")
        assert bool(problem.error.flags & problems.SKIPPED) == (kind not in GOES_ON)
        assert problem.count == folder.count("errors") == (30 if case == "repeated" else 1)
    folder.check(errors=None)
    result, folder = preloaded(tmp_path / "twin", [target(name), case, "twin"])
    assert result.status == 0 and result.stdout.endswith(b"went on\n")
    folder.check(errors=0)


def test_the_thread_that_freed_is_told(tmp_path):
    _, folder = preloaded(tmp_path, [target("wrong_frees"), "double-thread"])
    problem, = found(folder)
    assert [title for title, _ in problem.stacks] == ["here by thread 1", "allocated by thread 1", "freed by thread 2"]


def test_a_refused_realloc_says_why(tmp_path):
    result, _ = preloaded(tmp_path, [target("wrong_frees"), "realloc-freed"])
    assert result.stdout == b"EINVAL\nwent on\n"


# ---- what is merely unknown ----


@pytest.mark.parametrize("options", [(), ("-s",)], ids=["with names", "stripped"])
def test_hidden_operators_are_no_mismatch(tmp_path, options):
    hidden = target("hidden_operators", "-shared", "-static-libstdc++", f"-Wl,--version-script={TARGETS / 'hidden_operators.map'}", *options)
    names = subprocess.run(["nm", "-D", hidden], stdout=subprocess.PIPE, check=True).stdout
    assert b"_Znwm" not in names and b"_ZdlPv" not in names, "neither imported nor exported: nobody sees them"
    host = target("operators_host", "-std=c++17", *options)
    assert bare([host, hidden]).stdout == b"done\n"
    result, folder = preloaded(tmp_path, [host, hidden])
    assert (result.status, result.stdout) == (0, b"done\n")
    folder.check(errors=0)


def test_usual_operators_of_a_library_are_the_programs(tmp_path):
    """The same library, dynamically linked, must not hide a real mismatch: only that its operators are unseen may."""
    shared = target("hidden_operators", "-shared")
    result, folder = preloaded(tmp_path, [target("operators_host", "-std=c++17"), shared])
    assert result.stdout == b"done\n"
    folder.check(errors=0)


def test_an_operator_of_the_programs_own_is_no_mismatch(tmp_path):
    result, folder = preloaded(tmp_path, [target("custom_new")])
    assert result.status == 0
    folder.check(errors=0)


def test_another_allocators_blocks_may_come_where_one_was_freed(tmp_path):
    other = target("other_allocator", "-shared")
    program = target("other_allocations")
    result, folder = preloaded(tmp_path / "other", [program], after=[other])
    assert result.stdout == b"other\n" and result.status == 0
    folder.check(errors=0)
    result, folder = preloaded(tmp_path / "usual", [program])
    assert result.stdout == b"usual\n" and folder.count("errors") == 0


# ---- --abort-on-error ----


def test_the_first_error_ends_the_program(tmp_path):
    result, folder = preloaded(tmp_path, [target("wrong_frees"), "double"], env={"CRUNCH_ABORT_ON_ERROR": "1"})
    assert result.status == -6 and result.stdout == b""
    assert folder.fatal.line == "SIGABRT aborted: --abort-on-error: double free by free"
    assert folder.end == "signal SIGABRT" and len(found(folder)) == 1
    folder.check(errors=1)
    result, folder = preloaded(tmp_path / "twin", [target("wrong_frees"), "double", "twin"], env={"CRUNCH_ABORT_ON_ERROR": "1"})
    assert result.status == 0 and folder.end == "exit 0"


# ---- on the terminal ----


def test_an_error_is_told_while_the_program_runs(tmp_path):
    running = harness.start([*CRUNCH, "--out", str(tmp_path / "run"), target("wrong_frees"), "then-waits"], stdin=subprocess.PIPE)
    line = running.stderr.readline().decode()
    assert re.match(r"crunch: double free: free\(0x[0-9a-f]+\) of a block of 24 bytes that is freed already$", line)
    said = "".join(iter(lambda: running.stderr.readline().decode(), "\n"))
    assert re.search(r"  here by thread 1\n    again \(.*wrong_frees.c:\d+\)\n    double_free .*\n    then_waits .*\n    main .*\n"
                     r"  allocated by thread 1\n    make .*\n(    .*\n)+  freed by thread 1\n    drop ", said)
    assert running.poll() is None
    result = harness.finish(running, stdin=b"")
    assert result.stdout == b"went on\n" and result.stderr.startswith(b"=== crunch ===\n1 error, written to ")


def test_the_file_holds_what_the_terminal_does_not(tmp_path):
    result, folder = crunch(tmp_path / "run", target("wrong_frees"), "many", options=["--max-errors", "2"])
    assert result.said.count("crunch: wrong free: ") == 2 and "more errors are only counted here" in result.said
    assert f"\n5 errors, 25 times in all, written to {tmp_path}/run/errors\n" in result.said
    text = (tmp_path / "run" / "errors").read_text()
    assert text.count("wrong free: ") == 5 and text.count("then 4 times more") == 5 and text.count("    main (") == 10
    (tmp_path / "run" / "errors").unlink()
    bare([*CRUNCH, "--report", str(tmp_path / "run")])
    assert (tmp_path / "run" / "errors").read_text() == text
    folder.check(errors=25)


def test_errors_of_a_child_are_told_with_its_number(tmp_path):
    result, folder = crunch(tmp_path / "run", target("wrong_frees"), "in-child")
    child, = folder.children.values()
    assert f"crunch: process {child.count('pid')} (wrong_frees): double free: " in result.said
    assert f"\n1 error in child processes, written to {folder.path}/children/*/errors\n" in result.said
    assert (child.path / "errors").exists() and not (folder.path / "errors").exists()


def test_quiet_is_quiet(tmp_path):
    result, folder = crunch(tmp_path / "run", target("wrong_frees"), "double", options=["-q"])
    assert result.said == "" and folder.count("errors") == 1 and (folder.path / "errors").exists()


def test_what_is_suppressed_is_not_told(tmp_path):
    (tmp_path / "known").write_text("{\n known\n Memcheck:Free\n fun:free\n fun:again\n}\n")
    result, folder = crunch(tmp_path / "run", target("wrong_frees"), "double", options=["--suppressions", str(tmp_path / "known")])
    assert "double free" not in result.said and "suppressed: 1 error" in result.said
    assert not (folder.path / "errors").exists()


def test_a_program_without_any_hears_nothing(tmp_path):
    result, folder = crunch(tmp_path / "run", target("wrong_frees"), "double", "twin")
    assert "error" not in result.said and not (folder.path / "errors").exists()


def test_abort_on_error_is_an_option(tmp_path):
    result, folder = crunch(tmp_path / "run", target("wrong_frees"), "double", options=["--abort-on-error"])
    assert result.status == 128 + 6 and "crunch: SIGABRT aborted: --abort-on-error: double free by free\n" in result.said
    assert "\n  crunch ended the program at its first error, as it was told to\n" in result.said and "abort was called" not in result.said
    assert result.said.index("crunch: double free: ") < result.said.index("crunch: SIGABRT")
