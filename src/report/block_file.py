"""The file `blocks`: every block that remained, and what holds it. Checked and raised as in reader.py."""

import heapq
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from .errors import CrunchError
from .files import FORMAT_VERSION, Bytes, bytes_of

BLOCK_RUNTIME, BLOCK_INHERITED, BLOCK_CONTENTS = 1, 2, 4
LEAK_UNKNOWN, LEAK_REACHABLE, LEAK_POSSIBLE, LEAK_INDIRECT, LEAK_DEFINITE = range(5)
HOLDER_ROOT = 0x80000000
ROOT_DATA, ROOT_STACK, ROOT_REGISTER, ROOT_MEMORY, ROOT_RUNTIME, ROOT_USER, ROOT_FAR = range(7)
NO_NAME = 0xffffffff
KINDS = ("malloc", "calloc", "realloc", "aligned", "new", "new[]", "zone")

BLOCKS_HEADER = struct.Struct("<8sIIQQQQ16x")
BLOCK = struct.Struct("<QQQIIBBBxI")
ROOT = struct.Struct("<QQQIIQ")
BLOCK_FIELDS = {"address": (0, "Q"), "size": (8, "Q"), "time_ns": (16, "Q"), "site": (24, "I"), "thread": (28, "I"), "kind": (32, "B"),
                "flags": (33, "B"), "leak": (34, "B"), "holder": (36, "I")}  # where they lie in a record, and how: see struct
UNFINISHED = 2**64 - 1


@dataclass(frozen=True)
class Block:
    """One live block (struct cr_block_entry)."""

    address: int
    size: int
    time_ns: int
    site: int
    thread: int
    kind: int
    flags: int
    leak: int = LEAK_UNKNOWN
    holder: int = 0  # 1 + number of a block, or HOLDER_ROOT | number of a root; 0: nothing known

    @property
    def runtime(self) -> bool:
        return bool(self.flags & BLOCK_RUNTIME)


@dataclass(frozen=True)
class Root:
    """A word that holds a block, and is none of a block's (struct cr_root_entry)."""

    address: int  # ROOT_REGISTER: its DWARF number
    pc: int  # ROOT_STACK: the return address of the frame it is in; 0: none
    base: int  # where the module `name` begins
    name: str
    kind: int
    thread: int  # the system's number; 0: none


class Blocks:
    """The file `blocks`, mapped: ten million records are looked at without making ten million objects."""

    def __init__(self, path: Path, data: Bytes) -> None:
        damage = f"{path} is damaged"
        if len(data) < BLOCKS_HEADER.size or data[:8] != b"crunch-b":
            raise CrunchError(f"{damage}: it is no list of blocks of crunch")
        _, version, record_bytes, count, _, roots, name_bytes = BLOCKS_HEADER.unpack_from(data)
        if version != FORMAT_VERSION or record_bytes != BLOCK.size:
            raise CrunchError(f"{path} has format version {version}; this crunch reads version {FORMAT_VERSION}")
        if count == UNFINISHED:
            raise CrunchError(f"{path} was not written to its end")
        if BLOCKS_HEADER.size + count * BLOCK.size > len(data):
            raise CrunchError(f"{damage}: it says it lists {count} blocks and is too short for them")
        self._roots_at = BLOCKS_HEADER.size + count * BLOCK.size
        self._names_at = self._roots_at + roots * ROOT.size
        if self._names_at + name_bytes > len(data):
            raise CrunchError(f"{damage}: it says it lists {roots} roots and is too short for them")
        self.path = path
        self._count = count
        self._roots = roots
        self._names_end = self._names_at + name_bytes
        self._data = data
        self._runtime: Optional[List[int]] = None
        self._largest: List[Block] = []

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Block:
        block = Block(*BLOCK.unpack_from(self._data, BLOCKS_HEADER.size + number * BLOCK.size))
        if block.kind >= len(KINDS):
            raise CrunchError(f"{self.path} is damaged: its block {number} is of an unknown kind")
        holder = block.holder & ~HOLDER_ROOT
        if block.leak > LEAK_DEFINITE or holder > self._count or (block.holder & HOLDER_ROOT and holder >= self._roots):
            raise CrunchError(f"{self.path} is damaged: its block {number} is held by nothing there is")
        return block

    def root(self, number: int) -> Root:
        """The root that a block's holder names, without HOLDER_ROOT."""
        address, pc, base, name, kind, thread = ROOT.unpack_from(self._data, self._roots_at + number * ROOT.size)
        at = self._names_at + name
        if kind > ROOT_FAR or (name != NO_NAME and at >= self._names_end):
            raise CrunchError(f"{self.path} is damaged: its root {number} makes no sense")
        text = b"" if name == NO_NAME else bytes(self._data[at:self._names_end]).partition(b"\0")[0]
        return Root(address, pc, base, os.fsdecode(text), kind, thread)

    def column(self, name: str) -> "memoryview":
        """One field of every record, by its name in BLOCK_FIELDS."""
        offset, code = BLOCK_FIELDS[name]
        width = struct.calcsize(code)
        records = memoryview(self._data)[BLOCKS_HEADER.size:BLOCKS_HEADER.size + self._count * BLOCK.size]
        return records.cast(code)[offset // width::BLOCK.size // width]

    def _runtime_numbers(self) -> List[int]:
        if self._runtime is None:
            self._runtime = [number for number, flags in enumerate(self.column("flags")) if flags & BLOCK_RUNTIME]
        return self._runtime

    def live_by_thread(self) -> Dict[int, Tuple[int, int]]:
        """Bytes and blocks of every thread that allocated some of them; what a parent's threads allocated is nobody's."""
        found: Dict[int, Tuple[int, int]] = {}
        for size, thread, flags in zip(self.column("size"), self.column("thread"), self.column("flags")):
            if not flags & BLOCK_INHERITED:
                before = found.get(thread, (0, 0))
                found[thread] = (before[0] + size, before[1] + 1)
        return found

    def largest(self, limit: int) -> List[Block]:
        """The program's own blocks, largest first, at most `limit`; a second call for fewer costs nothing."""
        if limit > len(self._largest):
            runtime = frozenset(self._runtime_numbers())
            top = heapq.nlargest(limit + len(runtime), zip(self.column("size"), range(0, -self._count, -1)))
            self._largest = [self[-number] for _, number in top if -number not in runtime]
        return self._largest[:limit]

    def runtime(self, limit: int) -> List[Block]:
        """The runtime's own blocks, largest first, at most `limit`."""
        return sorted(map(self.__getitem__, self._runtime_numbers()), key=lambda block: -block.size)[:limit]


def read_blocks(folder: Path) -> Optional[Blocks]:
    """Reads `blocks`."""
    path = folder / "blocks"
    data = bytes_of(path)
    return None if data is None else Blocks(path, data)
