"""Snapshots: taken at any moment, whole or not at all, and without the program noticing."""

import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness import CRUNCH, LIBRARY, Folder, bare, crunch, finish, preload_environment, start, target, wait_until
from launcher import live, request
from report import liveness, reader, snapshots, stacks, summary
from report import run as runs
from report.errors import CrunchError


@contextmanager
def running(folder, *command, **settings):
    """A program with the tracker preloaded that has begun to sleep; its standard input ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    process = start(command, env={**preload_environment(folder, LIBRARY), **settings}, stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            finish(process, stdin=b"")


def asked(folder):
    """The process of a run folder, once it can be asked."""
    def ready():
        process = live.process(folder)
        return process if process and process.recording.snapshots.signal else None
    return wait_until(ready)


def names(folder):
    return sorted(os.listdir(folder / "snapshots"))


def counters(folder):
    return reader.read_recording(folder).snapshots


def test_sleeping_program_answers(folder):
    with running(folder, target("snapshots"), "sleep", "3") as process:
        assert process.stdout.readline() == b"ready\n"
        first = request.ask(asked(folder))
        second = request.ask(asked(folder))
        result = finish(process, stdin=b"")
    assert (result.status, result.stdout) == (0, b"0 0\n"), "read() went on and saw the end of its input"
    assert [first.name, second.name] == names(folder) == ["1", "2"]
    for path in (first, second):
        snapshot = Folder(path)
        snapshot.check()
        assert snapshot.end == "snapshot" and ("malloc", 3 << 20) in snapshot.kinds()
        assert snapshot.recording.flags & reader.SNAPSHOT and snapshot.recording.end_ns
        assert set((path / "heap" / snapshot.heap_files[0]).read_bytes()) >= {7}
    Folder(folder).check()
    listed = snapshots.list(runs.load(folder))
    assert [(found.number, found.trigger) for found in listed] == [(1, "request"), (2, "request")]
    assert listed[0].seconds < listed[1].seconds and listed[0].live_bytes >= 3 << 20


@pytest.mark.parametrize("own", [False, True], ids=["undisturbed", "interrupted"])
@pytest.mark.parametrize("ways", [
    ("poll", "poll_chk", "ppoll", "select", "pselect", "epoll_wait", "epoll_pwait", "nanosleep", "clock_nanosleep", "usleep"),
    ("clock_nanosleep_until", "sleep", "thrd_sleep", "sigtimedwait", "sigtimedwait_all", "sem_timedwait", "sem_wait", "semtimedop",
     "pause", "sigsuspend", "cancelled")], ids=lambda ways: ways[0])
def test_waits_go_on(ways, own, folder):
    """A wait ends as it does without crunch, also if a handler of the program's runs meanwhile."""
    commands = {way: [target("waits"), way, *["signal"] * own] for way in ways}
    others = {way: start(command) for way, command in commands.items()}
    with ExitStack() as stack:
        processes = {way: stack.enter_context(running(folder / way, *command)) for way, command in commands.items()}
        time.sleep(0.2)
        for _ in range(1 if own else 2):
            for way in ways:
                request.ask(asked(folder / way))
        results = {way: finish(process) for way, process in processes.items()}
    for way, other in others.items():
        expected = finish(other)
        assert (results[way].status, results[way].stdout) == (expected.status, expected.stdout), way
        assert names(folder / way) == (["1"] if own else ["1", "2"])


def test_a_signal_that_comes_during_a_snapshot_ends_the_wait(folder):
    """Its handler runs when crunch's has returned; a pause() that went on then would wait for ever."""
    with running(folder, target("snapshots"), "pause", "300", CRUNCH_HEAP_LIMIT="0") as process:
        process.stdout.readline()
        for number in range(10):
            wait_until(lambda: "pause" in Path(f"/proc/{process.pid}/wchan").read_text())
            found = asked(folder)
            request.poke(found)
            time.sleep(number / 1000)
            process.send_signal(signal.SIGUSR1)
            assert select.select([process.stdout], [], [], 20)[0], f"signal {number + 1} did not end it"
            assert process.stdout.readline() == b"%d\n" % (number + 1)
            wait_until(lambda: not counters(folder).writing)
        assert finish(process).status == 0


