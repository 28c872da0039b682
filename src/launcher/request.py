"""Asking a running program for a snapshot: a number is raised in its mapped recording, then it gets a signal that nobody else
minds (src/tracker/events/snapshot.h)."""

import mmap
import os
import struct
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Tuple

from report import reader
from report.errors import CrunchError
from report.reader import Snapshots
from report.words import printable

from . import live

AGAIN_SECONDS = 0.25
LOOK_SECONDS = 0.01
MOST_SECONDS = 10.0
STOPPED = frozenset("TtZ")  # states of threads: by a signal, by a debugger, ended
NUMBER = struct.Struct("<I")
WANTED_AT, TIMED_AT = reader.SNAPSHOTS_AT, reader.SNAPSHOTS_AT + 24  # of struct cr_snapshots


def ask(process: live.Process, seconds: float = MOST_SECONDS) -> Path:
    """Has a snapshot taken and written; its folder. CrunchError if it cannot be had."""
    with _header(process.folder) as header:
        before = _counters(header)
        if before.signal and _reads_from_descriptor(process.pid, before.signal):
            raise CrunchError(f"process {process.pid} cannot be asked: it would read SIGURG from a signalfd")
        asked = _raise_wanted(header)
        _wait_for_answer(process, header, asked, seconds)
        now = _counters(header)
        number = now.requested if now.requested != before.requested else now.taken  # answered by one of --snapshot-every's
        folder = process.folder / "snapshots" / str(number)
        while not folder.exists():
            now = _counters(header)
            if not now.writing and not folder.exists():
                message = printable(_message(process.folder))
                raise CrunchError(message if message.startswith("snapshot") else f"the snapshot was dropped: {message}")
            time.sleep(LOOK_SECONDS)
        return folder


def poke(process: live.Process, timed: bool = False) -> None:
    """Asks and does not wait; the process takes none while one is being written. timed: it is nobody but the clock that asks."""
    try:
        with _header(process.folder) as header:
            now = _counters(header)
            if not now.signal or _reads_from_descriptor(process.pid, now.signal):
                return
            if now.wanted == now.answered or (not timed and now.wanted == now.timed):  # what is pending is only the clock's
                asked = _raise_wanted(header)
                if timed:
                    NUMBER.pack_into(header, TIMED_AT, asked)
            os.kill(process.pid, now.signal)
    except (CrunchError, ProcessLookupError):
        pass  # it has just ended


def _wait_for_answer(process: live.Process, header: mmap.mmap, asked: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    again = 0.0
    stopped = False
    while (_counters(header).answered - asked) % 2**32 >= 2**31:
        now = _counters(header)
        _check(process, now.signal)
        if time.monotonic() >= end:
            raise CrunchError(f"process {process.pid} does not answer: {_why_silent(process.pid, now.signal)}")
        if time.monotonic() >= again:
            again = time.monotonic() + AGAIN_SECONDS
            _send(process.pid, now.signal)
            states = {state for state, _ in _threads(process.pid)}
            if stopped and states and states <= STOPPED:
                raise CrunchError(f"process {process.pid} is stopped; it takes the snapshot when it goes on ('kill -CONT {process.pid}')")
            stopped = states <= STOPPED
        time.sleep(LOOK_SECONDS)


def _check(process: live.Process, number: int) -> None:
    if not number:
        raise CrunchError(f"process {process.pid} cannot be asked: it uses SIGURG itself, or has only just started")
    seen = live.process(process.folder)
    if not seen:
        raise CrunchError(f"process {process.pid} has ended")
    if seen.recording.flags & reader.STOPPED:
        raise CrunchError(f"process {process.pid} is not recorded any more: {printable(seen.recording.message)}")


def _why_silent(pid: int, number: int) -> str:
    """In a few words."""
    threads = _threads(pid)
    if threads and all(blocked >> (number - 1) & 1 for _, blocked in threads):
        return "it blocks SIGURG in all its threads, by which crunch asks"
    return "it waits inside its allocator" if threads else "it is stopped, blocks SIGURG, or waits inside its allocator"


def _threads(pid: int) -> List[Tuple[str, int]]:
    """Of each thread its state, as a letter, and the signals it blocks; nothing where that is not to be seen."""
    found = []
    try:
        for entry in os.scandir(f"/proc/{pid}/task"):
            words = dict(line.split(":", 1) for line in Path(entry.path, "status").read_text().splitlines())
            found.append((words["State"].split()[0], int(words["SigBlk"], 16)))
    except (OSError, ValueError, KeyError):
        pass
    return found


def _reads_from_descriptor(pid: int, number: int) -> bool:
    """Whether the process has a signalfd for the signal (Linux): it would take the request for a signal of its own."""
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            if os.readlink(entry.path) == "anon_inode:[signalfd]":
                mask = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().partition("sigmask:")[2]
                if int(mask, 16) >> (number - 1) & 1:
                    return True
    except (OSError, ValueError):
        pass  # it has just closed one, or ended, or is another user's
    return False


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise CrunchError(f"process {pid} has ended") from None


@contextmanager
def _header(folder: Path) -> Iterator[mmap.mmap]:
    """The recording's header, mapped to be written."""
    try:
        with open(folder / "recording", "r+b") as file:
            header = mmap.mmap(file.fileno(), reader.HEADER_BYTES)
    except PermissionError:
        raise CrunchError(f"{printable(str(folder / 'recording'))} is another user's; ask as that user, or as root") from None
    except (OSError, ValueError) as error:
        raise CrunchError(f"{printable(str(folder / 'recording'))} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield header
    finally:
        header.close()


def _counters(header: mmap.mmap) -> Snapshots:
    return Snapshots(*reader.SNAPSHOTS.unpack_from(header, reader.SNAPSHOTS_AT))


def _raise_wanted(header: mmap.mmap) -> int:
    wanted = (_counters(header).wanted + 1) % 2**32
    NUMBER.pack_into(header, WANTED_AT, wanted)
    return wanted


def _message(folder: Path) -> str:
    recording = reader.read_recording(folder)
    return recording.message if recording else ""
