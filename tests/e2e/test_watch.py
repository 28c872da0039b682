"""crunch --watch on a pseudo-terminal."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from harness import CRUNCH, bare, clean_environment, finish, start, target, wait_until


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *command, rows=20, columns=90, kind="xterm"):
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        env = {**clean_environment(), "TERM": kind, "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0.01)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]", " ", data.decode(errors="replace"))

    def expect(self, words):
        """Waits until they have been written since the last call."""
        def seen():
            self.read()
            return words in self.text
        wait_until(seen)
        self.text = self.text.split(words, 1)[1]

    def send(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        def ended():
            self.read()
            return self.process.poll() is not None
        wait_until(ended)
        self.read()
        os.close(self.master)
        return self.process.returncode


def program(folder, *arguments):
    process = start([*CRUNCH, "-q", "--out", str(folder), target("snapshots"), *arguments], stdin=subprocess.PIPE)
    wait_until(lambda: (folder / "recording").exists())
    return process


def test_watch_to_the_programs_end(folder):
    process = program(folder, "storm", "60")
    time.sleep(0.3)
    terminal = Terminal(*CRUNCH, "--watch", str(folder))
    terminal.expect("snapshots storm 60")
    terminal.expect("churn (")
    terminal.send("s")
    terminal.expect("written to")  # "snapshot" stands there already
    terminal.send("h")
    terminal.expect("take a snapshot")
    terminal.send("h ")
    terminal.expect("HELD")
    terminal.resize(4, 12)
    os.killpg(terminal.process.pid, 28)  # SIGWINCH, as a terminal sends it
    time.sleep(0.2)
    assert terminal.process.poll() is None
    result = finish(process, stdin=b"x")
    assert (result.status, result.stdout) == (0, b"0 0 0 0\n")
    assert terminal.end() == 0 and re.search(rf"process \d+ has ended; its run folder is {folder}", terminal.text)


def test_leaving_disturbs_nobody(folder):
    process = program(folder, "sleep", "1")
    process.stdout.readline()
    terminal = Terminal(*CRUNCH, "--watch", str(folder))
    terminal.expect("sleeper (")
    terminal.send("q")
    assert terminal.end() == 0 and process.poll() is None
    assert finish(process, stdin=b"").stdout == b"0 0\n" and not (folder / "snapshots").exists()


@pytest.mark.parametrize("kind, words", [("dumb", "'dumb' is none, as TERM says"), ("none-such", "knows no terminal 'none-such'")])
def test_terminals_that_cannot_show_it(kind, words, folder):
    process = program(folder, "sleep", "1")
    process.stdout.readline()
    terminal = Terminal(*CRUNCH, "--watch", str(folder), kind=kind)
    assert terminal.end() == 125 and words in terminal.text and terminal.text.startswith("crunch: ") and terminal.text.count("\n") == 1
    finish(process, stdin=b"")


def test_without_a_terminal(folder):
    process = program(folder, "sleep", "1")
    process.stdout.readline()
    refused = bare([*CRUNCH, "--watch", str(folder)])
    assert refused.status == 125 and "--watch needs a terminal" in refused.said
    finish(process, stdin=b"")
    assert bare([*CRUNCH, "--watch", str(folder)]).status == 125