def test_storm(folder):
    """A hundred snapshots of four threads that do nothing but allocate and free."""
    with running(folder, target("snapshots"), "storm", "60", CRUNCH_HEAP_LIMIT="1000000") as process:
        wait_until(lambda: summary.live(asked(folder).recording)[1] >= 1200)
        found = asked(folder)
        for _ in range(100):
            request.ask(found)
        result = finish(process, stdin=b"x")
    assert (result.status, result.stdout) == (0, b"0 0 0 0\n"), "SIGCHLDs, children, fork handlers, errors"
    Folder(folder).check()
    assert names(folder) == sorted(map(str, range(1, 101)))
    for name in names(folder):
        snapshot = runs.load(folder / "snapshots" / name)
        assert abs(snapshot.count("live_blocks") - len(snapshot.blocks)) <= 8, "each thread may be in the middle of an event"
        assert snapshot.stacks.places and snapshot.count("heap_left_out_files") + snapshot.count("heap_files") >= 900
        classes = reader.read_pairs(folder / "snapshots" / name / "stats")
        assert int(classes["still_reachable_blocks"]) >= 900 and int(classes["definitely_lost_blocks"]) <= 8, "held by other threads' stacks"
    assert counters(folder).dropped == 0


def test_at_peak(folder):
    result, run = crunch(folder, target("snapshots"), "grow", "32", options=["--snapshot-at-peak", "--no-heap"])
    assert result.status == 0
    taken = snapshots.list(runs.load(folder))
    assert len(taken) >= 8 and {found.trigger for found in taken} == {"peak"}
    peaks = [found.peak_bytes for found in taken]
    assert all(after >= before * 1.1 - 2048 for before, after in zip(peaks, peaks[1:])), peaks
    assert peaks[-1] * 1.2 > run.count("peak_bytes") and f"{len(taken)} snapshots in {folder}" in result.said


def test_on_signal(folder):
    with running(folder, target("snapshots"), "sleep", "1", CRUNCH_SNAPSHOT_ON=str(int(signal.SIGUSR1))) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: (folder / "snapshots" / "1").exists())
        result = finish(process, stdin=b"")
    assert (result.status, result.stdout) == (0, b"0 0\n")
    assert snapshots.list(runs.load(folder))[0].trigger == "signal"


def test_program_asks_itself(folder):
    assert bare([target("snapshots"), "call"]).status == 0, "without crunch there is nobody to call"
    result, _ = crunch(folder, target("snapshots"), "call")
    assert result.status == 3
    taken = snapshots.list(runs.load(folder))
    assert [(found.number, found.trigger, found.name) for found in taken] == [
        (1, "program", "first"), (2, "program", "second\nof three"), (3, "program", "")]
    assert [sorted(size for kind, size in Folder(found.folder).kinds()) for found in taken] == [[1000], [1000, 1001], [1000, 1001, 1002]]
    last = runs.load(taken[-1].folder)
    assert reader.read_pairs(last.folder / "stats")["definitely_lost_blocks"] == "2", "classified in the copy: the last is in a variable"


def test_program_own_handler_wins(folder):
    with running(folder, target("snapshots"), "sleep", "1", "own", CRUNCH_SNAPSHOT_ON=str(int(signal.SIGUSR1))) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        result = finish(process, stdin=b"")
    assert result.stdout.split()[1] == b"1" and not (folder / "snapshots").exists()


@pytest.mark.parametrize("bytes_allowed", [0, 8192, 100_000])
def test_full_disk_drops_it_whole(bytes_allowed, folder):
    with running(folder, target("snapshots"), "sleep", "1") as process:
        process.stdout.readline()
        process_asked = asked(folder)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (bytes_allowed, resource.RLIM_INFINITY))
        with pytest.raises(CrunchError, match="^snapshot 1 dropped: cannot write .*: over the file size limit"):
            request.ask(process_asked)
        assert names(folder) == [] and counters(folder).dropped == 1
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        Folder(request.ask(asked(folder))).check()
        assert names(folder) == ["2"]
        result = finish(process, stdin=b"")
    assert result.stdout == b"0 0\n"
    Folder(folder).check()


def test_folder_that_cannot_be_made(folder):
    """As where the program has become another user: it says why, in words, and the latest is what is said."""
    with running(folder, target("snapshots"), "sleep", "1") as process:
        process.stdout.readline()
        for number in (1, 2):
            (folder / "snapshots").unlink(missing_ok=True)
            (folder / "snapshots").symlink_to("nowhere")
            with pytest.raises(CrunchError, match=f"^snapshot {number} dropped: its folder cannot be made: the folder is gone$"):
                request.ask(asked(folder))
        assert counters(folder).dropped == 2 and snapshots.dropped(folder) == 2


def test_program_that_blocks_all_signals(folder):
    """It cannot be asked; it is said why."""
    block = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); print(flush=True); input()"
    with running(folder, sys.executable, "-c", block) as process:
        process.stdout.readline()
        with pytest.raises(CrunchError, match="does not answer: it blocks SIGURG in all its threads, by which crunch asks"):
            request.ask(asked(folder), seconds=0.5)


