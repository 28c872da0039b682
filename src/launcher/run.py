"""Starting the program and waiting for it, so that neither it nor the shell notices the launcher between them.

The launcher blocks the signals it cares for and takes them one at a time with sigwait: nothing happens between a
program's end and the launcher's knowledge of it, so no signal can be passed on to a process that is gone.
"""

import errno
import fcntl
import os
import signal
import time
from dataclasses import dataclass
from typing import Callable, List, Mapping, Optional, Sequence

from report.errors import EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, CrunchError
from report.summary import End
from report.words import printable

PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
TERMINALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
WAITED_FOR = frozenset((signal.SIGCHLD, signal.SIGALRM, *PASSED_ON, *TERMINALS))
IGNORED_BY_PYTHON = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))
SI_KERNEL = 0x80
EARLY_SECONDS = 0.02  # a timer's signal may come a little before the clock says so


@dataclass(frozen=True)
class Ended:
    """How the program ended, and its largest resident size in bytes."""

    end: End
    max_rss: int

    @property
    def exit_status(self) -> int:
        """As a shell has it."""
        return 128 + self.end.signal if self.end.signal else self.end.status or 0


@dataclass(frozen=True)
class Every:
    """What is to be done again and again while the program runs."""

    seconds: float
    do: Callable[[], None]


def run(path: str, arguments: List[str], environment: Mapping[str, str], stdin: Optional[int], stdout: Optional[int],
        every: Sequence[Every] = ()) -> Ended:
    """Runs the program to its end. CrunchError (126, 127) if it cannot be started."""
    child_was_ignored = signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
    signal.signal(signal.SIGCHLD, _nothing)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
    try:
        started = _start(path, arguments, environment, (stdin, stdout), mask, child_was_ignored)
        if every:
            shortest = min(job.seconds for job in every)
            signal.setitimer(signal.ITIMER_REAL, shortest, shortest)
        return _wait(started, every)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        while signal.sigpending() & WAITED_FOR:
            signal.sigwait(WAITED_FOR)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _nothing(number: int, frame: object) -> None:
    """Stands for SIGCHLD's default action, which macOS takes by forgetting the signal at once, blocked or not. Never called."""


def open_stream(path: str, flags: int) -> int:
    """Opens a file for the program's stdin or stdout, out of the way of descriptors 0 to 2."""
    try:
        low = os.open(path, flags, 0o666)
    except OSError as error:
        raise CrunchError(f"{printable(path)} cannot be opened: {error.strerror}") from None
    return _raised(low)


def _raised(low: int) -> int:
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(low)
    return high


def _start(path: str, arguments: List[str], environment: Mapping[str, str], streams: tuple, mask: set,
           child_was_ignored: bool) -> int:
    reading, writing = map(_raised, os.pipe())
    child = os.fork()
    if child == 0:
        try:
            _become(path, arguments, environment, streams, mask, child_was_ignored)
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writing)
    with open(reading, "rb") as pipe:
        failure = pipe.read()
    if failure:
        os.waitpid(child, 0)
        missing = int(failure) == errno.ENOENT
        why = "it is neither a program nor a script" if int(failure) == errno.ENOEXEC else os.strerror(int(failure))
        raise CrunchError(f"{printable(path)} cannot be started: {why}",
                          EXIT_NOT_FOUND if missing else EXIT_NOT_EXECUTABLE)
    return child


def _become(path: str, arguments: List[str], environment: Mapping[str, str], streams: tuple, mask: set,
            child_was_ignored: bool) -> None:
    """In the new process: everything as the launcher found it, then the program."""
    for target, descriptor in enumerate(streams):
        if descriptor is not None:
            os.dup2(descriptor, target)
    for number in IGNORED_BY_PYTHON:  # what they were before Python's start cannot be known; default is the rule
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN if child_was_ignored else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        os.execve(path, arguments, environment)
    except OSError as error:
        if error.errno != errno.ENOEXEC or not _is_text(path):
            raise
        os.execve("/bin/sh", ["sh", path, *arguments[1:]], environment)  # as execvp and every shell do


def _is_text(path: str) -> bool:
    """Whether a file that the kernel does not know may be a script without a `#!` line."""
    try:
        with open(path, "rb") as file:
            return b"\0" not in file.read(128)
    except OSError:
        return False


def _wait(child: int, every: Sequence[Every]) -> Ended:
    due = [time.monotonic() + job.seconds for job in every]
    while True:
        ended = _look(child)
        if ended:
            return ended
        number, from_kernel = _next_signal()
        if number == signal.SIGALRM:
            _do_what_is_due(every, due)
        if number in PASSED_ON and not (from_kernel and _reaches_all(number)):
            os.kill(child, number)


def _do_what_is_due(every: Sequence[Every], due: List[float]) -> None:
    for at, job in enumerate(every):
        now = time.monotonic()
        if now >= due[at] - EARLY_SECONDS:
            due[at] = now + job.seconds
            job.do()


def _reaches_all(number: int) -> bool:
    """Whether the terminal sends a signal to the program as well: that it hung up it tells the session's leader alone."""
    return number != signal.SIGHUP or os.getsid(0) != os.getpid()


def _next_signal() -> tuple:
    """The next signal, and whether the kernel sent it: the terminal's signals reach the program without help."""
    if not hasattr(signal, "sigwaitinfo"):
        return signal.sigwait(WAITED_FOR), False
    info = signal.sigwaitinfo(WAITED_FOR)
    return info.si_signo, info.si_code == SI_KERNEL


def _look(child: int) -> Optional[Ended]:
    """What the program did since the last look: None while it lives. A program that the terminal's keys stop, or that stops where a
    shell waits for it, stops the launcher too; one that somebody stops from elsewhere does not: whoever lets it go on knows it alone."""
    stopped = False
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if found == 0 and not stopped:
            return None
        if found == 0:  # the launcher alone was continued
            os.kill(child, signal.SIGCONT)
            stopped = False
        elif os.WIFSTOPPED(status):
            stopped = os.WSTOPSIG(status) != signal.SIGSTOP or _is_in_foreground()
            if stopped:
                _stop_too(os.WSTOPSIG(status))
        elif os.WIFCONTINUED(status):
            stopped = False
        elif os.WIFSIGNALED(status):
            return Ended(End(signal=os.WTERMSIG(status)), _bytes(usage.ru_maxrss))
        else:
            return Ended(End(status=os.WEXITSTATUS(status)), _bytes(usage.ru_maxrss))


def _is_in_foreground() -> bool:
    """Whether this is what a terminal's shell waits for."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _stop_too(number: int) -> None:
    """Stops the launcher as the program was stopped, until the shell continues it.

    Sent while blocked, the signal joins the terminal's own, which may be waiting already: one stop, not two."""
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_BLOCK, {number} & WAITED_FOR)


def _bytes(max_rss: int) -> int:
    return max_rss if os.uname().sysname == "Darwin" else max_rss * 1024
