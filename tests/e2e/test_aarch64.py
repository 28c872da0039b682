"""The other architecture of Linux, cross-built and run by qemu's user emulation: the unwinder, and a program with the tracker in it.

The emulator has no threads that can be stopped and maps pages in a way of its own, so not all of the unit tests can pass there.
"""

import json
import os
import platform
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from harness import BUILD, ROOT, TARGETS, Folder, bare, needs
from report import run as runs

SYSROOT = Path("/usr/aarch64-linux-gnu")
COMPILER = "aarch64-linux-gnu-gcc"

pytestmark = pytest.mark.skipif(platform.machine() == "aarch64", reason="all tests run on it here")


@pytest.fixture(scope="module")
def emulator():
    """The command in front of a program, after what it is to run was built."""
    command = [needs("qemu-aarch64"), "-L", str(SYSROOT)]
    needs(COMPILER)
    if not (SYSROOT / "include" / "stdlib.h").exists():
        pytest.skip("the C library for aarch64 is not installed")
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    subprocess.run(["make", "-s", "-C", str(ROOT), "aarch64"], env=environment, stdout=subprocess.DEVNULL, check=True)
    return command


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "tests" / "unit").glob("test_unwind*.c")))
def test_unwinding(emulator, name):
    result = bare([*emulator, str(BUILD / "aarch64" / "unit" / name)], 120)
    lines = result.stdout.decode().splitlines()
    assert result.status == 0 and [line for line in lines if line.startswith("not ok")] == [] and lines.count("ok") < len(lines) > 4


def compiled(out, source, *options):
    """The path of a program or library made of one of tests/targets."""
    compiler = needs("aarch64-linux-gnu-g++") if source.endswith(".cpp") else COMPILER
    subprocess.run([compiler, "-g", "-w", "-fno-builtin", "-pthread", "-D_GNU_SOURCE", "-O2", str(TARGETS / source), *options, "-ldl", "-o", str(out)],
                   check=True)
    return str(out)


@pytest.fixture(scope="module")
def mixed(emulator, tmp_path_factory):
    """Runs parts of mixed_stacks, which has everything that makes stacks hard, with its stacks compared with those of backtrace(); gives the counts."""
    folder = tmp_path_factory.mktemp("mixed")
    objects = sorted(map(str, (BUILD / "aarch64-library").glob("*/unwind*.o")))
    library = compiled(folder / "compare.so", "compare_stacks.c", f"-I{ROOT / 'src' / 'tracker'}", "-shared", "-fPIC", *objects)
    frames = [compiled(folder / f"frames{size}.so", "plugin_frames.c", "-shared", "-fPIC", f"-DFRAME={size}") for size in (400, 1200, 3000)]
    lazy = compiled(folder / "lazy.so", "plugin_lazy.c", "-shared", "-fPIC")
    program = compiled(folder / "mixed", "mixed_stacks.cpp")

    def run(every, *parts):
        settings = {"LD_PRELOAD": library, "COMPARE_OUT": folder / "counts", "COMPARE_EVERY": every, "MIXED_PLUGINS": ":".join(frames), "MIXED_LAZY": lazy}
        (folder / "counts").unlink(missing_ok=True)
        result = bare([*emulator, *(word for key, value in settings.items() for word in ("-E", f"{key}={value}")), program, *parts], 120)
        assert result.status == 0, result.said[-3000:]
        return json.loads((folder / "counts").read_text())

    return run


def test_hard_stacks_are_those_of_backtrace_and_complete(mixed):
    counts = mixed(20, "exceptions", "frames", "recursion", "deep", "callbacks", "threads", "coroutines", "alternate", "modules")
    assert (counts["wrong"], counts["shorter"], counts["longer"], counts["memo_wrong"], counts["given_up"]) == (0, 0, 0, 0, 0), counts
    assert counts["compared"] > 20_000 and counts["root"] == counts["captures"] > 400_000, counts


def test_lazy_binding_keeps_its_callers(mixed):
    """glibc's table of it is wrong in many versions, and its backtrace() crashes there: it is not asked."""
    counts = mixed(1_000_000, "lazy")
    assert counts["root"] == counts["captures"] > 1000, counts


@pytest.mark.parametrize("option", ["-O0", "-O2"])
def test_a_program_is_recorded(emulator, tmp_path, option):
    """call_tree, whose recursive function is 40 frames deep."""
    program, out = tmp_path / "call_tree", tmp_path / "out"
    out.mkdir()
    subprocess.run([COMPILER, "-g", option, "-w", "-fno-builtin", "-fno-inline", "-fno-optimize-sibling-calls", str(TARGETS / "call_tree.c"),
                    "-o", str(program)], check=True)
    library = BUILD / "aarch64-library" / "libcrunch.so"
    result = bare([*emulator, "-E", f"LD_PRELOAD={library}", "-E", f"CRUNCH_OUT={out}", str(program)])
    assert result.status == 0 and result.stderr == b""
    Folder(out).check()
    run = runs.load(out)
    assert run.stacks.cut_short() == {}
    live: Counter = Counter()
    for place, leaf in zip(run.stacks.places, run.tree.leaves):
        stack = tuple(frame.name for frame in run.tree.stack(leaf))
        live.update({stack[:stack.index("main")]: place.live_bytes} if place.live_bytes and "main" in stack else {})
    assert live == {("grab", "leak"): 500, ("grow",): 20, ("deep",) * 41: 7}
