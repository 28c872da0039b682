"""Where the symbols of a program or library lie: in itself, or in separate debug information (gdb's manual, "Debugging Information in Separate Files")."""

from pathlib import Path
from typing import List

from . import binary

ROOT = Path("/usr/lib/debug")


def of(path: Path, build_id: str) -> List[Path]:
    """The file, and those that may hold more about it; they need not exist."""
    return [path, *separate(path, build_id)]


def separate(path: Path, build_id: str) -> List[Path]:
    """By build-id, and by the name that the file's .gnu_debuglink has."""
    by_id = [ROOT / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"] if build_id else []
    name = binary.debug_link(path)
    folders = [path.parent, path.parent / ".debug", ROOT / str(path.parent).lstrip("/")] if name else []
    return by_id + [folder / name for folder in folders]


def stamp(path: Path) -> List[int]:
    """Changes when the file does."""
    try:
        status = path.stat()
        return [status.st_size, status.st_mtime_ns]
    except OSError:
        return [0, 0]
