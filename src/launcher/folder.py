"""The run folder's life: claimed before the program starts, kept or given back after it.

Invariants: a folder without crunch's marker is never touched (an empty one may be filled); the previous run folder stays,
as a hidden sibling, until the new one is complete; two launchers never write one folder, because each holds a lock on the
marker while it lives. The folder has its final path from the first moment on, since children may outlive the launcher.
"""

import fcntl
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

from report import liveness, reader
from report.errors import CrunchError
from report.reader import MARKER
from report.words import printable


@dataclass
class RunFolder:
    """A claimed run folder; `old` is what it replaces."""

    path: Path
    lock: int
    old: Optional[Path] = None
    was_empty: bool = False

    def keep(self) -> None:
        """The new folder takes its place if it is complete, else the old one comes back."""
        if not (self.path / "stats").exists():
            self.give_back()
        elif self.old:
            shutil.rmtree(self.old, ignore_errors=True)
        self.old = None

    def give_back(self) -> None:
        """Undoes the claim: everything is as it was before."""
        if self.was_empty:
            _empty(self.path)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        if self.old:
            os.rename(self.old, self.path)
            self.old = None


def temporary() -> RunFolder:
    """A run folder for a run that leaves none; the caller removes it with `give_back`."""
    path = Path(tempfile.mkdtemp(prefix="crunch-"))
    return RunFolder(path, _mark(path))


def claim(out: str) -> RunFolder:
    """Prepares `out` for a new run, or raises CrunchError and leaves everything as it was."""
    path = Path(os.path.realpath(out) if os.path.islink(out) else os.path.abspath(out))
    shown = printable(str(path))
    try:
        _tidy(path)
        os.makedirs(path.parent, exist_ok=True)
        lock = _lock_existing(path, shown)
        if lock is None:
            return RunFolder(path, _mark(path), was_empty=True) if path.is_dir() else _replace(path, replaces_run=False)
        try:
            return _replace(path, replaces_run=True)
        finally:
            os.close(lock)
    except OSError as error:
        raise CrunchError(f"{shown} cannot be prepared: {error.strerror}; give another folder with --out") from None


def _replace(path: Path, replaces_run: bool) -> RunFolder:
    """Puts a new, marked and locked folder in the place of `path`, in steps that each leave a whole folder there."""
    new = path.with_name(f".{path.name}.new-{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    os.mkdir(new)
    try:
        lock = _mark(new)
        old = path.with_name(f".{path.name}.old-{os.getpid()}") if replaces_run else None
        if old:
            os.rename(path, old)
        try:
            os.rename(new, path)
        except OSError:
            if old:
                os.rename(old, path)
            raise
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return RunFolder(path, lock, old)


def _mark(folder: Path) -> int:
    """Writes the marker and locks it; the lock lives as long as the returned descriptor."""
    marker = os.open(folder / MARKER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(marker, f"run folder of crunch, written by process {os.getpid()}\n".encode())
    return marker


def _lock_existing(path: Path, shown: str) -> Optional[int]:
    """A lock on the run folder at `path`; None if nothing, or an empty folder, is there; CrunchError if it is not ours."""
    if not os.path.lexists(path):
        return None
    if not path.is_dir():
        raise CrunchError(f"{shown} is no folder; give another place with --out")
    if not (path / MARKER).exists():
        if os.listdir(path):
            raise CrunchError(f"{shown} is no run folder of crunch and stays as it is; give another one with --out")
        return None
    marker = os.open(path / MARKER, os.O_RDWR)
    writer = _writer(path, marker)
    if writer or path in (Path.cwd(), *Path.cwd().parents):
        os.close(marker)
        reason = f"is being written by process {writer}" if writer else "is the folder crunch runs in"
        raise CrunchError(f"{shown} {reason}; give another folder with --out")
    return marker


def _writer(path: Path, marker: int) -> str:
    """Who writes the folder; nobody ('') once its marker could be locked."""
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _last_number(os.read(marker, 200))
    if os.fstat(marker).st_ino != os.stat(path / MARKER).st_ino:  # another launcher replaced the folder just now
        return _last_number((path / MARKER).read_bytes())
    return _recorded_process(path)


def _recorded_process(path: Path) -> str:
    """The recorded program, if it has outlived its launcher and goes on writing."""
    if (path / "stats").exists():
        return ""
    try:
        recording = reader.read_recording(path)
    except CrunchError:
        return ""
    return str(recording.pid) if recording and liveness.still_running(recording, path) else ""


def _last_number(text: bytes) -> str:
    numbers = re.findall(rb"\d+", text)
    return numbers[-1].decode() if numbers else "of another crunch"


def _leftovers(path: Path, kind: str) -> Iterator[Path]:
    """Hidden siblings that a launcher left when it was killed."""
    pattern = re.compile(re.escape(f".{path.name}.{kind}-") + r"(\d+)")
    for entry in os.scandir(path.parent) if path.parent.is_dir() else ():
        match = pattern.fullmatch(entry.name)
        if match and not liveness.alive(int(match[1])) and (Path(entry.path) / MARKER).exists():
            yield Path(entry.path)


def _tidy(path: Path) -> None:
    """Deals with what killed launchers left: the last complete run folder is kept, everything else goes."""
    for new in list(_leftovers(path, "new")):
        shutil.rmtree(new, ignore_errors=True)
    for old in list(_leftovers(path, "old")):
        if (path / "stats").exists() or not (old / "stats").exists() or _in_use(path):
            shutil.rmtree(old, ignore_errors=True)
            continue
        if (path / MARKER).exists():
            shutil.rmtree(path)
        if not os.path.lexists(path):
            os.rename(old, path)


def _in_use(path: Path) -> bool:
    if not (path / MARKER).exists():
        return False
    try:
        lock = _lock_existing(path, "")
    except (CrunchError, OSError):
        return True
    if lock is not None:
        os.close(lock)
    return False


def _empty(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
