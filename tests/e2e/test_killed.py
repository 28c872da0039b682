"""Death without warning: whatever is killed at whatever moment, the recording is whole, and a report can be made of it."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import CRUNCH, ROOT, bare, crunch, preload_environment, start, target, wait_until
from report import liveness, reader, summary
from report import run as runs
from report.errors import CrunchError

KILLS = int(os.environ.get("CRUNCH_TEST_KILLS", "200"))
LONGEST_MS = 60


def read_all(path) -> runs.Run:
    """Everything that the report reads, by its strict reader; the names of frames apart."""
    assert summary.complete(path, summary.End(signal=9), 1 << 20)
    run = runs.load(path)
    assert run.recording is not None and run.stacks is not None
    live_bytes, live_blocks = summary.live(run.recording)
    if not run.timeline.points:  # killed before the first one, which comes before the first allocation
        assert run.count("allocations") == live_bytes == live_blocks == 0
        return run
    assert run.timeline.points[-1].live_bytes == live_bytes and run.timeline.points[-1].live_blocks == live_blocks
    assert run.timeline.filled and len(run.threads) >= run.count("threads") - 5  # between a number and its item
    assert all(kept.ended >= kept.temporary for kept in run.histograms.values())
    assert all(sum(size for _, size, _ in moment.top) >= 0 for moment in run.moments) and len(run.growth) <= len(run.stacks.places)
    places = sum(place.live_bytes for place in run.stacks.places)
    assert abs(places - live_bytes) <= 5 * 5000  # each of the threads may be between two counters
    assert max(point.high_bytes for point in run.timeline.points) >= run.count("peak_bytes") - 10 * 5000
    return run


def kill_one(folder, program: str, seconds: float) -> bool:
    """Runs the program, kills it after a while, reads its recording. False: it had not begun to record yet."""
    folder.mkdir()
    process = start([program], env=preload_environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -9
    if not (folder / "recording").exists():
        return False
    if (folder / "recording").read_bytes()[:8] != b"crunch-r":  # the magic is written last
        with pytest.raises(CrunchError, match="no recording"):
            reader.read_recording(folder)
        return False
    read_all(folder)
    return True


def test_killed_at_random_moments(tmp_path):
    """CRUNCH_TEST_KILLS says how many: 1,000 before a release, fewer in between."""
    program, dice = target("threads_churn"), random.Random(1)
    moments = [dice.random() * LONGEST_MS / 1000 for _ in range(KILLS)]

    def one(number: int) -> bool:
        folder = tmp_path / str(number)
        recorded = kill_one(folder, program, moments[number])
        shutil.rmtree(folder)
        return recorded

    with ThreadPoolExecutor(2) as pool:
        recorded = sum(pool.map(one, range(KILLS)))
    assert recorded > KILLS / 2


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not keep to RLIMIT_AS")
def test_out_of_address_space(folder):
    """malloc begins to fail, and crunch's own maps with it: the program goes on as it does without, and is reported."""
    program = target("out_of_memory")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))

    alone = bare([program], preexec_fn=limit)
    result, run = crunch(folder, program, preexec_fn=limit)
    assert alone.status == result.status == 3 and result.stdout.startswith(b"full") and alone.stdout.startswith(b"full")
    assert run.end == "exit 3" and run.count("live_bytes") > 50 << 20


def memory_cgroup():
    """A new memory cgroup of 64 MiB; None where none can be made."""
    for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        path = f"{root}/crunch-test-{os.getpid()}"
        limit = "memory.limit_in_bytes" if root.endswith("memory") else "memory.max"
        try:
            os.mkdir(path)
            with open(f"{path}/{limit}", "w", encoding="ascii") as file:
                file.write(str(64 << 20))
            return path
        except OSError:
            if os.path.isdir(path):
                os.rmdir(path)
    return None


def test_killed_by_the_system_when_memory_runs_out(folder):
    group = memory_cgroup()
    if not group:
        pytest.skip("no memory cgroup can be made here")
    try:
        inside = f"echo $$ > {group}/cgroup.procs && exec \"$@\""
        result, run = crunch(folder, "/bin/sh", "-c", inside, "sh", target("out_of_memory"), seconds=100)
        assert result.status == 137
        (killed,) = run.children.values()  # what the shell became
        assert killed.end == "signal SIGKILL" and "crunch: ended by SIGKILL (by a kill command, or by the system" in result.said
        assert killed.count("live_bytes") > 30 << 20 and summary.live(killed.recording)[0] == killed.count("live_bytes")
    finally:
        wait_until(lambda: not open(f"{group}/cgroup.procs", encoding="ascii").read())
        os.rmdir(group)


def test_report_after_the_launcher_and_the_program_were_killed(folder):
    process = start([*CRUNCH, "--out", str(folder), target("threads_churn")])
    recording = folder / "recording"
    wait_until(lambda: recording.exists() and recording.read_bytes()[:8] == b"crunch-r")  # written last of its header
    time.sleep(0.5)
    child = reader.read_recording(folder).pid
    process.kill()
    process.wait()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not liveness.alive(child))
    assert not (folder / "stats").exists()
    result = bare([*CRUNCH, "--report", str(folder)])
    assert result.status == 0 and (folder / "report.html").exists(), result.said
    run = runs.load(folder)
    assert run.count("live_bytes") > 0 and len(run.timeline.points) > 10 and run.end == "unknown"


def test_many_allocations_leave_a_small_recording(folder):
    """Ten million here; a thousand million leave 0.7 MB, all but the timeline of the first second (docs/time.md)."""
    bench = folder.parent / "pair"
    subprocess.run(["cc", "-O2", "-pthread", str(ROOT / "tests/bench/pair.c"), "-o", str(bench)], check=True)
    _, run = crunch(folder, str(bench), "10000000", "10", "1", "100")
    assert run.count("allocations") >= 10_000_000 and (folder / "recording").stat().st_size < 1 << 20