def test_program_that_left_no_link_is_found_by_its_number(folder, tmp_path, monkeypatch):
    """Another user's, seen by root, or one started with another HOME."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with running(folder, target("snapshots"), "sleep", "1") as process:
        process.stdout.readline()
        asked(folder)
        assert live.running() == [] and live.find(str(process.pid)).folder == folder
    with pytest.raises(CrunchError, match=f"process {process.pid} does not exist"):
        live.find(str(process.pid))
    with pytest.raises(CrunchError, match="does not run under crunch"):
        live.find(str(os.getpid()))


def test_program_that_nobody_has_waited_for_does_not_run(folder):
    with running(folder, target("snapshots"), "sleep", "1") as process:
        process.stdout.readline()
        asked(folder)
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0] == "Z")
        assert live.process(folder) is None and summary.complete(folder)


def test_program_whose_first_thread_has_ended_runs(folder):
    code = "import ctypes, threading; threading.Thread(target=input).start(); print(flush=True); ctypes.CDLL(None).pthread_exit(None)"
    with running(folder, sys.executable, "-c", code) as process:
        process.stdout.readline()
        wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0] == "Z")
        assert live.process(folder)


def frozen_copy(pid):
    """The process that writes a snapshot of another one."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = entry.read_text().partition(" (crunch-snapshot) ")
            if rest and int(rest.split()[1]) == pid and rest[0] != "Z":
                return int(number)
        except OSError:
            continue
    return None


