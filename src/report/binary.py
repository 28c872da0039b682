"""The identity of a program or library on disk: its GNU build-id or LC_UUID. Files may be anything; nothing is raised."""

import os
import struct
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, FrozenSet, Iterable, Iterator, List, Tuple

MOST_SEGMENTS = 1000
MOST_NOTE_BYTES = 1 << 16
MOST_SECTIONS, MOST_NAME_BYTES = 10_000, 1 << 20
MOST_SYMBOL_BYTES = 1 << 28
SYMBOL, FUNCTION_TYPES = struct.Struct("<IBBHQQ"), (0, 2, 10)  # of 64-bit ELF; STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC
PT_NOTE, NT_GNU_BUILD_ID = 4, 3
LC_UUID = 0x1B
ARCHITECTURES = {(0x01000007, None): "x86_64", (0x0100000C, None): "arm64", (0x0100000C, 2): "arm64e"}
ELF_MAGIC, MACHO_MAGIC, FAT_MAGIC = b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"


def build_ids(path: Path) -> FrozenSet[str]:
    """In hex; one for each architecture in the file; none if it has none or is no such file."""
    try:
        with open(path, "rb") as file:
            return frozenset(_ids(file))
    except (OSError, struct.error, ValueError, OverflowError):
        return frozenset()


def architecture(path: Path, build_id: str) -> str:
    """Of the part of a Mach-O file with this LC_UUID, as tools call it; empty: there is none, or none that is known."""
    try:
        with open(path, "rb") as file:
            for start in _macho_parts(file):
                if build_id in _macho_ids(file, start):
                    kind, variant = struct.unpack_from("<II", _at(file, start, 12), 4)
                    return ARCHITECTURES.get((kind, variant & 0xFFFFFF), ARCHITECTURES.get((kind, None), ""))
    except (OSError, struct.error, ValueError, OverflowError):
        pass
    return ""


def is_fat(path: Path) -> bool:
    """Whether it is a Mach-O file of several architectures."""
    try:
        with open(path, "rb") as file:
            return _at(file, 0, 4) == FAT_MAGIC
    except OSError:
        return False


def has_debug_info(path: Path) -> bool:
    """Whether an ELF file has a section .debug_info or .zdebug_info of its own."""
    return any(name in (b".debug_info", b".zdebug_info") for name, _ in _sections(path))


def debug_link(path: Path) -> str:
    """The name of the file with an ELF file's debug information, as its .gnu_debuglink has it; empty: it has none."""
    found = next((content for name, content in _sections(path, b".gnu_debuglink")), b"")
    return os.path.basename(os.fsdecode(found.partition(b"\0")[0]))


class Functions:
    """Which addresses of an ELF file's symbol table lie within a function, by the symbols of some files (stripped, and the debug information)."""

    def __init__(self, paths: Iterable[Path]) -> None:
        found: List[Tuple[int, int]] = []
        for path in paths:
            found += _functions(path)
        found.sort()
        self._starts = [start for start, _ in found]
        self._ends = list(accumulate((start + size for start, size in found), max))
        self._sized = [size > 0 for _, size in found]

    def has(self, address: int) -> bool:
        """A symbol without a size, as assembly has them, reaches to the next."""
        at = bisect_right(self._starts, address) - 1
        return at >= 0 and (address < self._ends[at] or not self._sized[at])


def _functions(path: Path) -> List[Tuple[int, int]]:
    """Start and size of every symbol that may be a function's."""
    tables = [table for name in (b".symtab", b".dynsym") for _, table in _sections(path, name, MOST_SYMBOL_BYTES)]
    return [(value, size) for table in tables for _, info, _, section, value, size in SYMBOL.iter_unpack(table[:len(table) // SYMBOL.size * SYMBOL.size])
            if section and info & 15 in FUNCTION_TYPES]


def _sections(path: Path, wanted: bytes = b"", most_bytes: int = 1 << 16) -> List[Tuple[bytes, bytes]]:
    """The names of an ELF file's sections; of those with the wanted name the beginning, too, and of no others then."""
    try:
        with open(path, "rb") as file:
            return list(_read_sections(file, wanted, most_bytes))
    except (OSError, struct.error, ValueError, OverflowError):
        return []


def _read_sections(file: BinaryIO, wanted: bytes, most_bytes: int) -> Iterator[Tuple[bytes, bytes]]:
    head = _at(file, 0, 64)
    if head[:4] != ELF_MAGIC or head[4:6] != b"\x02\x01":
        return
    (offset,) = struct.unpack_from("<Q", head, 40)
    size, count, names = struct.unpack_from("<HHH", head, 58)
    table = _at(file, offset, size * min(count, MOST_SECTIONS))
    start, length = struct.unpack_from("<QQ", table, names * size + 24)
    text = _at(file, start, min(length, MOST_NAME_BYTES))
    for number in range(len(table) // size if size else 0):
        (at,) = struct.unpack_from("<I", table, number * size)
        name = text[at:text.find(b"\0", at)]
        if not wanted:
            yield name, b""
        elif name == wanted:
            start, length = struct.unpack_from("<QQ", table, number * size + 24)
            yield name, _at(file, start, min(length, most_bytes))


def _ids(file: BinaryIO) -> Iterator[str]:
    if _at(file, 0, 4) == ELF_MAGIC:
        yield from _elf_ids(file)
    for start in _macho_parts(file):
        yield from _macho_ids(file, start)


def _macho_parts(file: BinaryIO) -> Iterator[int]:
    """Where they begin: one for each architecture."""
    magic = _at(file, 0, 4)
    if magic == MACHO_MAGIC:
        yield 0
    elif magic == FAT_MAGIC:
        (count,) = struct.unpack(">I", _at(file, 4, 4))
        for number in range(min(count, 16)):
            (offset,) = struct.unpack(">I", _at(file, 8 + number * 20 + 8, 4))
            if _at(file, offset, 4) == MACHO_MAGIC:
                yield offset


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _elf_ids(file: BinaryIO) -> Iterator[str]:
    head = _at(file, 0, 64)
    if head[4:6] != b"\x02\x01":  # 64 bits, little endian
        return
    (offset,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    table = _at(file, offset, size * min(count, MOST_SEGMENTS))
    for number in range(len(table) // size if size else 0):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", table, number * size)
        if kind == PT_NOTE:
            yield from _notes(_at(file, start, min(length, MOST_NOTE_BYTES)))


def _notes(data: bytes) -> Iterator[str]:
    position = 0
    while position + 12 <= len(data):
        name_bytes, id_bytes, kind = struct.unpack_from("<III", data, position)
        name = position + 12
        start = name + (name_bytes + 3 & ~3)
        if kind == NT_GNU_BUILD_ID and data[name:name + 4] == b"GNU\0" and id_bytes:
            yield data[start:start + id_bytes].hex()
        position = start + (id_bytes + 3 & ~3)


def _macho_ids(file: BinaryIO, start: int) -> Iterator[str]:
    count, size = struct.unpack_from("<II", _at(file, start, 32), 16)
    commands = _at(file, start + 32, min(size, 1 << 20))
    position = 0
    for _ in range(min(count, MOST_SEGMENTS)):
        command, length = struct.unpack_from("<II", commands, position)
        if command == LC_UUID:
            yield commands[position + 8:position + 24].hex()
        position += max(length, 8)
