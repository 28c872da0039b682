"""As on glibc before 2.35, which has no _dl_find_object: the tracker keeps a list of modules of its own. The library is built that way."""

import json
import os
import platform
import subprocess

import pytest

from harness import BUILD, ROOT, TARGETS, bare, needs, preloaded, target
from report import run as runs

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="for glibc only")

LIBRARY = BUILD / "own-modules" / "libcrunch.so"
FRAMES = (400, 1200, 3000)


@pytest.fixture(scope="module")
def library():
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    subprocess.run(["make", "-s", "-C", str(ROOT), str(LIBRARY.relative_to(ROOT))], env=environment, stdout=subprocess.DEVNULL, check=True)
    return LIBRARY


def recorded(out, library, *command):
    result, folder = preloaded(out, command, library=library)
    assert result.status == 0 and result.stderr == b"", result.said
    folder.check()
    return runs.load(out)


def named(run):
    return {tuple(frame.name for frame in run.tree.stack(leaf)): place for place, leaf in zip(run.stacks.places, run.tree.leaves)}


def test_stacks_are_whole_and_have_names(library, folder):
    run = recorded(folder, library, target("call_tree"))
    live = {stack[:stack.index("main")]: place.live_bytes for stack, place in named(run).items() if "main" in stack and place.live_bytes}
    assert live == {("grab", "leak"): 500, ("grow",): 20, ("deep",) * 41: 7} and run.stacks.cut_short() == {}
    assert {os.path.basename(module.path) for module in run.stacks.modules} >= {"call_tree", "libc.so.6"}
    assert all(module.build_id for module in run.stacks.modules[1:] if "vdso" not in module.path)


def test_modules_come_and_go(library, folder):
    run = recorded(folder, library, target("plugin_closed"), target("plugin_leak", "-shared"))
    assert any(stack[0] == "plugin_leak" and place.live_bytes == 77 for stack, place in named(run).items())
    closed = [module for module in run.stacks.modules if module.unloaded_ns]
    assert [os.path.basename(module.path) for module in closed] == ["plugin_leak.so"] and run.stacks.cut_short() == {}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the code it makes is of x86-64")
def test_code_without_tables_does_not_ask_for_modules_each_time(library, folder):
    """And yet a module that comes later is known."""
    result, _ = preloaded(folder, [target("no_tables", "-rdynamic"), target("plugin_leak", "-shared")], library=library)
    assert result.status == 0 and 0 < int(result.stdout) < 1000
    assert any(stack[:2] == ("plugin_leak", "main") and place.live_bytes == 77 for stack, place in named(runs.load(folder)).items())


def test_stacks_are_those_of_backtrace(library, tmp_path):
    """All that mixed_stacks does, modules that take each other's addresses, and threads."""
    needs("g++")
    objects = sorted(map(str, LIBRARY.parent.glob("*/unwind*.o")))
    made = str(tmp_path / "compare.so")
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", str(TARGETS / "compare_stacks.c"), f"-I{ROOT / 'src' / 'tracker'}", "-fPIC", "-shared",
                    *objects, "-ldl", "-pthread", "-o", made], check=True)
    plugins = ":".join(target("plugin_frames", "-shared", "-O2", f"-DFRAME={size}") for size in FRAMES)
    settings = {"LD_PRELOAD": made, "COMPARE_OUT": str(tmp_path / "counts"), "COMPARE_EVERY": "10", "MIXED_PLUGINS": plugins,
                "MIXED_LAZY": target("plugin_lazy", "-shared", "-O2")}
    parts = ("exceptions", "frames", "recursion", "callbacks", "threads", "coroutines", "lazy", "modules")
    result = bare([target("mixed_stacks", "-O2", compiler="g++"), *parts], env=settings)
    assert result.status == 0, result.said[-3000:]
    counts = json.loads((tmp_path / "counts").read_text())
    assert (counts["wrong"], counts["shorter"], counts["longer"], counts["memo_wrong"], counts["given_up"]) == (0, 0, 0, 0, 0), counts
    assert counts["compared"] > 20_000 and counts["root"] == counts["captures"], counts


def test_threads_that_load_and_close_while_others_allocate(library, folder):
    """No lock of the loader's is waited for with one of crunch's held."""
    run = recorded(folder, library, target("loads_and_allocates"), target("plugin_leak", "-shared"))
    assert run.stats["allocations"] > 10_000 and run.stacks.cut_short() == {}


def test_the_systems_allocator_is_known(library, folder):
    """So wrong frees are judged by what is known of the address."""
    _, run = preloaded(folder, [target("wrong_frees"), "double"], library=library)
    assert run.count("errors") == 1
