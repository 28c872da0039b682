"""Suppressions there and back: crunch reads what memcheck writes, and memcheck what crunch writes; LSan's; CI's exit status."""

import re
import subprocess
import sys

import pytest

from harness import ROOT, crunch, needs, target

sys.path.append(str(ROOT / "tests" / "compare"))
import memcheck  # noqa: E402 (found through the line above)

LOST = 10  # records of lost.cpp: one for each of its ways


@pytest.fixture(params=["-O0", "-O2"])
def lost(request):
    """The target as gcc builds it, whose way of writing down inlined functions valgrind understands."""
    needs("g++")
    return target("lost", request.param, compiler="g++")


def told(result):
    """The first words of what the terminal says of leaks."""
    return re.findall(r"^(?:definitely|indirectly|possibly) lost|^suppressed: .*|^crunch: .*", result.said, re.MULTILINE)


def test_crunch_reads_what_memcheck_writes(lost, tmp_path):
    needs("valgrind")
    found = memcheck.run([lost], tmp_path)
    assert found.blocks["definite"] == LOST
    (tmp_path / "memcheck.supp").write_text(found.suppressions)
    result, _ = crunch(tmp_path / "out", lost, options=["--suppressions", str(tmp_path / "memcheck.supp"), "--error-exitcode", "9"])
    assert result.status == 0 and told(result)[:1] == [f"suppressed: {LOST} leak records of 531 bytes"]
    assert all("unused" in line for line in told(result)[1:])  # memcheck tells memalign from aligned_alloc, so it has entries that crunch needs not


def test_memcheck_reads_what_crunch_writes(lost, tmp_path):
    needs("valgrind")
    result, _ = crunch(tmp_path / "out", lost, options=["-q", "--print-suppressions"])
    assert result.said.count("Memcheck:Leak") == LOST - 1  # one for both aligned blocks
    known = tmp_path / "known.supp"
    known.write_text(result.said)
    assert memcheck.run([lost], tmp_path).blocks["definite"] == LOST
    found = memcheck.run([lost], tmp_path, [f"--suppressions={known}"])
    assert (found.blocks["definite"], found.errors) == (0, [])
    result, _ = crunch(tmp_path / "out", lost, options=["--suppressions", str(known), "--error-exitcode", "9"])
    assert result.status == 0 and told(result) == [f"suppressed: {LOST} leak records of 531 bytes"]


@pytest.mark.parametrize("program, case", [("wrong_frees", "double"), ("wrong_frees", "negative"), ("wrong_deletes", "new[]-free"),
                                           ("wrong_deletes", "inside")])
def test_memcheck_reads_what_crunch_writes_of_errors(program, case, tmp_path):
    needs("valgrind")
    command = [target(program), case]
    result, _ = crunch(tmp_path / "out", *command, options=["-q", "--print-suppressions"])
    known = tmp_path / "known.supp"
    known.write_text(result.said)
    assert len(memcheck.run(command, tmp_path).errors) == 1 and memcheck.run(command, tmp_path, [f"--suppressions={known}"]).errors == []
    result, _ = crunch(tmp_path / "out", *command, options=["--suppressions", str(known), "--error-exitcode", "9"])
    assert result.status == 0 and "suppressed: 1 error" in told(result)


def test_lsans_format(lost, tmp_path):
    (tmp_path / "lsan.supp").write_text("# known\nleak:ns::make\nleak:^strdup$\nleak:no_such\n")
    result, _ = crunch(tmp_path / "out", lost, options=["--suppressions", str(tmp_path / "lsan.supp")])
    assert told(result) == ["definitely lost", "indirectly lost", "suppressed: 4 leak records of 52 bytes",
                            f"crunch: unused suppression: no_such ({tmp_path}/lsan.supp:4)"]


def test_the_exit_status_tells_of_leaks_when_asked(lost, tmp_path):
    for options, arguments, status in ((["--error-exitcode", "9"], [], 9), ([], [], 0), (["--error-exitcode", "9"], ["twin"], 0)):
        result, _ = crunch(tmp_path / "out", lost, *arguments, options=["-q", *options])
        assert (result.status, result.said) == (status, "")


def test_the_exit_status_tells_of_child_processes_too(lost, tmp_path):
    known = tmp_path / "known.supp"
    known.write_text("leak:main\n")
    wrong = target("wrong_frees")
    for script, options, status in ((f"{lost}; true", [], 9), (f"{lost} twin; true", [], 0), (f"{lost}; exit 4", ["--no-children"], 4),
                                    (f"{wrong} double; true", [], 9), (f"{lost}; true", ["--suppressions", str(known)], 0)):
        result, _ = crunch(tmp_path / "out", "sh", "-c", script, options=["-q", "--error-exitcode", "9", *options])
        assert (script, result.status, result.said) == (script, status, "")


@pytest.mark.parametrize("tool", ["llvm-symbolizer", "addr2line"])
def test_mangled_names_by_either_tool(lost, tmp_path, tool):
    """With a PATH that has nothing but the one."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / tool).symlink_to(needs(tool))
    (tmp_path / "one.supp").write_text("{\nown\nMemcheck:Leak\nfun:malloc\n...\nfun:_ZN2ns4copyIdEEvT_*\n}\n")
    env = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path)}
    result, _ = crunch(tmp_path / "out", lost, options=["--suppressions", str(tmp_path / "one.supp")], env=env)
    assert "suppressed: 1 leak record of 15 bytes" in told(result)


def test_the_built_in_entries_are_fit_for_memcheck_too(tmp_path):
    needs("valgrind")
    program = target("threads")
    done = subprocess.run(["valgrind", "-q", f"--suppressions={ROOT}/src/report/runtimes.supp", program, "1"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60, check=False)
    assert "FATAL" not in done.stderr and "in suppressions file" not in done.stderr
