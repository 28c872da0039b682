"""Whether a recorded process still runs."""

import os
from pathlib import Path
from typing import List, Optional

from .reader import RUNNING, Recording


def alive(pid: int) -> bool:
    """Whether a process with this number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return pid > 0 and pid < 2**31
    return True


def still_running(recording: Recording, folder: Path) -> bool:
    """Whether the recorded process goes on writing. One that nobody has waited for does not, nor does one that has its number since."""
    return recording.state == RUNNING and 0 < recording.pid < 2**31 and alive(recording.pid) and \
        mapped_recordings(recording.pid, folder) != []


def mapped_recordings(pid: int, folder: Optional[Path] = None) -> Optional[List[str]]:
    """The recordings that a process writes, on Linux; of `folder` alone, if given. None where nobody can tell."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_bytes() or _maps_of_a_thread(pid)
    except OSError:
        return None
    found = dict.fromkeys(line.split(None, 5)[5] for line in os.fsdecode(maps).splitlines() if line.endswith("/recording"))
    return [path for path in found if folder is None or not _is_another(path, folder / "recording")]


def _maps_of_a_thread(pid: int) -> bytes:
    """Those that the first thread, which has ended, is not asked for any more; nothing if all have."""
    for entry in os.scandir(f"/proc/{pid}/task"):
        maps = Path(entry.path, "maps").read_bytes()
        if maps:
            return maps
    return b""


def _is_another(path: str, own: Path) -> bool:
    """Whether both are there and are two; a process in a container of its own may know its file by another name."""
    try:
        return not os.path.samefile(path, own)
    except OSError:
        return False
