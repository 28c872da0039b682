"""Names of variables: which symbol of an ELF or Mach-O file an address of data belongs to."""

import os
import re
import struct
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from . import macho_names
from .words import printable

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SEGMENT = struct.Struct("<IIQQQQQQ")
SYMBOL = struct.Struct("<IBBHQQ")
SYMTAB, DYNSYM, LOAD, OBJECT = 2, 11, 1, 1
LARGEST_BYTES = 1 << 30
LONGEST_NAME = 4096  # longer ones are cut
NESTED = re.compile(r"_Z(?:L|ZN?|N)*")  # what of a mangled name goes before the plain names in it

Table = Tuple[int, List[int], List[Tuple[int, str]]]  # the file's first address; starts; ends and names


def name(path: str, base: int, address: int) -> str:
    """'cache+0x40' for an address in a file that was loaded at `base`; empty where the file has no such symbol."""
    table = _table(path)
    if table is None:
        return ""
    first, starts, symbols = table
    wanted = address - base + first
    at = bisect_right(starts, wanted) - 1
    if at < 0 or wanted >= symbols[at][0]:
        return ""
    inside = wanted - starts[at]
    return printable(plain(symbols[at][1])) + (f"+0x{inside:x}" if inside else "")


def plain(mangled: str) -> str:
    """'ns::cache' for '_ZN2ns5cacheE'; names of functions' variables as well. What is not as simple as that stays as it is."""
    start = NESTED.match(mangled)
    rest = mangled[start.end():] if start else ""
    parts: List[str] = []
    while rest:
        count = re.match(r"\d{1,9}", rest)
        if count is None:
            break
        parts.append(rest[count.end():count.end() + int(count.group())])
        rest = re.sub(r"^(E[a-z]*E?|v)", "", rest[count.end() + int(count.group()):])
    parts = ["(anonymous namespace)" if part == "_GLOBAL__N_1" else part for part in parts]
    return "::".join(parts) if parts and not re.search(r"[A-Z]", rest) else mangled


@lru_cache(maxsize=64)
def _table(path: str) -> Optional[Table]:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > LARGEST_BYTES:
            return None
        with open(path, "rb") as file:  # macOS's shared cache is large, and neither
            known = file.read(4) in (b"\x7fELF", macho_names.MAGIC, macho_names.FAT_MAGIC)
        return _parse(Path(path).read_bytes()) if known else None
    except (OSError, ValueError, OverflowError, struct.error):
        return None


def _parse(data: bytes) -> Optional[Table]:
    if data[:6] != b"\x7fELF\x02\x01":
        other = macho_names.variables(data)
        return (other[0], sorted(other[1]), [other[1][start] for start in sorted(other[1])]) if other else None
    *_, segments_at, sections_at, _, _, segment_bytes, segments, section_bytes, sections, _ = HEADER.unpack_from(data)
    loaded = [SEGMENT.unpack_from(data, segments_at + number * segment_bytes) for number in range(segments)]
    first = min((address for kind, _, _, address, *_ in loaded if kind == LOAD), default=0) & ~0xfff
    headers = [SECTION.unpack_from(data, sections_at + number * section_bytes) for number in range(sections)]
    found: Dict[int, Tuple[int, str]] = {}
    for wanted in (DYNSYM, SYMTAB):  # the second knows more
        for _, kind, _, _, offset, size, link, *_ in headers:
            if kind == wanted and link < len(headers):
                _symbols(data[offset:offset + size], data[headers[link][4]:headers[link][4] + headers[link][5]], found)
    starts = sorted(found)
    return first, starts, [found[start] for start in starts]


def _symbols(table: bytes, names: bytes, found: Dict[int, Tuple[int, str]]) -> None:
    for offset, info, _, section, value, size in SYMBOL.iter_unpack(table[:len(table) // SYMBOL.size * SYMBOL.size]):
        if info & 15 == OBJECT and section and size:
            found[value] = (value + size, names[offset:offset + LONGEST_NAME].partition(b"\0")[0].decode("utf-8", "replace"))
