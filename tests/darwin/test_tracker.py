"""The tracker for macOS, all of its code, run on Linux: libSystem is played by fake/, which has macOS's structures, numbers and zones.

What dyld and the kernel of a Mac do is not shown by this; that the code does with their answers what it should, is."""

import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "e2e")]

import harness  # noqa: E402 (found through the line above)
from report import block_file, problems  # noqa: E402
from report import run as runs  # noqa: E402

HERE = Path(__file__).parent
FAKE = HERE / "fake"
SDK = "build/darwin/sdk"
IDENTITIES = [b"crunch runs here", b"crunch is inside"]  # of program and library, as fake/system.c has them

pytestmark = pytest.mark.skipif(sys.platform == "darwin" or platform.machine() != "x86_64" or not shutil.which("clang"),
                                reason="is built on x86-64 Linux by clang")


def sources():
    for folder in ("base", "services", "state", "events", "entry"):
        yield from sorted((ROOT / "src/tracker" / folder).glob("*.c"))
    for end in ("_posix.c", "_darwin.c"):
        yield from (path for path in sorted((ROOT / "src/tracker/platform").glob("*" + end)) if not path.name.startswith("access_"))


AARCH64 = ("test_stacks_lead_to_main", "test_leaks", "test_a_crash")  # what has code of its own there; an emulator is slow


