"""Answers of the symbol tools, kept between runs by build-id.

A file per build-id under $XDG_CACHE_HOME/crunch/symbols (~/.cache without it). It holds for as long as its stamp does: the tool,
the program's file and its separate debug file as they were. Whatever is wrong with it, it is as if it were not there. The
folder keeps at most MOST_BYTES; the files not used for longest go first.
"""

import json
import os
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from .symbolizer import Answer

FORMAT = 1
MOST_BYTES = 64 << 20
MOST_FILE_BYTES = 16 << 20


def folder() -> Optional[Path]:
    """Where the cache is; None where no place is known."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "crunch" / "symbols" if os.path.isabs(base) else None


def load(build_id: str, stamp: Optional[List[object]]) -> Dict[int, Answer]:
    """The answers for a build-id by address; `stamp` None takes whatever is there."""
    path = _path(build_id)
    if path is None:
        return {}
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            return {}
        kept = json.loads(path.read_text("utf-8"))
        if kept["format"] != FORMAT or (stamp is not None and kept["stamp"] != stamp):
            return {}
        answers = {int(address): [_line(*line) for line in answer] for address, answer in kept["answers"].items()}
        os.utime(path)
        return answers
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _line(function: str, file: str, line: int, column: int) -> tuple:
    return str(function), str(file), int(line), int(column)


def save(build_id: str, stamp: List[object], answers: Mapping[int, Answer]) -> None:
    """Keeps the answers for a build-id, if that is possible."""
    path = _path(build_id)
    text = json.dumps({"format": FORMAT, "stamp": stamp, "answers": answers}, separators=(",", ":"))
    if path is None or len(text) > MOST_FILE_BYTES:
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, "utf-8")
        os.replace(unfinished, path)
        _shrink(path.parent)
    except OSError:
        try:
            unfinished.unlink()
        except OSError:
            pass


def _path(build_id: str) -> Optional[Path]:
    base = folder()
    return base / f"{build_id}.json" if base and build_id else None


def _shrink(base: Path) -> None:
    files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(base) if entry.is_file())
    total = sum(size for _, size, _ in files)
    for _, size, path in files:
        if total <= MOST_BYTES:
            return
        os.unlink(path)
        total -= size
