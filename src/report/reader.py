"""Run folders as facts: the Python side of src/tracker/base/format.h and docs/format.md.

Everything read is checked; a file that does not hold what it should raises CrunchError with one sentence, never anything
else. A file that is not there is None: which files a folder must have depends on how the program ended.
"""

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

from .errors import CrunchError
from .files import FORMAT_VERSION, bytes_of, key_value

MARKER = ".crunch"

HEADER_BYTES = 8192
MAX_CHUNKS = 260
META, THREADS, SITES, EXTRAS, NODES, PCS, MODULES, STRINGS, ERRORS, TIMELINE, SERIES, HISTOGRAMS, THREADINFO, LEAKS = range(14)
ITEM_BYTES = (1, 128, 64, 32, 8, 8, 80, 1, 200, 64, 1024, 128, 128, 40)  # by section
RUNNING, EXITED, SIGNALLED, EXECED = 0, 1, 2, 3
FORKED, CHILD, STOPPED, SNAPSHOT, CLASSIFIED = 1, 2, 4, 8, 16

HEADER = struct.Struct("<8sIIQIIII" + "QQQQQQQ" + "QQ" + "qq" + "QQ" + "qq" + "QQQQQQ" + "256sI4xQQ120x")
SNAPSHOTS = struct.Struct("<8IQ2q")
SNAPSHOTS_AT = HEADER.size - SNAPSHOTS.size
SECTION = struct.Struct("<I4xQ")
CHUNK = struct.Struct("<I4xQQ")
SLOT = struct.Struct("<6Q5q40x")
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
class Fatal:
    """The file `fatal`: its first line, and its key value lines."""

    line: str
    values: Dict[str, str] = field(default_factory=dict)  # of keys that stand alone
    details: List[Tuple[str, str]] = field(default_factory=list)  # all lines in order, those whose keys repeat themselves too


StatValue = Union[int, float, str, None]


def read_recording(folder: Path) -> Optional[Recording]:
    """Reads `recording`, of a finished, a killed or a still running program."""
    heads = _heads(folder / "recording")
    data = bytes_of(folder / "recording")
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
    data = bytes_of(path)
    if data is None:
        return None
    pairs = dict(key_value(line) for line in os.fsdecode(bytes(data)).splitlines())
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
    data = bytes_of(path)
    if data is None:
        return None
    lines = os.fsdecode(bytes(data)).splitlines()
    if not lines or not lines[0].strip():
        raise CrunchError(f"{path} is damaged: it is empty")
    details = [key_value(line) for line in lines[1:] if line.strip()]
    return Fatal(lines[0], {key: value for key, value in details if key not in REPEATED}, details)


def read_pairs(path: Path) -> Optional[Dict[str, str]]:
    """Reads a file of `key value` lines."""
    data = bytes_of(path)
    return None if data is None else dict(key_value(line) for line in os.fsdecode(bytes(data)).splitlines())


def read_contents(folder: Path, address: int, limit: int) -> bytes:
    """The first `limit` bytes of a block's contents; nothing where its file is gone."""
    try:
        with open(folder / "heap" / f"0x{address:x}", "rb") as file:
            return file.read(limit)
    except OSError:
        return b""