def pytest_generate_tests(metafunc):
    if "program" in metafunc.fixturenames:
        metafunc.parametrize("program", ["x86_64", "aarch64"] if metafunc.function.__name__ in AARCH64 else ["x86_64"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def program(request, tmp_path_factory):
    """How the program with the tracker in it is run. Calls of functions that fake/ has under another name are given that name."""
    prefix, runner, target = "", [], []
    if request.param == "aarch64":
        prefix = "aarch64-linux-gnu-"
        runner = [shutil.which("qemu-aarch64") or pytest.skip("qemu-aarch64 is not installed"), "-L", "/usr/aarch64-linux-gnu"]
        target = ["--target=aarch64-linux-gnu"] if shutil.which(f"{prefix}gcc") else pytest.skip("no compiler for aarch64")
    folder = tmp_path_factory.mktemp("darwin")
    subprocess.run(["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "-s", "-C", str(ROOT), f"{SDK}/made", "build/include/uthash.h"], check=True)
    subprocess.run(["clang", *target, "-c", "-std=gnu11", "-g", "-O1", "-fPIC", "-fno-builtin", "-fno-omit-frame-pointer", "-U_FORTIFY_SOURCE", "-D__APPLE__",
                    "-nostdlibinc", "-isystem", str(ROOT / SDK), "-isystem", str(ROOT / "build/include"), f"-I{ROOT / 'src/tracker'}",
                    *map(str, sources())], cwd=folder, check=True)
    fakes = sorted({name for path in FAKE.glob("*.c") for name in re.findall(r"\bfake_(\w+)\b", path.read_text())} - {"stat", "fstat", "streams", "registers", "fault"})
    objects = sorted(folder.glob("*.o"))
    for made in objects:
        subprocess.run([f"{prefix}objcopy", *(word for name in fakes for word in ("--redefine-sym", f"{name}=fake_{name}")), str(made)], check=True)
    linked = [f"{prefix}gcc" if prefix else "clang", "-std=gnu11", "-g", "-O0", "-fno-omit-frame-pointer", "-w", "-pthread"]
    library = str(folder / "libcrunch-fake.so")
    subprocess.run([*linked, "-shared", "-fPIC", f"-Wl,--build-id=0x{IDENTITIES[1].hex()}", *map(str, objects),
                    *(str(FAKE / name) for name in ("system.c", "tasks.c", "zones.c", "signals.c")), "-o", library], check=True)
    subprocess.run([*linked, f"-Wl,--build-id=0x{IDENTITIES[0].hex()}", str(FAKE / "program.c"), library, "-Wl,-rpath,$ORIGIN", "-o", str(folder / "program")], check=True)
    return [*runner, str(folder / "program")]


@pytest.fixture
def recorded(program, tmp_path):
    def start(*words, **settings):
        out = tmp_path / "-".join((*words, *settings))
        out.mkdir()
        environment = {**harness.clean_environment(), "CRUNCH_OUT": str(out), **settings}
        return harness.bare([*program, *words], env=environment), harness.Folder(out)
    return start


def sizes(folder, kind=None):
    return sorted(size for found, size in folder.kinds() if kind in (None, found))


def test_every_hook_of_the_allocator(recorded):
    result, folder = recorded("blocks")
    assert (result.status, result.stderr) == (0, b"")
    assert sizes(folder) == [101, 102, 103, 104, 105, 107, 108, 128]
    assert folder.end == "exit 0"
    folder.check()


def test_stacks_lead_to_main(recorded):
    _, folder = recorded("blocks")
    run = runs.load(folder.path)
    names = [[frame.name for frame in run.tree.stack(leaf)] for leaf in run.tree.leaves]
    assert sum(stack[:2] == ["blocks", "main"] for stack in names) >= 8, names


def test_zones(recorded):
    result, folder = recorded("zones")
    assert (result.status, result.stderr) == (0, b"")
    assert sizes(folder, "zone") == [202, 203, 256] and sizes(folder, "malloc") == [201]
    folder.check()


def test_a_block_given_to_the_wrong_zone_goes_to_its_own(recorded):
    result, folder = recorded("wrong-zone")
    assert result.status == 0 and sizes(folder) == []
    assert [problem.kind for problem in problems.read(runs.load(folder.path))] == ["wrong-zone"]


def test_a_double_free(recorded):
    result, folder = recorded("double")
    assert result.status == 0
    assert [problem.kind for problem in problems.read(runs.load(folder.path))] == ["double-free"]


def test_leaks(recorded):
    for word, expected in (("gone", {1001: block_file.LEAK_DEFINITE, 1002: block_file.LEAK_INDIRECT}),
                           ("kept", {1001: block_file.LEAK_REACHABLE, 1002: block_file.LEAK_REACHABLE})):
        _, folder = recorded(word)
        assert {block.size: block.leak for block in folder.own_blocks} == expected, word


def test_what_another_threads_stack_holds_is_not_lost(recorded):
    _, folder = recorded("thread")
    assert [block.leak for block in folder.own_blocks if block.size == 1001] == [block_file.LEAK_REACHABLE]


def test_a_crash(recorded):
    result, folder = recorded("crash")
    assert result.status == -signal.SIGSEGV
    assert folder.fatal and folder.fatal.line.startswith("SIGSEGV illegal access: address 0x")
    assert sizes(folder) == [10]
    names = {name for name, _ in runs.load(folder.path).crash.registers}
    assert {"rip", "rsp", "r15", "trapno"} <= names or {"pc", "sp", "x28", "esr"} <= names


def test_ends(recorded):
    result, folder = recorded("_exit")
    assert result.status == 6 and folder.end == "exit 6"


def test_a_forked_child_has_a_folder(recorded):
    result, folder = recorded("fork")
    child, = folder.children.values()
    assert result.status == 3 and (sizes(folder), sizes(child)) == ([401], [402])
    folder.check()
    child.check()


def test_check_places_blocks(recorded):
    result, folder = recorded("blocks", CRUNCH_CHECK="1")
    assert (result.status, result.stderr) == (0, b"") and sizes(folder) == [101, 102, 103, 104, 105, 107, 108, 128]
    result, folder = recorded("zones", CRUNCH_CHECK="1")
    assert (result.status, result.stderr) == (0, b"") and sizes(folder, "zone") == [202, 203, 256]




def test_blocks_that_check_has_placed_may_be_freed_past_the_hooks(recorded):
    result, folder = recorded("unhooked", CRUNCH_CHECK="1")
    assert (result.status, result.stderr) == (0, b"") and sizes(folder) == [601, 603]
    assert folder.count("errors") == 0
    folder.check()


@pytest.mark.parametrize("case, setting, kind", [("overrun", "CRUNCH_CHECK", "overrun"), ("guarded", "CRUNCH_GUARD", "guard-after")])
def test_writes_behind_a_block(recorded, case, setting, kind):
    result, folder = recorded(case, **{setting: "1"})
    assert result.status == (0 if case == "overrun" else -signal.SIGSEGV)
    assert [problem.kind for problem in problems.read(runs.load(folder.path))] == [kind]


def test_a_snapshot(recorded):
    result, folder = recorded("snapshot")
    assert (result.status, result.stderr) == (0, b"")
    snapshot = folder.path / "snapshots" / "1"
    harness.wait_until((snapshot / "stats").exists)
    assert sizes(harness.Folder(snapshot)) == [501] and harness.Folder(snapshot).end == "snapshot"


def test_snapshots_of_threads_that_allocate(recorded):
    """No lock of the program's is needed while they stand still: any of them may have the allocator's."""
    result, folder = recorded("storm", CRUNCH_HEAP_LIMIT="0")
    assert (result.status, result.stderr) == (0, b"")
    folder.check()
    assert len(list((folder.path / "snapshots").iterdir())) == 10
