"""The launcher as a whole, in an installed layout of its own; the C library stands in for the tracker.

A stand-in records nothing, so programs here write the run folder themselves where a test needs one."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import folders
from conftest import ROOT
from report import problems
from test_problems import error

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds its stand-in for the tracker through /proc")
UNRECORDED = "crunch: sh was not recorded: the tracker did not start in it\n"
RECORDED = "printf x > $CRUNCH_OUT/recording; cp {folder}/* $CRUNCH_OUT/; "


@pytest.fixture
def crunch(tmp_path):
    """The command line of an installed crunch."""
    place = tmp_path / "installed"
    (place / "lib").mkdir(parents=True)
    shutil.copy(ROOT / "crunch.py", place)
    for name in ("src", "templates"):
        (place / name).symlink_to(ROOT / name)
    maps = Path("/proc/self/maps").read_text()
    (place / "lib" / "libcrunch.so").symlink_to(re.search(r"(/\S*/libc[.-]\S*)", maps)[1])
    (tmp_path / "work").mkdir()
    return [sys.executable, str(place / "crunch.py")]


@pytest.fixture
def run(crunch, tmp_path):
    def start(*arguments, **options):
        return subprocess.run([*crunch, *arguments], cwd=tmp_path / "work", capture_output=True, text=True, timeout=60, **options)
    return start


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("arguments, status, words", [
    (["sh", "-c", "exit 7"], 7, "was not recorded"),
    (["sh", "-c", "kill -TERM $$"], 143, "was not recorded"),
    (["-q", "--", "sh", "-c", "exit 3"], 3, None),
    (["no-such-program"], 127, "neither in PATH"),
    (["/"], 126, "is a directory"),
    (["--heap-limit", "lots", "true"], 125, "--heap-limit takes a size"),
    (["--snapshot-every", "1ms", "true"], 125, "--snapshot-every takes a time like"),
    (["--snapshot-keep", "5", "true"], 125, "--snapshot-keep goes with --snapshot-every"),
    (["--snapshot-every", "1s", "--snapshot-keep", "1", "true"], 125, "--snapshot-keep takes a number from 2 on, or all, not '1'"),
    (["--snapshot-on", "KILL", "true"], 125, "--snapshot-on takes one of USR1"),
    (["-n", "--snapshot-at-peak", "true"], 125, "snapshots are kept in the output folder"),
    (["--snapshot", "/nowhere"], 125, "in /nowhere no program is recorded right now"),
    (["--max-listed", "-1", "true"], 125, "--max-listed takes a number"),
    (["--no-such-option", "true"], 125, "--no-such-option is no option of crunch; 'crunch --help' lists them"),
    (["-nZ", "true"], 125, "usage:"),
    (["-Z", "true"], 125, "-Z is no option of crunch"),
    ([], 125, "usage: crunch [options] [--] <program> [<arguments>...]; 'crunch --help' explains"),
    (["-q", "--compare", "old"], 125, "usage: crunch [options] --compare <old> <new>; 'crunch --help' explains"),
    (["--report", "nothing", "-q"], 125, "nothing is no run folder of crunch"),
    (["--fail-if-grown", "1k", "true"], 125, "--fail-if-grown goes with --compare"),
    ([""], 127, "the program's name is empty"),
    (["-i", "/no/such/file", "true"], 125, "cannot be opened"),
    (["--report", "/"], 125, "no run folder"),
    (["--report", __file__], 125, "is no run folder of crunch"),
    (["--suppressions", "/no/such/file", "touch", "ran"], 125, "the suppressions /no/such/file cannot be read"),
    (["--error-exitcode", "0", "true"], 125, "--error-exitcode takes an exit status from 1 to 255"),
    (["--error-exitcode", "256", "true"], 125, "--error-exitcode takes an exit status from 1 to 255"),
    (["--help"], 0, None), (["--version"], 0, None),
])
def test_exit_statuses(run, arguments, status, words):
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert words is None or (done.stderr.startswith("crunch: ") and words in done.stderr and done.stderr.count("\n") == 1)


def test_options_after_the_program_are_the_programs(run):
    assert run("-q", "echo", "-n", "--version", "--", "-q").stdout == "--version -- -q"


def test_a_whole_run(run, tmp_path):
    folder = folders.run_folder(tmp_path / "given", [(0x7F00, 10, 0)])
    done = run("sh", "-c", RECORDED.format(folder=folder) + "exit 4")
    out = tmp_path / "work" / "crunch_out"
    assert done.returncode == 4
    assert done.stderr == (f"=== crunch ===\n1 remaining heap allocations\n  0x7f00 : 10 bytes\n\n"
                           f"crunch report written to {out}/report.html\n")
    assert "0x7f00" in (out / "report.html").read_text() and [entry.name for entry in out.parent.iterdir()] == ["crunch_out"]


ALL_FREES = "{\nall\nMemcheck:Free\nfun:free\n}\n"


@pytest.mark.parametrize("options, end, status", [
    ([], "exit 4", 4), (["--error-exitcode", "9"], "exit 4", 9), (["--error-exitcode", "9"], "exit 0", 9),
    (["--error-exitcode", "9", "--suppressions", "all.supp"], "exit 4", 4), (["--error-exitcode", "9"], "kill -9 $$", 137)])
def test_the_exit_status_may_tell_of_errors(run, tmp_path, options, end, status):
    wrong_free = folders.CallStacks(nodes=[(0, 16)], pcs=[(0x1008, 0)], errors=[error(problems.DOUBLE_FREE, stack=16)])
    folder = folders.run_folder(tmp_path / "given", call_stacks=wrong_free)
    (tmp_path / "work" / "all.supp").write_text(ALL_FREES)
    done = run(*options, "sh", "-c", RECORDED.format(folder=folder) + end)
    assert done.returncode == status, done.stderr
    assert ("suppressed: 1 error" in done.stderr) == ("--suppressions" in options)


def test_entries_are_printed_alone_when_all_else_is_quiet(run, tmp_path):
    wrong_free = folders.CallStacks(nodes=[(0, 16)], pcs=[(0x1008, 0)], errors=[error(problems.DOUBLE_FREE, stack=16)])
    folder = folders.run_folder(tmp_path / "given", call_stacks=wrong_free)
    done = run("-q", "--print-suppressions", "sh", "-c", RECORDED.format(folder=folder))
    assert done.stderr.splitlines()[2:] == ["   Memcheck:Free", "   fun:free", "   obj:*", "}"]
    (tmp_path / "work" / "printed.supp").write_text(done.stderr)
    again = run("--suppressions", "printed.supp", "--report", str(folder))
    assert again.returncode == 0 and again.stderr.splitlines()[1:] == ["suppressed: 1 error"]


def test_without_a_report_nothing_is_touched(run, tmp_path):
    folder = folders.run_folder(tmp_path / "given", [(0x7F00, 10, 0)])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = run("-n", "sh", "-c", RECORDED.format(folder=folder), env={**os.environ, "TMPDIR": str(temporary)})
    assert "0x7f00 : 10 bytes" in done.stderr and "written" not in done.stderr
    assert not list((tmp_path / "work").iterdir()) and not list(temporary.iterdir())


def test_what_cannot_be_started_leaves_the_old_run(run, tmp_path):
    out = folders.run_folder(tmp_path / "work" / "crunch_out", [(1, 2, 0)])
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELF\0nonsense")
    bad.chmod(0o755)
    assert run(str(bad)).returncode == 126
    assert run("true").returncode == 0  # runs, but is not recorded by the stand-in
    assert (out / "blocks").exists() and [entry.name for entry in out.parent.iterdir()] == ["crunch_out"]


def test_a_text_file_without_interpreter_line_runs_in_sh(run, tmp_path):
    assert run("-q", program(tmp_path / "script", "echo $1 $#\n"), "a", "b").stdout == "a 2\n"


def test_streams_from_and_to_files(run, tmp_path):
    (tmp_path / "in").write_text("hello")
    assert run("-q", "-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "cat").stdout == ""
    assert (tmp_path / "out").read_text() == "hello"


def test_closed_streams_stay_closed(crunch, tmp_path):
    done = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *crunch, "sh", "-c", "ls /proc/$$/fd > " + str(tmp_path / "open")],
                          cwd=tmp_path / "work")
    assert done.returncode == 0 and not {"0", "2"} & set(folders.lines_of(tmp_path / "open"))


def test_the_program_finds_everything_as_without_crunch(run, tmp_path):
    code = ("import os; s = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines());"
            "print([s[k] for k in ('SigBlk', 'SigIgn', 'SigCgt', 'Umask')], os.getpgrp(), os.getcwd(), sorted(os.listdir('/proc/self/fd')))")
    reading, writing = os.pipe()
    for prepare in (None, lambda: signal.signal(signal.SIGINT, signal.SIG_IGN), lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
                    lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})):
        same = dict(capture_output=True, text=True, cwd=tmp_path / "work", preexec_fn=prepare, pass_fds=(reading,))
        bare = subprocess.run([sys.executable, "-c", code], **same)
        same.pop("cwd")
        assert run("-q", sys.executable, "-c", code, **{k: v for k, v in same.items() if k not in ("capture_output", "text")}).stdout == bare.stdout
    os.close(reading), os.close(writing)


def test_the_trackers_variables(run, tmp_path):
    show = 'echo "$CRUNCH_HEAP_LIMIT $CRUNCH_CHILDREN ${CRUNCH_OUT##*/}"; echo "$LD_PRELOAD"'
    nested = {**os.environ, "CRUNCH_CHILDREN": "0", "CRUNCH_OUT": "/outer", "LD_PRELOAD": "libm.so.6 /x/libcrunch.so:libm.so.6"}
    settings, preload = run("-q", "--heap-limit", "64k", "--out", "here", "sh", "-c", show, env=nested).stdout.splitlines()
    assert settings == "65536  here" and re.fullmatch(r"/\S+/installed/lib/libcrunch.so:libm.so.6", preload)
    assert run("-q", "--no-heap", "--no-children", "sh", "-c", show).stdout.startswith("0 0 crunch_out")


def test_a_library_path_that_the_loader_would_split(crunch, tmp_path):
    odd = tmp_path / "odd: place"
    (tmp_path / "installed").rename(odd)
    done = subprocess.run([sys.executable, str(odd / "crunch.py"), "-q", "sh", "-c", 'echo "$LD_PRELOAD"; test -f "$LD_PRELOAD"'],
                          cwd=tmp_path / "work", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, UNRECORDED) and not os.path.lexists(done.stdout.strip())


def test_a_missing_library_is_one_sentence(run, tmp_path):
    (tmp_path / "installed" / "lib" / "libcrunch.so").unlink()
    done = run("true")
    assert done.returncode == 125 and "build it with 'make" in done.stderr and done.stderr.count("\n") == 1


def test_missing_python_packages_are_one_sentence(tmp_path, crunch):
    done = subprocess.run([sys.executable, "-S", "-I", *crunch[1:], "true"], capture_output=True, text=True)
    assert done.returncode == 125 and "docopt is missing" in done.stderr and done.stderr.count("\n") == 1


def test_missing_python_packages_are_sought_in_the_own_venv(tmp_path, crunch):
    own = tmp_path / "installed" / ".venv" / "bin"
    own.mkdir(parents=True)
    program(own / "python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    done = subprocess.run([sys.executable, "-S", "-I", *crunch[1:], "-q", "sh", "-c", "exit 5"], capture_output=True, text=True,
                          cwd=tmp_path / "work")
    assert (done.returncode, done.stderr) == (5, UNRECORDED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_to_the_launcher_are_passed_on(crunch, tmp_path, number):
    code = f"trap 'echo caught; exit 9' {int(number)}; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen([*crunch, "-q", "sh", "-c", code], cwd=tmp_path / "work", stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == "caught\n" and process.returncode == 9


def read_until(master, words, limit=20.0):
    seen, end = "", time.monotonic() + limit
    while words not in seen:
        assert time.monotonic() < end and select.select([master], [], [], 1)[0] is not None, seen
        if select.select([master], [], [], 0.1)[0]:
            seen += os.read(master, 4096).decode()
    return seen


@pytest.fixture
def terminal(tmp_path):
    """An interactive shell on a terminal of its own."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(tmp_path / "work")
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**os.environ, "PS1": "$ ", "TERM": "dumb"})
    yield master
    os.kill(child, signal.SIGKILL)
    os.close(master)
    os.waitpid(child, 0)


def type_in(master, text):
    os.write(master, text.encode())


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_ctrl_c_ends_the_program_and_the_launcher_reports(crunch, terminal):
    type_in(terminal, " ".join(crunch) + " sh -c 'echo re''ady; sleep 30'; echo status-$?\n")
    read_until(terminal, "ready")
    time.sleep(0.3)  # a key that follows the first output at once is lost now and then, without crunch too
    type_in(terminal, "\x03")
    assert "was not recorded" in read_until(terminal, "status-130\r\n")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_ctrl_z_stops_the_job_and_fg_continues_it(crunch, terminal):
    type_in(terminal, " ".join(crunch) + " -q sh -c 'echo re''ady; read x; echo got-$x; exit 6'\n")
    read_until(terminal, "ready")
    time.sleep(0.3)
    type_in(terminal, "\x1a")
    read_until(terminal, "Stopped")
    type_in(terminal, "jobs; echo ju''st-one\n")
    assert read_until(terminal, "just-one").count("Stopped") == 1
    type_in(terminal, "fg; echo status-$?\n")
    time.sleep(0.3)
    type_in(terminal, "word\n")
    read_until(terminal, "got-word")
    read_until(terminal, "status-6\r\n")
