"""The threads of a run: by name, with what each allocated and freed, also those that ended."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from . import reader
from .errors import CrunchError
from .block_file import Blocks
from .reader import Recording

INFO = struct.Struct("<4I7Q32s24x")
RUNS, ENDED = 1, 2


@dataclass(frozen=True)
class Thread:
    """One thread; number 0 stands for `threads` ones that ended and have no entry of their own any more."""

    number: int
    name: str  # empty: not known
    system_id: int
    start_ns: int
    end_ns: int  # 0: it ran to the end
    allocations: int
    frees: int
    bytes_allocated: int
    bytes_freed: int  # whoever allocated them
    live_bytes: Optional[int]  # of what it allocated; None: not known without `blocks`
    live_blocks: Optional[int]
    threads: int = 1


def read(recording: Recording, blocks: Optional[Blocks], folder: Path) -> List[Thread]:
    """All threads that are known, those that allocated most first."""
    live = blocks.live_by_thread() if blocks is not None else None
    slots = list(reader.SLOT.iter_unpack(recording.sections[reader.THREADS].read()))
    found = []
    for item, values in enumerate(INFO.iter_unpack(recording.sections[reader.THREADINFO].read())):
        state, number, slot, _, system_id, start, end, allocations, frees, allocated, freed, name = values
        if item == 0 and number:
            found.append(Thread(0, "", 0, 0, 0, allocations, frees, allocated, freed, None, None, number))
        if item == 0 or state not in (RUNS, ENDED):
            continue
        if state == RUNS:
            if slot >= recording.sections[reader.THREADS].declared:
                raise CrunchError(f"{folder / 'recording'} is damaged: a thread has counters that do not exist")
            now = slots[slot] if slot < len(slots) else (0,) * 5
            allocations, frees = max(0, now[0] - allocations), max(0, now[1] - frees)
            allocated, freed = max(0, now[3] - allocated), max(0, now[4] - freed)
        own = live.get(number, (0, 0)) if live is not None else (None, None)
        found.append(Thread(number, os.fsdecode(name.split(b"\0")[0]), system_id, start, end if state == ENDED else 0,
                            allocations, frees, allocated, freed, *own))
    return sorted(found, key=lambda thread: -thread.bytes_allocated)
