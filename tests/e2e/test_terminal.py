"""The terminal's signals and job control, through a pseudo-terminal with a real shell where one is needed."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import CRUNCH, Folder, clean_environment, finish, start, target, wait_until
from launcher import live, request
from report.errors import CrunchError


class Terminal:
    """A process that leads a session on a terminal of its own."""

    def __init__(self, command, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, {**clean_environment(), "PS1": "$ ", "TERM": "dumb"})
        self.text = ""

    def read(self):
        """Takes what the terminal shows; whether there may be more."""
        if not select.select([self.fd], [], [], 0.02)[0]:
            return False
        try:
            self.text += os.read(self.fd, 4096).decode(errors="replace")
            return True
        except OSError:  # everybody has closed the terminal
            time.sleep(0.02)
            return False

    def read_until(self, words, seconds=20):
        """Reads until `words` appear after what was read before; returns what came up to there."""
        end = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < end, f"{words!r} does not come: {self.text!r}"
            self.read()
        before, _, self.text = self.text.partition(words)
        return before

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                while self.read():
                    pass
                return status
            self.read()
        pytest.fail(f"the session does not end: {self.text!r}")

    def hang_up(self):
        os.close(self.fd)
        self.fd = -1

    def close(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self.fd >= 0:
            os.close(self.fd)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def open_terminal(command):
        opened.append(Terminal(command, tmp_path))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


@pytest.fixture
def shell(terminal):
    one = terminal(["bash", "--norc", "--noprofile", "-i"])
    one.read_until("$ ")
    return one


def command_line(*arguments):
    return " ".join(["PYTHONDONTWRITEBYTECODE=1", *CRUNCH, *arguments])


@pytest.mark.parametrize("key, name, status", [("\x03", "SIGINT", 130), ("\x1c", "SIGQUIT", 131)])
def test_keys_that_end_the_program(key, name, status, terminal, tmp_path):
    session = terminal([*CRUNCH, target("wait_for_signal")])
    session.read_until("ready")
    session.type(key)
    assert os.WEXITSTATUS(session.wait()) == status
    session.read_until("1 remaining heap allocations")
    run = Folder(tmp_path / "crunch_out")
    assert run.end == f"signal {name}" and run.kinds() == [("malloc", 55)]


def test_program_that_handles_ctrl_c_goes_on(terminal):
    session = terminal([*CRUNCH, sys.executable, "-c", """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: print("caught", flush=True) or sys.exit(17))
print("ready", flush=True); time.sleep(20)"""])
    session.read_until("ready")
    session.type("\x03")
    session.read_until("caught")
    assert os.WEXITSTATUS(session.wait()) == 17


def test_terminal_and_process_group_are_those_without_crunch(terminal):
    code = "import os; print('pgrp', os.getpgrp() == os.tcgetpgrp(0), os.isatty(0), os.isatty(1), os.isatty(2), flush=True)"
    session = terminal([*CRUNCH, "-q", sys.executable, "-c", code])
    session.read_until("pgrp True True True True")
    assert session.wait() == 0


def test_stop_and_continue_in_the_foreground(shell, tmp_path):
    shell.type(command_line(target("wait_for_signal"), "report") + "\n")
    shell.read_until("ready")
    shell.type("\x1a")
    shell.read_until("Stopped")
    shell.read_until("$ ")
    shell.type("echo still $((20 + 1)) here\n")
    shell.read_until("still 21 here")
    shell.type("fg\n")
    shell.read_until("continued")
    shell.type("\x03")
    shell.read_until("1 remaining heap allocations")
    shell.type("echo status $?\n")
    shell.read_until("status 130")
    assert Folder(tmp_path / "crunch_out").end == "signal SIGINT"


def test_stop_and_continue_in_the_background(shell):
    shell.type(command_line(target("wait_for_signal"), "report") + "\n")
    shell.read_until("ready")
    shell.type("\x1a")
    shell.read_until("Stopped")
    shell.type("bg\n")
    shell.read_until("continued")
    shell.type("kill -TERM %1; wait %1; echo status $?\n")
    shell.read_until("1 remaining heap allocations")
    shell.read_until("status 143")


def test_a_program_stopped_from_elsewhere_goes_on(folder):
    """The launcher does not stop with it where no shell waits: nobody would let it go on again, and there would be no report."""
    process = start([*CRUNCH, "-q", "--out", str(folder), target("wait_for_signal")])
    assert process.stdout.read(6) == b"ready\n"
    found = live.process(folder)
    os.kill(found.pid, signal.SIGSTOP)
    wait_until(lambda: state_of(found.pid) == "T")
    with pytest.raises(CrunchError, match=f"process {found.pid} is stopped; it takes the snapshot when it goes on"):
        request.ask(found)
    os.kill(found.pid, signal.SIGCONT)
    wait_until(lambda: (folder / "snapshots" / "1").exists())
    os.kill(found.pid, signal.SIGTERM)
    assert finish(process).status == 128 + signal.SIGTERM and (folder / "report.html").exists()


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_sigterm_to_the_launcher_is_passed_on(folder):
    process = start([*CRUNCH, "--out", str(folder), target("wait_for_signal"), "handle"])
    assert process.stdout.read(6) == b"ready\n"
    process.terminate()
    result = finish(process)
    assert result.status == 21 and "1 remaining heap allocations" in result.said
    Folder(folder).check()


def test_terminal_that_is_closed(terminal, tmp_path):
    session = terminal([*CRUNCH, target("wait_for_signal")])
    session.read_until("ready")
    session.hang_up()
    run = Folder(tmp_path / "crunch_out")
    wait_until(lambda: (run.path / "report.html").exists())
    assert run.end == "signal SIGHUP" and run.kinds() == [("malloc", 55)]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1"])
def test_signal_to_the_launcher_ends_the_program(name, folder):
    process = start([*CRUNCH, "--out", str(folder), target("wait_for_signal")])
    assert process.stdout.read(6) == b"ready\n"
    process.send_signal(getattr(signal, name))
    result = finish(process)
    assert result.status == 128 + getattr(signal, name)
    assert Folder(folder).end == f"signal {name}" and "ended by " + name in result.said


def test_launcher_killed_outright_leaves_a_folder_to_report(folder):
    process = start([*CRUNCH, "--out", str(folder), target("wait_for_signal"), "handle"])
    assert process.stdout.read(6) == b"ready\n"
    pid = Folder(folder).recording.pid
    process.kill()
    process.wait()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: (folder / "stats").exists())
    Folder(folder).check()
    subprocess.run([*CRUNCH, "--report", str(folder)], check=True, stderr=subprocess.PIPE)
    assert (folder / "report.html").exists()
