"""What the heap takes beyond what the program asked for, at the end of a run: docs/time.md."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

from .errors import CrunchError

FILE = "fragmentation"
CLASSES = (("pages_empty", 0.0), ("pages_eighth", 1 / 8), ("pages_quarter", 1 / 4), ("pages_half", 1 / 2), ("pages_part", 1.0),
           ("pages_full", 1.0))  # name in the file, and the most of such a page that is live


@dataclass(frozen=True)
class Pages:
    """Resident pages of the heap of which at most `share` is live (the last: all of it)."""

    share: float
    count: int
    live_bytes: int


@dataclass(frozen=True)
class Fragmentation:
    """Of the live blocks at the end; by_place has usable bytes by number in Stacks.places."""

    page_bytes: int
    pages: List[Pages]
    heap_bytes: Optional[int]  # what the allocator had from the system; None: it cannot tell
    heap_unused: Optional[int]  # of that, what was in no block
    asked: int
    usable: int
    unknown_blocks: int  # whose usable size the allocator could not tell
    by_place: Dict[int, int]

    @property
    def slack(self) -> int:
        """Bytes in blocks that nobody asked for."""
        return self.usable - self.asked

    def sparse(self, share: float) -> Pages:
        """All resident pages of which at most this share is live."""
        found = [pages for pages in self.pages if pages.share <= share]
        return Pages(share, sum(pages.count for pages in found), sum(pages.live_bytes for pages in found))


def read(folder: Path, place_of: List[int]) -> Optional[Fragmentation]:
    """None where the file is missing: after a signal, or in a run of another kind of end."""
    path = folder / FILE
    try:
        lines = [line.split() for line in os.fsdecode(path.read_bytes()).splitlines()]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CrunchError(f"{path} cannot be read: {error.strerror}") from None
    values: Dict[str, int] = {}
    by_site: Dict[int, int] = {}
    pages = []
    try:
        for number, (key, *words) in enumerate(lines):
            if key == "site":
                by_site[int(words[0])] = int(words[1])
            elif key != "live_there":
                values[key] = int(words[0])
                if key in dict(CLASSES):
                    pages.append(Pages(dict(CLASSES)[key], values[key], int(lines[number + 1][1])))
        places: Dict[int, int] = {}
        for site, usable in by_site.items():
            if site < len(place_of) and place_of[site] >= 0:
                places[place_of[site]] = places.get(place_of[site], 0) + usable
        return Fragmentation(values["page_bytes"], pages, values.get("heap_bytes"), values.get("heap_unused"), values["asked"],
                             values["usable"], values["unknown_blocks"], places)
    except (KeyError, ValueError, IndexError):
        raise CrunchError(f"{path} is damaged") from None