def test_program_that_reads_its_signals(folder):
    process = start([*CRUNCH, "--out", str(folder), target("reads_signals")], stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    found = asked(folder)
    request.poke(found)
    with pytest.raises(CrunchError, match="signalfd"):
        request.ask(found)
    result = finish(process, stdin=b"")
    assert (result.status, result.stdout) == (0, b""), "it has read no signal that it would not have read without crunch"


def test_copy_that_is_killed(folder):
    process = start([*CRUNCH, "--out", str(folder), target("snapshots"), "sleep", "200"], stdin=subprocess.PIPE)
    process.stdout.readline()
    found = asked(folder)
    request.poke(found)
    copy = wait_until(lambda: frozen_copy(found.pid))
    wait_until(lambda: all(str(folder) in os.readlink(path) for path in Path(f"/proc/{copy}/fd").iterdir()))  # nothing of the program's
    os.kill(copy, signal.SIGSTOP)
    os.kill(copy, signal.SIGKILL)
    wait_until(lambda: not liveness.alive(copy) or Path(f"/proc/{copy}/stat").read_text().split(") ")[1][0] == "Z")
    assert names(folder) == [".1"]
    assert request.ask(found).name == "2", "the process goes on, and so do snapshots"
    result = finish(process, stdin=b"")
    assert result.status == 0 and names(folder) == ["2"] and "snapshot 1 dropped: the process that wrote it was killed" in result.said


def test_forked_child_is_asked(folder):
    with running(folder, target("snapshots"), "fork") as process:
        process.stdout.readline()
        child = next(found for found in live.in_folder(folder) if found.folder.parent.name == "children")
        path = request.ask(asked(child.folder))
        result = finish(process, stdin=b"")
    assert path.parent.parent == child.folder and result.status == 0
    snapshot = Folder(path)
    snapshot.check()
    assert ("malloc", 333) in snapshot.kinds() and snapshot.recording.pid == child.pid


def test_every(folder):
    process = start([*CRUNCH, "--out", str(folder), "--snapshot-every", "100ms", target("snapshots"), "sleep", "1"], stdin=subprocess.PIPE)
    process.stdout.readline()
    wait_until(lambda: (folder / "snapshots" / "3").exists())
    result = finish(process, stdin=b"")
    assert (result.status, result.stdout) == (0, b"0 0\n") and f"snapshots in {folder}" in result.said
    for path in snapshots.folders(folder):
        Folder(path).check()


def test_those_by_the_clock_are_thinned(folder):
    """So few stay as are wanted, the first and the last among them; what a person asked for stays whatever comes."""
    process = start([*CRUNCH, "--out", str(folder), "--snapshot-every", "30ms", "--snapshot-keep", "3", target("snapshots"), "sleep", "1"],
                    stdin=subprocess.PIPE)
    process.stdout.readline()
    wait_until(lambda: (folder / "snapshots" / "2").exists())
    own = [int(request.ask(asked(folder)).name) for _ in range(4)]
    last = int(own[-1])
    wait_until(lambda: max(map(int, filter(str.isdigit, names(folder)))) > last + 8)
    result = finish(process, stdin=b"")
    assert (result.status, result.stdout) == (0, b"0 0\n")
    taken = {found.number: found.trigger for found in snapshots.list(runs.load(folder))}
    by_clock = [number for number, trigger in taken.items() if trigger == "time"]
    counted = counters(folder)
    assert [number for number, trigger in taken.items() if trigger == "request"] == own
    assert len(by_clock) == 3 and by_clock[0] == 1 and by_clock[-1] == counted.taken > last + 8 and names(folder) == sorted(map(str, taken))
    gone = counted.taken - counted.dropped - len(taken)
    assert f"7 snapshots in {folder / 'snapshots'}; {gone} more made room for later ones, --snapshot-keep lets more stay" in result.said
    assert f"{gone} snapshots more were taken and made room for later ones" in (folder / "report.html").read_text()


def test_gigabyte_pauses_shortly(folder):
    """With 1 GB of heap in 1,048,576 blocks a snapshot stops the program for at most 20 ms, or where the kernel takes longer to copy the page
    tables, for a little longer than a fork of the program's own just before. It is processor time, which other programs nearly leave alone, and
    the best of some rounds."""
    rounds = []
    with running(folder, target("snapshots"), "cost", "1024", CRUNCH_HEAP_LIMIT="0") as process:
        for number in range(1, 6):
            process.stdin.write(b"x")
            process.stdin.flush()
            taken, *times = map(float, process.stdout.readline().split())
            rounds.append(times)
            wait_until(lambda: (folder / "snapshots" / str(number)).exists(), 60)
            assert taken == 1
    assert names(folder) == ["1", "2", "3", "4", "5"] and counters(folder).longest_pause_ns > 0
    assert any(pause <= 20 or pause <= 1.15 * forked + 2 for pause, forked in rounds), rounds


def test_commands(folder, tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert bare([*CRUNCH, "--list"], env=env).stdout == b"no program runs under crunch\n"
    process = start([*CRUNCH, "--out", str(folder), target("snapshots"), "sleep", "1"], stdin=subprocess.PIPE, env=env)
    process.stdout.readline()
    pid = asked(folder).pid
    listed = bare([*CRUNCH, "--list"], env=env).stdout.decode().splitlines()
    assert len(listed) == 2 and listed[1].split()[0] == str(pid) and listed[1].endswith(str(folder))
    by_pid = bare([*CRUNCH, "--snapshot", str(pid)], env=env)
    assert by_pid.status == 0 and by_pid.stdout.decode() == f"snapshot written to {folder}/snapshots/1\n"
    assert bare([*CRUNCH, "--snapshot", str(folder)], env=env).stdout.endswith(b"/snapshots/2\n")
    assert finish(process, stdin=b"").status == 0
    refused = bare([*CRUNCH, "--snapshot", str(pid)], env=env)
    assert refused.status == 125 and refused.said.startswith(f"crunch: process {pid} does not exist")
    assert bare([*CRUNCH, "--list"], env=env).stdout == b"no program runs under crunch\n"
    made = bare([*CRUNCH, "--report", str(folder / "snapshots" / "1")], env=env)
    assert made.status == 0 and "Snapshot" in (folder / "snapshots" / "1" / "report.html").read_text()


def test_two_snapshots_compared(folder):
    """The same place has other addresses in another run, and is the same."""
    first, second = folder / "first", folder / "second"
    for place, size in ((first, "1"), (second, "3")):
        with running(place, target("snapshots"), "sleep", size) as process:
            process.stdout.readline()
            request.ask(asked(place))
            finish(process, stdin=b"")
    command = [*CRUNCH, "--compare", str(first / "snapshots" / "1"), str(second), "--fail-if-grown"]
    grown = bare([*command, "1M"])
    assert grown.status == 1 and "+2.0 MiB in ±0 blocks: 0 call stacks new, 1 grown, 0 shrunk, 0 gone" in grown.stdout.decode()
    assert "sleeper (" in grown.stdout.decode() and (second / "compare.html").exists()
    assert bare([*command, "2M"]).status == 0
    cut = bare(["/bin/bash", "-c", '"$@" | true; echo ${PIPESTATUS[0]}', "bash", *command[:-1]])
    assert cut.stdout in (b"0\n", b"141\n") and not cut.stderr, "nobody reads it to its end"


def test_recording_that_grows_is_whole_at_every_look(folder):
    with running(folder, target("snapshots"), "places") as process:
        asked(folder)
        seen, end = [], time.monotonic() + 2
        while time.monotonic() < end:
            recording = reader.read_recording(folder)
            stacks.read(recording, folder / "recording")
            seen.append(recording.sections[reader.SITES].declared)
        snapshot = runs.load(request.ask(asked(folder)))
        assert finish(process, stdin=b"").status == 0
    assert seen == sorted(seen) and seen[-1] > seen[0] and len(snapshot.stacks.places) >= seen[-1] // 2
