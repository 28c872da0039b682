"""--watch: a running program on the whole terminal, by curses. What is shown is decided in watched.py."""

import locale
import os
import sys
import time
from typing import Any, List

from report.errors import CrunchError
from report.words import printable

from . import live, request
from .watched import COLUMNS_ROW, Watched, sample, screen

EVERY_SECONDS = 1.0
SHARE = 0.1  # of the time at most goes into looking: large recordings are looked at less often
POLL_MS = 50


def watch(wanted: str) -> List[str]:
    """Shows the process until it ends or the user leaves; what is to be said then."""
    process = live.find(wanted)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CrunchError("--watch needs a terminal; 'crunch --list' shows what runs")
    try:
        import curses
    except ImportError:
        raise CrunchError("--watch needs Python's curses module, which this Python was built without") from None
    locale.setlocale(locale.LC_ALL, "")
    unicode = locale.nl_langinfo(locale.CODESET).upper().replace("-", "") == "UTF8"
    os.environ.setdefault("ESCDELAY", "25")
    _check_terminal(curses)
    try:
        return curses.wrapper(_run, curses, process, Watched(process.folder, unicode))
    except curses.error as error:
        raise CrunchError(f"the terminal cannot be used: {printable(str(error))}") from None


def _check_terminal(curses: Any) -> None:
    """Whether lines can be put where they belong."""
    name = printable(os.environ.get("TERM", ""))
    try:
        curses.setupterm()
        usable = curses.tigetstr("cup")
    except curses.error:
        raise CrunchError(f"this system knows no terminal '{name}', as TERM says; TERM=xterm or TERM=vt100 may serve") from None
    if not usable:
        raise CrunchError(f"--watch needs a terminal with lines that can be written anew, and '{name}' is none, as TERM says")


def _run(window: Any, curses: Any, process: live.Process, watched: Watched) -> List[str]:
    try:
        curses.curs_set(0)
    except curses.error:
        pass  # terminals that cannot hide it
    window.timeout(POLL_MS)
    named = {curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_PPAGE: "page up", curses.KEY_NPAGE: "page down", curses.KEY_HOME: "home",
             27: "q"}
    next_look, asked = 0.0, -1
    while True:
        if time.monotonic() >= next_look:
            if not live.process(process.folder):
                return [f"process {process.pid} has ended; its run folder is {printable(str(process.folder))}"]
            next_look = _look(watched, process)
            asked = _told_of_snapshot(watched, asked)
            _draw(window, curses, watched)
        key = window.getch()
        if key == -1:
            continue
        pressed = named.get(key) or (chr(key) if 0 <= key < 128 else "")
        if pressed == "q" or key == 3:
            window.move(window.getmaxyx()[0] - 1, 0)  # where the prompt will be, on terminals that do not bring back what was there
            window.clrtoeol()
            window.refresh()
            return []
        if pressed == "s":
            asked = watched.now.recording.snapshots.requested if watched.now else 0
            request.poke(process)
            watched.say("snapshot asked for")
        watched.press(pressed)
        _draw(window, curses, watched)


def _look(watched: Watched, process: live.Process) -> float:
    """Takes a sample, unless the picture is held; when the next one is due."""
    began = time.monotonic()
    if not watched.held:
        try:
            watched.take(sample(process.folder))
        except CrunchError as error:
            watched.say(error.message)
    return time.monotonic() + max(EVERY_SECONDS, (time.monotonic() - began) / SHARE)


def _told_of_snapshot(watched: Watched, asked: int) -> int:
    """Says what came of the snapshot that was asked for when `asked` was the last; -1: nothing is awaited any more."""
    if asked < 0 or watched.held or watched.now is None:
        return asked
    counters = watched.now.recording.snapshots
    if counters.requested == asked or counters.writing:
        return asked
    folder = watched.folder / "snapshots" / str(counters.requested)
    watched.say(f"snapshot written to {printable(str(folder))}" if folder.exists() else printable(watched.now.recording.message))
    return -1


def _draw(window: Any, curses: Any, watched: Watched) -> None:
    height, width = window.getmaxyx()
    looks = {0: curses.A_BOLD} if watched.help else {0: curses.A_BOLD, COLUMNS_ROW: curses.A_REVERSE, height - 1: curses.A_DIM}
    window.erase()
    for row, line in enumerate(screen(watched, width, height)):
        look = looks.get(row, curses.A_NORMAL)
        try:
            window.addnstr(row, 0, line.ljust(width) if look == curses.A_REVERSE else line, width, look)
        except curses.error:
            pass  # the last cell of the screen cannot be written without scrolling, which curses says in this way
    window.refresh()
