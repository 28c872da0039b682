"""Run folders as facts: the Python side of src/tracker/base/format.h and docs/format.md.

Everything read is checked; a file that does not hold what it should raises CrunchError with one sentence, never anything
else. A file that is not there is None: which files a folder must have depends on how the program ended.
"""

import heapq
import mmap
import os
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

from .errors import CrunchError

FORMAT_VERSION = 4
MARKER = ".crunch"

HEADER_BYTES = 8192
MAX_CHUNKS = 260
META, THREADS, SITES, EXTRAS, NODES, PCS, MODULES, STRINGS, ERRORS, TIMELINE, SERIES, HISTOGRAMS, THREADINFO, LEAKS = range(14)
ITEM_BYTES = (1, 128, 64, 32, 8, 8, 80, 1, 200, 64, 1024, 128, 128, 40)  # by section
RUNNING, EXITED, SIGNALLED, EXECED = 0, 1, 2, 3
FORKED, CHILD, STOPPED, SNAPSHOT, CLASSIFIED = 1, 2, 4, 8, 16
BLOCK_RUNTIME, BLOCK_INHERITED, BLOCK_CONTENTS = 1, 2, 4
LEAK_UNKNOWN, LEAK_REACHABLE, LEAK_POSSIBLE, LEAK_INDIRECT, LEAK_DEFINITE = range(5)
HOLDER_ROOT = 0x80000000
ROOT_DATA, ROOT_STACK, ROOT_REGISTER, ROOT_MEMORY, ROOT_RUNTIME, ROOT_USER, ROOT_FAR = range(7)
NO_NAME = 0xffffffff
KINDS = ("malloc", "calloc", "realloc", "aligned", "new", "new[]", "zone")

HEADER = struct.Struct("<8sIIQIIII" + "QQQQQQQ" + "QQ" + "qq" + "QQ" + "qq" + "QQQQQQ" + "256sI4xQQ120x")
SNAPSHOTS = struct.Struct("<8IQ2q")
SNAPSHOTS_AT = HEADER.size - SNAPSHOTS.size
SECTION = struct.Struct("<I4xQ")
CHUNK = struct.Struct("<I4xQQ")
SLOT = struct.Struct("<6Q5q40x")
BLOCKS_HEADER = struct.Struct("<8sIIQQQQ16x")
BLOCK = struct.Struct("<QQQIIBBBxI")
ROOT = struct.Struct("<QQQIIQ")
BLOCK_FIELDS = {"address": (0, "Q"), "size": (8, "Q"), "time_ns": (16, "Q"), "site": (24, "I"), "thread": (28, "I"), "kind": (32, "B"),
                "flags": (33, "B"), "leak": (34, "B"), "holder": (36, "I")}  # where they lie in a record, and how: see struct
UNFINISHED = 2**64 - 1
REPEATED = frozenset(("block", "register", "frame", "frames_left_out", "frames_missing", "module", "note", "thread_stack"))


@dataclass(frozen=True)
class Slot:
    """One thread's counters (struct cr_slot)."""

    allocations: int
    frees: int
    reallocations: int
    bytes_allocated: int
    bytes_freed: int
    untracked_frees: int
    handed_bytes: int
    handed_blocks: int
    high_bytes: int
    high_blocks: int
    low_bytes: int


@dataclass(frozen=True)
class Snapshots:
    """What a process says about its snapshots (struct cr_snapshots)."""

    wanted: int
    answered: int
    taken: int
    dropped: int
    writing: int
    signal: int
    timed: int
    requested: int
    longest_pause_ns: int
    heap_bytes_left: int
    heap_files_left: int


