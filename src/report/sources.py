"""Source lines, as they are read when the report is made."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import List, Optional, Tuple

from .symbols import Frame
from .words import MIB, printable

LARGEST_BYTES = 8 * MIB
COLUMNS = 200
TAB_COLUMNS = 4


@dataclass(frozen=True)
class Line:
    """One line of source; `marked`: the one that is meant."""

    number: int
    text: str
    marked: bool


def excerpt(frame: Frame, folder: str, around: int = 2) -> List[Line]:
    """The source line of a frame with `around` lines before and after it; empty where the file is not there, or has no such line.

    `folder` is the one the program was started in."""
    if not frame.file or not frame.line:
        return []
    lines = _lines(os.path.join(folder, frame.file))
    if frame.line > len(lines):
        return []
    first = max(1, frame.line - around)
    last = min(len(lines), frame.line + around)
    return [Line(number, _shown(lines[number - 1]), number == frame.line) for number in range(first, last + 1)]


def changed_since(frame: Frame, folder: str, start_ns: int) -> bool:
    """Whether the file was written after the program's start, so that its lines may be others now."""
    try:
        return os.stat(os.path.join(folder, frame.file)).st_mtime_ns > start_ns
    except (OSError, ValueError):
        return False


def first_with_source(stack: List[Frame], own: List[bool], folder: str) -> Optional[Tuple[Frame, List[Line]]]:
    """The innermost own frame of a stack whose source is there, else the innermost of any; with its lines."""
    for wanted in (True, False):
        for frame, is_own in zip(stack, own):
            if is_own == wanted:
                lines = excerpt(frame, folder)
                if lines:
                    return frame, lines
    return None


@lru_cache(maxsize=64)
def _lines(path: str) -> List[bytes]:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > LARGEST_BYTES:
            return []
        return Path(path).read_bytes().split(b"\n")
    except (OSError, ValueError):
        return []


def _shown(line: bytes) -> str:
    text = printable(os.fsdecode(line.rstrip(b"\r")).expandtabs(TAB_COLUMNS))
    return text if len(text) <= COLUMNS else text[:COLUMNS - 1] + "…"
