"""Which bytes of which blocks go into the page: as much of every block as fits, so that no block goes without."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Tuple

from . import reader
from .words import KIB, MIB

READ_BYTES = 16 * MIB  # what is read at most
PAGE_BYTES = 3 * MIB  # what it may come to when deflated
BLOCK_LIMITS_BYTES = (64 * KIB, 16 * KIB, 4 * KIB, KIB, 256, 64)


@dataclass(frozen=True)
class Contents:
    """The beginning of each block, and the limit it was cut at."""

    parts: List[bytes]
    limit: int
    cut: int  # blocks of which the page holds only the beginning


def select(folder: Path, blocks: Sequence[Tuple[int, int]]) -> Contents:
    """Reads the contents of blocks (address, size), the beginning of each where all of them would be too much for a page."""
    limits = [limit for limit in BLOCK_LIMITS_BYTES if sum(min(size, limit) for _, size in blocks) <= READ_BYTES]
    parts: List[bytes] = []
    limit = BLOCK_LIMITS_BYTES[-1]
    for limit in limits or [limit]:
        parts = [part[:limit] for part in parts] or [reader.read_contents(folder, block, min(size, limit)) for block, size in blocks]
        if len(zlib.compress(b"".join(parts), 1)) <= PAGE_BYTES:
            break
    return Contents(parts, limit, sum(size > limit for _, size in blocks))
