"""Programs in other languages than C and C++: their call stacks, as their authors know them."""

import os
import subprocess

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


def test_rust_is_told_by_its_own_functions(folder):
    program = built("forgets.rs", [needs("rustc"), "-g", "-O", "-o"])
    result, recorded = crunch(folder, program, options=["--max-listed", "0"])
    assert result.status == 0 and stacks_of(recorded.path)[0].stacks.cut_short() == {}
    lost = result.said[result.said.index("definitely lost: "):]
    assert [line.split(" (")[0].strip() for line in lost.splitlines()[1:3]] == ["forgets::list", "forgets::main"]
    alike = result.said.splitlines()
    assert [line for line, before in zip(alike[1:], alike) if line == before and line.strip()] == []
