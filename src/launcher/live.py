"""Which programs run under crunch right now.

Each launcher leaves a link to its run folder in a folder of the user's; the recordings there say which processes live. A link whose
processes have all ended is removed by whoever looks next. Without such a folder a run works all the same and is not found.
"""

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional

from report import liveness, reader
from report import run as runs
from report.errors import CrunchError
from report.reader import Recording
from report.words import printable


@dataclass(frozen=True)
class Process:
    """A process that runs under crunch."""

    folder: Path  # its run folder
    recording: Recording

    @property
    def pid(self) -> int:
        return self.recording.pid


def links() -> Optional[Path]:
    """Where the links are; None where no place is known."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "crunch" / "running" if os.path.isabs(base) else None


@contextmanager
def registered(folder: Path) -> Iterator[None]:
    """While the program runs: its run folder can be found. A process that outlives the launcher keeps the link."""
    place = links()
    link = place / f"{os.uname().nodename}-{os.getpid()}" if place else None
    try:
        if place and link:
            place.mkdir(parents=True, exist_ok=True)
            if link.is_symlink():
                link.unlink()
            link.symlink_to(folder)
    except OSError:
        link = None
    try:
        yield
    finally:
        if link and not in_folder(folder):
            _remove(link)


def running() -> List[Process]:
    """All of this user's on this machine, in the order of their process numbers."""
    found: List[Process] = []
    place = links()
    here = os.uname().nodename + "-"
    for link in sorted(place.iterdir()) if place and place.is_dir() else ():
        if not link.name.startswith(here):
            continue
        processes = in_folder(Path(os.path.realpath(link)))
        found += processes
        launcher = link.name[len(here):]
        if not processes and not (launcher.isdigit() and liveness.alive(int(launcher))):
            _remove(link)
    unique = {process.folder: process for process in found}
    return sorted(unique.values(), key=lambda process: process.pid)


def in_folder(folder: Path) -> List[Process]:
    """The processes of one run that live: the first one and those below it."""
    return [found for found in map(process, [folder, *runs.children(folder)]) if found]


def process(folder: Path) -> Optional[Process]:
    """The process that writes a run folder, if it lives."""
    try:
        recording = None if (folder / "stats").exists() else reader.read_recording(folder)
    except (CrunchError, OSError):
        return None
    return Process(folder, recording) if recording and liveness.still_running(recording, folder) else None


def find(wanted: str) -> Process:
    """The process meant by its number or its run folder; CrunchError if there is none."""
    if wanted.isdigit() and not os.path.isdir(wanted):
        found = next((candidate for candidate in running() if candidate.pid == int(wanted)), None) or _not_listed(int(wanted))
        if not found:
            raise CrunchError(f"process {wanted} {_unknown(int(wanted))}")
        return found
    folder = Path(os.path.abspath(wanted))
    processes = in_folder(folder)
    if not processes:
        raise CrunchError(f"in {printable(str(folder))} no program is recorded right now; 'crunch --list' shows those that run")
    return processes[0]


def _not_listed(pid: int) -> Optional[Process]:
    """One that left no link here: another user's, seen by root, or one started where no link could be left."""
    found = (process(Path(path).parent) for path in liveness.mapped_recordings(pid) or [])  # a child may map its parent's
    return next((candidate for candidate in found if candidate and candidate.pid == pid), None)


def _unknown(pid: int) -> str:
    """Why a process is none of those that run under crunch."""
    if not liveness.alive(pid):
        return "does not exist; 'crunch --list' shows what runs under crunch"
    if sys.platform != "darwin" and os.geteuid() and liveness.mapped_recordings(pid) is None:
        return "is another user's; ask as that user, or as root"
    return "does not run under crunch; 'crunch --list' shows those that do"


def _remove(link: Path) -> None:
    try:
        link.unlink()
    except OSError:
        pass