@dataclass(frozen=True)
class Section:
    """The items of one kind, still as bytes."""

    declared: int  # items; where the file could not grow, the last of them are lost
    item_bytes: int
    parts: Tuple[memoryview, ...]

    def read(self) -> bytes:
        """All items that were kept, one behind the other."""
        data = b"".join(self.parts)
        return data[:min(len(data) // self.item_bytes, self.declared) * self.item_bytes]


@dataclass(frozen=True)
class Recording:
    """The file `recording`."""

    state: int
    end_detail: int
    flags: int
    pid: int
    ppid: int
    start_wall_ns: int
    start_ns: int
    end_ns: int
    max_rss: int
    threads: int
    inherited_bytes: int
    inherited_blocks: int
    shared_bytes: int
    shared_blocks: int
    peak_bytes: int
    peak_blocks: int
    heap_bytes_left: int
    heap_files_left: int
    runtime_bytes: int
    runtime_blocks: int
    heap_files: int
    heap_bytes: int
    heap_left_out_files: int
    heap_left_out_bytes: int
    message: str  # why the tracker recorded less than it should, or nothing
    peak_epoch: int
    errors: int  # of the program's, repetitions included
    errors_left_out: int  # of these, those of which nothing more is kept
    snapshots: Snapshots
    sections: Tuple[Section, ...] = field(repr=False)
    slots: Tuple[Slot, ...]
    facts: Dict[str, str]
    arguments: Tuple[str, ...]
    environment: Tuple[str, ...]  # the names of its variables
    options: Dict[str, str]  # crunch's variables, with values


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


@dataclass(frozen=True)
class Fatal:
    """The file `fatal`: its first line, and its key value lines."""

    line: str
    values: Dict[str, str] = field(default_factory=dict)  # of keys that stand alone
    details: List[Tuple[str, str]] = field(default_factory=list)  # all lines in order, those whose keys repeat themselves too


StatValue = Union[int, float, str, None]


def read_recording(folder: Path) -> Optional[Recording]:
    """Reads `recording`, of a finished, a killed or a still running program."""
    heads = _heads(folder / "recording")
    data = _bytes_of(folder / "recording")
    if heads is None or data is None:
        return None
    damage = f"{folder / 'recording'} is damaged"
    if min(map(len, heads)) < HEADER_BYTES or heads[0][:8] != b"crunch-r":
        raise CrunchError(f"{damage}: it is no recording of crunch")
    (_, version, header_bytes, file_bytes, chunk_count, state, end_detail, flags, pid, ppid, *rest, message,
     peak_epoch, errors, errors_left_out) = HEADER.unpack_from(heads[2])
    if version != FORMAT_VERSION:
        raise CrunchError(f"{folder / 'recording'} has format version {version}; this crunch reads version {FORMAT_VERSION}")
    if header_bytes != HEADER_BYTES or file_bytes > len(data) or chunk_count > MAX_CHUNKS or state > EXECED:
        raise CrunchError(f"{damage}: its header makes no sense")
    sections = _sections(memoryview(data), heads, chunk_count, damage)
    slots = tuple(Slot(*values) for values in SLOT.iter_unpack(sections[THREADS].read()) if any(values))
    facts, lists = _facts(sections[META].read())
    text = os.fsdecode(message.split(b"\0")[0])
    return Recording(state, end_detail, flags, pid, ppid, *rest, text, peak_epoch, errors, errors_left_out,
                     Snapshots(*SNAPSHOTS.unpack_from(heads[2], SNAPSHOTS_AT)), sections, slots,
                     facts, tuple(lists["arg"]), tuple(lists["env"]), dict(option.partition("=")[::2] for option in lists["option"]))


def count_errors(folder: Path) -> int:
    """The program's errors so far, from the header of `recording` alone; 0 where there is none yet."""
    try:
        with open(folder / "recording", "rb") as file:
            head = file.read(HEADER.size)
    except OSError:
        return 0
    if len(head) < HEADER.size or head[:8] != b"crunch-r":
        return 0
    fields = HEADER.unpack(head)
    return int(fields[-2]) if fields[1] == FORMAT_VERSION else 0


def _heads(path: Path) -> Optional[List[bytes]]:
    """Three looks at the header, one after the other. A program that still runs adds first chunks, then items in them, then items that refer to these:
    so the number of items is taken from an earlier look than the chunks, and that of what refers to others from the earliest."""
    try:
        with open(path, "rb", buffering=0) as file:
            return [os.pread(file.fileno(), HEADER_BYTES, 0) for _ in range(3)]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CrunchError(f"{path} cannot be read: {error.strerror}") from None


def recorded_process(folder: Path) -> int:
    """The number of the process that a recording, maybe begun just now, is of; 0: there is none yet."""
    try:
        with open(folder / "recording", "rb") as file:
            head = file.read(HEADER.size)
    except OSError:
        return 0
    return HEADER.unpack(head)[8] if len(head) == HEADER.size and head[:8] == b"crunch-r" else 0


def _sections(data: memoryview, heads: List[bytes], chunk_count: int, damage: str) -> Tuple[Section, ...]:
    """The parts of every section, up to the first that is lost."""
    parts: List[List[memoryview]] = [[] for _ in ITEM_BYTES]
    lost = set()
    for number in range(chunk_count):
        kind, offset, size = CHUNK.unpack_from(heads[2], HEADER.size + len(ITEM_BYTES) * SECTION.size + number * CHUNK.size)
        if kind >= len(ITEM_BYTES) or (size and offset < HEADER_BYTES) or offset + size > len(data):
            raise CrunchError(f"{damage}: its part {number} is of no known kind or lies outside the file")
        if not size:
            lost.add(kind)
        elif kind not in lost:
            parts[kind].append(data[offset:offset + size])
    found = []
    for kind, expected in enumerate(ITEM_BYTES):
        item_bytes, declared = SECTION.unpack_from(heads[1 if kind <= STRINGS else 0], HEADER.size + kind * SECTION.size)
        room = sum(map(len, parts[kind]))
        if item_bytes != expected or (declared * expected > room and kind not in lost):
            raise CrunchError(f"{damage}: its section {kind} says it holds {declared} items and has no room for them")
        found.append(Section(declared, item_bytes, tuple(parts[kind])))
    return tuple(found)


def _facts(data: bytes) -> Tuple[Dict[str, str], Dict[str, List[str]]]:
    """What the recording knows of the process, and what it knows more than one of: arguments, variables, options."""
    facts: Dict[str, str] = {}
    lists: Dict[str, List[str]] = {"arg": [], "env": [], "option": []}
    for entry in data.split(b"\0"):
        key, equals, value = os.fsdecode(entry).partition("=")
        if equals and key in lists:
            lists[key].append(value)
        elif equals:
            facts[key] = value
    return facts, lists


class Blocks:
    """The file `blocks`, mapped: ten million records are looked at without making ten million objects."""

    def __init__(self, path: Path, data: "Bytes") -> None:
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


Bytes = Union[bytes, mmap.mmap]
MAPPED_FROM_BYTES = 256 << 20 if sys.platform == "darwin" else 65536  # there Python has the disk write all it holds back, before each mapping


def read_blocks(folder: Path) -> Optional[Blocks]:
    """Reads `blocks`."""
    path = folder / "blocks"
    data = _bytes_of(path)
    return None if data is None else Blocks(path, data)


NUMBERS = (
    "pid", "ppid", "allocations", "frees", "reallocations", "bytes_allocated", "bytes_freed", "peak_bytes", "peak_blocks",
    "live_bytes", "live_blocks", "runtime_bytes", "runtime_blocks", "inherited_bytes", "inherited_blocks",
    "untracked_frees", "errors", "threads", "max_rss", "heap_files", "heap_bytes", "heap_left_out_files", "heap_left_out_bytes",
)


LEAK_NUMBERS = ("definitely_lost_bytes", "definitely_lost_blocks", "indirectly_lost_bytes", "indirectly_lost_blocks",
                "possibly_lost_bytes", "possibly_lost_blocks", "still_reachable_bytes", "still_reachable_blocks")


def read_stats(folder: Path) -> Optional[Dict[str, StatValue]]:
    """Reads `stats`: counts as int, wall_seconds as float or None where nobody knows it, the rest as text."""
    path = folder / "stats"
    data = _bytes_of(path)
    if data is None:
        return None
    pairs = dict(_key_value(line) for line in os.fsdecode(bytes(data)).splitlines())
    if pairs.get("format") != str(FORMAT_VERSION):
        raise CrunchError(f"{path} is damaged or of another version than {FORMAT_VERSION}")
    stats: Dict[str, StatValue] = {"end": pairs.get("end", "unknown"), "tracking": pairs.get("tracking", "complete")}
    try:
        for key in NUMBERS:
            stats[key] = int(pairs[key])
        for key in LEAK_NUMBERS:  # there if the blocks were classified
            if key in pairs:
                stats[key] = int(pairs[key])
        wall = pairs["wall_seconds"]
        stats["wall_seconds"] = None if wall == "unknown" else float(wall)
    except (KeyError, ValueError) as error:
        raise CrunchError(f"{path} is damaged: {error.args[0]}") from None
    return stats


def read_fatal(folder: Path) -> Optional[Fatal]:
    """Reads `fatal`."""
    path = folder / "fatal"
    data = _bytes_of(path)
    if data is None:
        return None
    lines = os.fsdecode(bytes(data)).splitlines()
    if not lines or not lines[0].strip():
        raise CrunchError(f"{path} is damaged: it is empty")
    details = [_key_value(line) for line in lines[1:] if line.strip()]
    return Fatal(lines[0], {key: value for key, value in details if key not in REPEATED}, details)


def read_pairs(path: Path) -> Optional[Dict[str, str]]:
    """Reads a file of `key value` lines."""
    data = _bytes_of(path)
    return None if data is None else dict(_key_value(line) for line in os.fsdecode(bytes(data)).splitlines())


def read_contents(folder: Path, address: int, limit: int) -> bytes:
    """The first `limit` bytes of a block's contents; nothing where its file is gone."""
    try:
        with open(folder / "heap" / f"0x{address:x}", "rb") as file:
            return file.read(limit)
    except OSError:
        return b""


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


def _key_value(line: str) -> Tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


def _bytes_of(path: Path) -> Optional[Bytes]:
    """A file's bytes, mapped where that pays; None if there is no such file."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < MAPPED_FROM_BYTES:
                return file.read()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CrunchError(f"{path} cannot be read: {error.strerror}") from None
