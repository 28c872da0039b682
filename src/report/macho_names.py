"""Variables in a Mach-O file, for data_names: symbols of its data sections. They have no sizes, so each reaches to the next or to its section's end."""

import platform
import struct
from typing import Dict, List, Optional, Tuple

MAGIC, FAT_MAGIC = b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"
CPU = {"x86_64": 0x01000007, "arm64": 0x0100000C}
LC_SYMTAB, LC_SEGMENT_64 = 0x2, 0x19
SECTION, SYMBOL = struct.Struct("<16s16sQQIIII12x"), struct.Struct("<IBBHQ")
DEBUGGING, KIND, IN_SECTION = 0xE0, 0x0E, 0x0E  # bits of a symbol's type
LONGEST_NAME = 4096
MOST = 10_000  # commands

Span = Tuple[int, int]


def variables(data: bytes) -> Optional[Tuple[int, Dict[int, Tuple[int, str]]]]:
    """The address that the file's header is linked to; by their starts, ends and names of what lies in its data. None: it is no such file."""
    data = _part(data)
    if data[:4] != MAGIC:
        return None
    first, table = 0, (0, 0, 0, 0)
    sections: List[Optional[Span]] = []
    names: List[Tuple[int, int, str]] = []
    for number, at in _commands(data):
        if number == LC_SEGMENT_64:
            segment, address = struct.unpack_from("<16sQ", data, at + 8)
            first = address if segment.rstrip(b"\0") == b"__TEXT" else first
            sections += _sections(data, at)
        elif number == LC_SYMTAB:
            table = struct.unpack_from("<4I", data, at + 8)
    offset, count, strings, length = table
    text = data[strings:strings + length]
    for name, kind, section, _, value in SYMBOL.iter_unpack(data[offset:offset + count * SYMBOL.size]):
        span = sections[section - 1] if 0 < section <= len(sections) else None
        if span and not kind & DEBUGGING and kind & KIND == IN_SECTION and span[0] <= value < span[1]:
            names.append((value, span[1], text[name:name + LONGEST_NAME].partition(b"\0")[0].decode("utf-8", "replace")))
    names.sort()
    ends = [after[0] for after in names[1:]] + [1 << 64]
    return first, {value: (min(end, after), name[1:] if name.startswith("_") else name)
                   for (value, end, name), after in zip(names, ends) if after > value}


def _part(data: bytes) -> bytes:
    """Of a universal file, the part for this machine, else the first."""
    if data[:4] != FAT_MAGIC:
        return data
    (count,) = struct.unpack_from(">I", data, 4)
    parts = [struct.unpack_from(">5I", data, 8 + 20 * number) for number in range(min(count, 16))]
    chosen = next((part for part in parts if part[0] == CPU.get(platform.machine())), parts[0] if parts else None)
    return data[chosen[2]:chosen[2] + chosen[3]] if chosen else b""


def _commands(data: bytes) -> List[Tuple[int, int]]:
    found, at = [], 32
    for _ in range(min(struct.unpack_from("<I", data, 16)[0], MOST)):
        number, size = struct.unpack_from("<2I", data, at)
        found.append((number, at))
        at += max(size, 8)
    return found


def _sections(data: bytes, at: int) -> List[Optional[Span]]:
    """Of a segment: addresses of each section; None for one that is no data."""
    count = min(struct.unpack_from("<I", data, at + 64)[0], MOST)
    sections = [SECTION.unpack_from(data, at + 72 + 80 * number) for number in range(count)]
    return [(address, address + size) if segment.startswith(b"__DATA") else None for _, segment, address, size, *_ in sections]
