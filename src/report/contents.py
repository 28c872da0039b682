"""Which bytes of which blocks go into the page: as much of every block as fits, so that no block goes without."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

from . import reader
from .reader import Block
from .words import KIB, MIB

PAGE_BUDGET_BYTES = 8 * MIB
BLOCK_LIMITS_BYTES = (64 * KIB, 16 * KIB, 4 * KIB, KIB, 256)


@dataclass(frozen=True)
class Contents:
    """Base64 bytes by block address, and the limit they were cut at."""

    by_address: Dict[int, str]
    limit: int
    cut: int  # blocks of which the page holds only the beginning


def select(folder: Path, blocks: Sequence[Block]) -> Contents:
    """Reads the contents of these blocks, the beginning of each where all of them would be too much for a page."""
    kept: List[Block] = [block for block in blocks if block.flags & reader.BLOCK_CONTENTS]
    limit = next((limit for limit in BLOCK_LIMITS_BYTES
                  if sum(min(block.size, limit) for block in kept) <= PAGE_BUDGET_BYTES), BLOCK_LIMITS_BYTES[-1])
    found: Dict[int, str] = {}
    for block in kept:
        data = reader.read_contents(folder, block, limit)
        if data is not None:
            found[block.address] = base64.b64encode(data).decode("ascii")
    return Contents(found, limit, sum(block.size > limit for block in kept))
