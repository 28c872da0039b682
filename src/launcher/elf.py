"""What an ELF file is, as far as preloading is concerned; pure functions on bytes that may be damaged."""

import os
import struct
from dataclasses import dataclass
from typing import List, Optional, Tuple

MAGIC = b"\x7fELF"
MACHINES = {"x86_64": 62, "amd64": 62, "aarch64": 183, "arm64": 183, "i686": 3, "i386": 3, "armv7l": 40, "ppc64le": 21,
            "riscv64": 243, "s390x": 22, "loongarch64": 258}
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SONAME, DT_GNU_HASH = 4, 5, 6, 10, 14, 0x6FFFFEF5
SYMBOL = struct.Struct("<IBBHQQ")


@dataclass(frozen=True)
class Elf:
    """The facts that decide whether a program can be recorded."""

    bits: int
    machine: int
    loader: Optional[str]  # None: the program is static
    soname: Optional[str]
    defines_malloc: bool


@dataclass(frozen=True)
class _Segment:
    kind: int
    offset: int
    address: int
    file_bytes: int


def parse(data: bytes) -> Optional[Elf]:
    """The facts of an ELF file; None if its headers make no sense, for the kernel to judge."""
    if len(data) < 64 or data[:4] != MAGIC:
        return None
    bits = {1: 32, 2: 64}.get(data[4], 0)
    order = {1: "<", 2: ">"}.get(data[5], "<")
    (machine,) = struct.unpack_from(order + "H", data, 18)
    if bits != 64 or order != "<":
        return Elf(bits, machine, "", None, False)
    try:
        segments = _segments(data)
        loader = next((_text(data, s.offset, s.file_bytes) for s in segments if s.kind == PT_INTERP), None)
        soname, defines_malloc = _dynamic(data, segments)
    except (struct.error, ZeroDivisionError, OverflowError):
        return None
    return Elf(bits, machine, loader, soname, defines_malloc)


def _segments(data: bytes) -> List[_Segment]:
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = []
    for number in range(count):
        kind, _, start, address, _, file_bytes = struct.unpack_from("<IIQQQQ", data, offset + number * size)
        segments.append(_Segment(kind, start, address, file_bytes))
    return segments


def _dynamic(data: bytes, segments: List[_Segment]) -> Tuple[Optional[str], bool]:
    """The library's own name, and whether the dynamic symbols define malloc."""
    table = next((s for s in segments if s.kind == PT_DYNAMIC), None)
    if table is None:
        return None, False
    tags = {}
    for position in range(table.offset, table.offset + table.file_bytes - 15, 16):
        tag, value = struct.unpack_from("<QQ", data, position)
        if tag == 0:
            break
        tags.setdefault(tag, value)
    strings, symbols = (_file_offset(segments, tags.get(tag)) for tag in (DT_STRTAB, DT_SYMTAB))
    if strings is None or symbols is None:
        return None, False
    soname = _text(data, strings + tags[DT_SONAME], 256) if DT_SONAME in tags else None
    for number in _candidates(data, segments, tags, b"malloc"):
        name, _, _, section, _, _ = SYMBOL.unpack_from(data, symbols + number * SYMBOL.size)
        if section != 0 and _text(data, strings + name, 7) == "malloc":
            return soname, True
    return soname, False


def _candidates(data: bytes, segments: List[_Segment], tags: dict, name: bytes) -> List[int]:
    """Numbers of the dynamic symbols that may be called `name`, from either kind of hash table."""
    gnu = _file_offset(segments, tags.get(DT_GNU_HASH))
    if gnu is not None:
        return _gnu_chain(data, gnu, name)
    old = _file_offset(segments, tags.get(DT_HASH))
    if old is None:
        return []
    (_, count) = struct.unpack_from("<II", data, old)
    return list(range(min(count, len(data) // SYMBOL.size)))


def _gnu_chain(data: bytes, table: int, name: bytes) -> List[int]:
    bucket_count, first, bloom_words, _ = struct.unpack_from("<IIII", data, table)
    wanted = 5381
    for byte in name:
        wanted = (wanted * 33 + byte) & 0xFFFFFFFF
    buckets = table + 16 + bloom_words * 8
    (number,) = struct.unpack_from("<I", data, buckets + wanted % bucket_count * 4)
    found: List[int] = []
    while number >= first:
        (entry,) = struct.unpack_from("<I", data, buckets + bucket_count * 4 + (number - first) * 4)
        if entry | 1 == wanted | 1:
            found.append(number)
        if entry & 1:
            break
        number += 1
    return found


def _file_offset(segments: List[_Segment], address: Optional[int]) -> Optional[int]:
    for segment in segments:
        if address is not None and segment.kind == PT_LOAD and 0 <= address - segment.address < segment.file_bytes:
            return address - segment.address + segment.offset
    return None


def _text(data: bytes, offset: int, limit: int) -> str:
    return os.fsdecode(bytes(data[offset:offset + min(limit, 4096)]).split(b"\0")[0])
