"""How long the blocks of a place lived, how large they were, and what realloc did to them: docs/time.md.

Only blocks that have ended are counted; a site without an entry had none worth a histogram.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Tuple

from . import reader
from .errors import CrunchError
from .reader import Recording
from .stacks import EXTRA, SITE, Stacks
from .words import plural, size as bytes_words

LIVES, SIZES, RESIZES = 1, 2, 3
BY_ALLOCATIONS, BY_TIME, SIZE_BUCKETS = 16, 14, 30
HEAD = struct.Struct("<II")
COUNTS = struct.Struct("<30I")
RESIZE = struct.Struct("<5Q")
MOST = 2**32 - 1  # where a count stops
TIME_UNIT_NS = 2**20


@dataclass
class Histograms:
    """Of one place, summed over threads."""

    ended: int = 0  # blocks
    temporary: int = 0  # ended by their thread before it allocated another
    by_others: int = 0  # ended by another thread than the one that allocated
    by_allocations: List[int] = field(default_factory=lambda: [0] * BY_ALLOCATIONS)  # 0 to 3, 4 to 15, …; without temporary ones
    by_time: List[int] = field(default_factory=lambda: [0] * (1 + BY_TIME))  # below 1, 1 to 3, 4 to 15 … of 2^20 ns
    sizes: List[int] = field(default_factory=lambda: [0] * SIZE_BUCKETS)  # 0 and 1, 2 and 3, 4 to 7, … bytes
    grown: int = 0  # by realloc here
    shrunk: int = 0
    moved: int = 0
    copied_bytes: int = 0
    longest: int = 0  # most times that one block grew; 255: or more
    at_least: bool = False  # a count has reached its end

    def filled(self) -> List[Tuple[int, int]]:
        """The counts that are not 0, by number: first by allocations, then by time, then by size."""
        found, offset = [], 0
        for counts in (self.by_allocations, self.by_time, self.sizes):
            if any(counts):
                found += [(offset + bucket, count) for bucket, count in enumerate(counts) if count]
            offset += len(counts)
        return found


def read(recording: Recording, stacks: Stacks, folder: Path) -> Dict[int, Histograms]:
    """By number in stacks.places."""
    found: Dict[int, Histograms] = {}
    data = recording.sections[reader.HISTOGRAMS].read()
    size = reader.ITEM_BYTES[reader.HISTOGRAMS]
    sites = recording.sections[reader.SITES].read()
    extras = recording.sections[reader.EXTRAS].read()
    declared = max(1, recording.sections[reader.HISTOGRAMS].declared)
    for number, place in enumerate(stacks.place_of):
        if place < 0 or (number + 1) * EXTRA.size > len(extras):
            continue
        temporary, _, first_size, *items = EXTRA.unpack_from(extras, number * EXTRA.size)
        _, _, _, allocations, _, _, live_blocks, *_ = SITE.unpack_from(sites, number * SITE.size)
        ended = max(0, allocations - live_blocks)
        if not ended and not any(items):
            continue
        kept = found.get(place)
        if kept is None:
            kept = found[place] = Histograms()
        if not any(items):  # as most sites are
            _add_alike(kept, ended, temporary, first_size)
            continue
        counts = {kind: [0] * COUNTS.size for kind in (LIVES, SIZES)}
        for kind, item in enumerate(items, LIVES):
            if item >= declared:
                raise CrunchError(f"{folder / 'recording'} is damaged: a site has a histogram that does not exist")
            if not item or (item + 1) * size > len(data):
                continue
            if HEAD.unpack_from(data, item * size) != (number, kind):
                raise CrunchError(f"{folder / 'recording'} is damaged: a site has another site's histogram")
            if kind == RESIZES:
                _add_resizes(kept, RESIZE.unpack_from(data, item * size + HEAD.size))
            else:
                counts[kind] = list(COUNTS.unpack_from(data, item * size + HEAD.size))
        _add(kept, ended, temporary, first_size, counts[LIVES], counts[SIZES])
    return found


def _add_alike(kept: Histograms, ended: int, temporary: int, first_size: int) -> None:
    """One thread's counts at a site without a histogram: all its blocks had sizes of one bucket and short lives."""
    kept.ended += ended
    kept.temporary += temporary
    kept.by_others += max(0, ended - temporary)
    kept.by_time[0] += ended
    kept.sizes[_size_bucket(first_size)] += ended


def _size_bucket(size: int) -> int:
    return min(SIZE_BUCKETS, max(1, size.bit_length())) - 1


def _add(kept: Histograms, ended: int, temporary: int, first_size: int, lives: List[int], sizes: List[int]) -> None:
    """One thread's counts. What its sums lack is known: see struct cr_histogram."""
    by_allocations, by_time = lives[:BY_ALLOCATIONS], lives[BY_ALLOCATIONS:BY_ALLOCATIONS + BY_TIME]
    kept.ended += ended
    kept.temporary += temporary
    kept.by_others += max(0, ended - temporary - sum(by_allocations))
    kept.at_least = kept.at_least or MOST in lives or MOST in sizes
    for number, count in enumerate(by_allocations):
        kept.by_allocations[number] += count
    for number, count in enumerate([max(0, ended - sum(by_time)), *by_time]):
        kept.by_time[number] += count
    for number, count in enumerate(sizes[:SIZE_BUCKETS]):
        kept.sizes[number] += count
    kept.sizes[_size_bucket(first_size)] += max(0, ended - sum(sizes))


def _add_resizes(kept: Histograms, values: tuple) -> None:
    grown, shrunk, moved, copied_bytes, longest = values
    kept.grown += grown
    kept.shrunk += shrunk
    kept.moved += moved
    kept.copied_bytes += copied_bytes
    kept.longest = max(kept.longest, longest)


def resize_words(kept: Histograms) -> str:
    """'grew 17 times, 8 MB copied'; empty: realloc did nothing here."""
    if not kept.grown and not kept.shrunk:
        return ""
    words = [f"grew {plural(kept.grown, 'time')}"] if kept.grown else []
    words += [f"shrank {plural(kept.shrunk, 'time')}"] if kept.shrunk else []
    words += [f"{bytes_words(kept.copied_bytes)} copied"] if kept.copied_bytes else []
    words += [f"one block {kept.longest}{' or more' if kept.longest == 255 else ''} times"] if kept.longest > 1 else []
    return ", ".join(words)
