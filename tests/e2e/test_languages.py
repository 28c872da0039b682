"""Programs in other languages than C and C++: their call stacks, as their authors know them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, BUILT, TARGETS, crunch, needs
from report import run as runs


def built(name, command):
    """The path of tests/targets/NAME, built by a command that the path of the program is put behind; skipped where that is not possible."""
    source, program = TARGETS / name, BUILT / name.replace(".", "_")
    if not program.exists() or program.stat().st_mtime <= source.stat().st_mtime:
        BUILT.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GOCACHE": str(BUILD / "go"), "GOTOOLCHAIN": "local", "GO111MODULE": "off", "CGO_ENABLED": "1"}
        done = subprocess.run([*command, str(program), str(source)], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{command[0]} cannot build it here: {done.stderr[-200:]}")
    return str(program)


def stacks_of(path):
    """Function names of the call stacks, innermost first, with the blocks that live there."""
    run = runs.load(path)
    return run, {tuple(frame.name for frame in run.tree.stack(leaf)): place.live_blocks for place, leaf in zip(run.stacks.places, run.tree.leaves)}


def test_stacks_lead_from_c_back_into_go(folder):
    """Go's code has no unwind tables and runs on stacks of its own; it keeps the frame pointer."""
    program = built("calls_c.go", [needs("go"), "build", "-o"])
    result, recorded = crunch(folder, program, seconds=120)
    assert result.status == 0 and result.stdout == b"100\n"
    run, found = stacks_of(recorded.path)
    outer = {tuple(name for name in stack if name.startswith("main.") and "Cfunc" not in name): blocks for stack, blocks in found.items()
             if stack[0] == "grab"}
    assert outer == {("main.hold", "main.main"): 99, ("main.hold", "main.main.func1"): 1}
    assert all("frames missing" not in stack[-1] for stack in found if stack[0] == "grab")
    said = [line.split(" (")[0].strip() for line in result.said[result.said.index("still allocated"):].splitlines()]
    assert said[2:5] == ["grab", "main.hold", "main.main"], "what leads from Go to C is left out"


def test_signals_that_interrupt_go_are_handled_on_its_stacks(folder):
    result, recorded = crunch(folder, built("signals_go.go", [needs("go"), "build", "-o"]), seconds=120)
    assert result.status == 0 and result.stdout == b"20 heard\n", result.said


def test_rust_is_told_by_its_own_functions(folder):
    program = built("forgets.rs", [needs("rustc"), "-g", "-O", "-o"])
    result, recorded = crunch(folder, program, options=["--max-listed", "0"])
    assert result.status == 0 and stacks_of(recorded.path)[0].stacks.cut_short() == {}
    lost = result.said[result.said.index("definitely lost: "):]
    assert [line.split(" (")[0].strip() for line in lost.splitlines()[1:3]] == ["forgets::list", "forgets::main"]
    alike = result.said.splitlines()
    assert [line for line, before in zip(alike[1:], alike) if line == before and line.strip()] == []


PYTHON = """
def hold(n):
    return [bytes(100_000) for _ in range(n)]
def outer():
    return hold(50)
kept = outer()
"""


@pytest.fixture
def python_with_perf():
    """A Python that makes trampolines for its functions, by its real path: what stands on PATH may be a script."""
    for name in ("python3", "python3.12", "python3.13", "python3.14"):
        code = "import sys, sysconfig; print(sys.executable if sysconfig.get_config_var('PY_HAVE_PERF_TRAMPOLINE') else '')"
        try:
            done = subprocess.run([name, "-c", code], capture_output=True, text=True, check=False)
        except OSError:
            continue
        path = done.stdout.strip()
        if done.returncode == 0 and os.path.exists(path):
            return os.path.realpath(path)
    pytest.skip("there is no Python 3.12 or newer that knows perf here")


def peak_stacks(path):
    """Names of the stack with most bytes at the peak, innermost first; and the run."""
    run = runs.load(path)
    most = max(range(len(run.stacks.places)), key=lambda number: run.stacks.places[number].peak_bytes)
    names = [frame.name for frame in run.tree.stack(run.tree.leaves[most])]
    Path(f"/tmp/perf-{run.recording.pid}.map").unlink()  # the program's, which nobody else removes
    return run, names


def test_python_functions_stand_between_those_of_c(folder, tmp_path, python_with_perf):
    """Its trampolines have neither tables nor frame pointers; the perf map names them."""
    (tmp_path / "p.py").write_text(PYTHON)
    result, recorded = crunch(folder, python_with_perf, "-X", "perf", str(tmp_path / "p.py"))
    assert result.status == 0, result.said
    run, names = peak_stacks(recorded.path)
    assert [name.split(":")[2] for name in names if name.startswith("py::")] == ["hold", "outer", "<module>"]
    assert names[-1] == "_start" and run.stacks.cut_short() == {}


def test_javascript_functions_stand_between_those_of_c(folder, tmp_path):
    (tmp_path / "n.js").write_text("function hold(n) { const kept = []; for (let i = 0; i < n; i++) kept.push(Buffer.alloc(20000)); return kept; }\n"
                                   "function outer() { return hold(300); }\nconsole.log(outer().length);\n")
    result, recorded = crunch(folder, needs("node"), "--perf-basic-prof", "--interpreted-frames-native-stack", str(tmp_path / "n.js"),
                              cwd=tmp_path)  # where node leaves a log
    assert result.status == 0 and result.stdout == b"300\n"
    _, names = peak_stacks(recorded.path)
    assert [re.sub(r"\W", "", name.split()[0]) for name in names if "n.js" in name][:2] == ["JShold", "JSouter"], names
