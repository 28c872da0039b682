"""Reads what tests ask of a macOS library: a small reader of 64-bit Mach-O files, thin or universal.

Written from the format's description alone, so that it shares no mistake with what builds the library."""

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple

ARCHITECTURES = {0x01000007: "x86_64", 0x0100000C: "arm64"}
LC_SYMTAB, LC_LOAD_DYLIB, LC_ID_DYLIB, LC_SEGMENT_64 = 0x2, 0xC, 0xD, 0x19
LC_CODE_SIGNATURE, LC_VERSION_MIN_MACOSX, LC_BUILD_VERSION = 0x1D, 0x24, 0x32
LC_LOAD_WEAK_DYLIB, LC_REEXPORT_DYLIB, LC_LOAD_UPWARD_DYLIB = 0x80000018, 0x8000001F, 0x80000023
LC_DYLD_INFO, LC_DYLD_INFO_ONLY = 0x22, 0x80000022
LC_DYLD_EXPORTS_TRIE, LC_DYLD_CHAINED_FIXUPS = 0x80000033, 0x80000034
LOADS = (LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_REEXPORT_DYLIB, LC_LOAD_UPWARD_DYLIB)


@dataclass
class Section:
    segment: str
    name: str
    address: int
    size: int
    offset: int


@dataclass
class Segment:
    name: str
    address: int
    size: int
    offset: int
    file_size: int


@dataclass
class Symbol:
    name: str
    kind: int
    address: int

    @property
    def external(self) -> bool:
        return bool(self.kind & 0x01)

    @property
    def defined(self) -> bool:
        return self.kind & 0xE0 == 0 and self.kind & 0x0E == 0x0E


@dataclass
class Image:
    """One architecture's library. `binds` and `rebases`: what the loader writes to which address."""

    data: bytes
    architecture: str = ""
    install_name: str = ""
    libraries: List[str] = field(default_factory=list)
    minimum_os: Tuple[int, int] = (0, 0)
    segments: List[Segment] = field(default_factory=list)
    sections: List[Section] = field(default_factory=list)
    symbols: List[Symbol] = field(default_factory=list)
    exports: List[str] = field(default_factory=list)
    binds: Dict[int, str] = field(default_factory=dict)
    rebases: Dict[int, int] = field(default_factory=dict)
    lazy_binds: bytes = b""  # the code of those that are not made at load
    weak_imports: Set[str] = field(default_factory=set)
    signature: bytes = b""

    def section(self, segment: str, name: str) -> Optional[Section]:
        return next((s for s in self.sections if (s.segment, s.name) == (segment, name)), None)

    def contents(self, section: Section) -> bytes:
        return self.data[section.offset:section.offset + section.size]

    def symbol_at(self, address: int) -> str:
        names = [s.name for s in self.symbols if s.defined and s.address == address]
        return names[0] if names else f"0x{address:x}"


def uleb(data: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def text(data: bytes, at: int) -> str:
    return data[at:data.index(0, at)].decode()


# ---- exports ---------------------------------------------------------------------------------------------------------


def read_exports(trie: bytes, at: int = 0, prefix: str = "") -> Iterator[str]:
    if not trie:
        return
    size, at = uleb(trie, at)
    if size:
        yield prefix
    at += size
    count, at = trie[at], at + 1
    for _ in range(count):
        edge = text(trie, at)
        child, at = uleb(trie, at + len(edge) + 1)
        yield from read_exports(trie, child, prefix + edge)


# ---- fix-ups, as byte code (LC_DYLD_INFO) ----------------------------------------------------------------------------


def read_binds(image: Image, code: bytes) -> None:
    at = address = 0
    symbol = ""
    while at < len(code):
        operation, low, at = code[at] & 0xF0, code[at] & 0x0F, at + 1
        if operation == 0x20:  # library, as a number
            _, at = uleb(code, at)
        elif operation == 0x40:
            symbol = text(code, at)
            at += len(symbol) + 1
            if low & 0x1:
                image.weak_imports.add(symbol)
        elif operation == 0x60:  # addend
            _, at = uleb(code, at)
        elif operation == 0x70:
            offset, at = uleb(code, at)
            address = image.segments[low].address + offset
        elif operation == 0x80:
            offset, at = uleb(code, at)
            address = (address + offset) % 2**64
        elif operation in (0x90, 0xA0, 0xB0, 0xC0):
            count, skip = 1, 0
            if operation == 0xA0:
                skip, at = uleb(code, at)
            elif operation == 0xB0:
                skip = low * 8
            elif operation == 0xC0:
                count, at = uleb(code, at)
                skip, at = uleb(code, at)
            for _ in range(count):
                image.binds[address] = symbol
                address = (address + 8 + skip) % 2**64


def read_rebases(image: Image, code: bytes) -> None:
    at = address = 0
    while at < len(code):
        operation, low, at = code[at] & 0xF0, code[at] & 0x0F, at + 1
        count, skip = 0, 0
        if operation == 0x20:
            offset, at = uleb(code, at)
            address = image.segments[low].address + offset
        elif operation == 0x30:
            offset, at = uleb(code, at)
            address += offset
        elif operation == 0x40:
            address += low * 8
        elif operation == 0x50:
            count = low
        elif operation == 0x60:
            count, at = uleb(code, at)
        elif operation == 0x70:
            count = 1
            skip, at = uleb(code, at)
        elif operation == 0x80:
            count, at = uleb(code, at)
            skip, at = uleb(code, at)
        for _ in range(count):
            image.rebases[address] = stored_pointer(image, address)
            address += 8 + skip


def stored_pointer(image: Image, address: int) -> int:
    segment = next(s for s in image.segments if s.address <= address < s.address + s.size)
    return struct.unpack_from("<Q", image.data, segment.offset + address - segment.address)[0]


# ---- fix-ups, as chains through the data (LC_DYLD_CHAINED_FIXUPS) ----------------------------------------------------


def read_chains(image: Image, blob: bytes) -> None:
    _, starts, imports, symbols, count, kind, _ = struct.unpack_from("<7I", blob)
    layout, weak_bit, name_bit = {1: ("<I", 8, 9), 2: ("<Ii", 8, 9), 3: ("<QQ", 16, 32)}[kind]
    names = []
    for index in range(count):
        entry = struct.unpack_from(layout, blob, imports + index * struct.calcsize(layout))[0]
        names.append(text(blob, symbols + (entry >> name_bit)))
        if entry >> weak_bit & 1:
            image.weak_imports.add(names[-1])
    for index in range(struct.unpack_from("<I", blob, starts)[0]):
        info = struct.unpack_from("<I", blob, starts + 4 + 4 * index)[0]
        if info == 0:
            continue
        _, page_size, pointer_format, base, _, pages = struct.unpack_from("<IHHQIH", blob, starts + info)
        assert pointer_format in (2, 6), f"chained pointers of format {pointer_format}"
        for page in range(pages):
            start = struct.unpack_from("<H", blob, starts + info + 22 + 2 * page)[0]
            if start != 0xFFFF:
                follow_chain(image, image.segments[0].address + base + page * page_size + start, names)


def follow_chain(image: Image, address: int, names: List[str]) -> None:
    while True:
        value = stored_pointer(image, address)
        if value >> 63:
            image.binds[address] = names[value & 0xFFFFFF]
        else:
            image.rebases[address] = value & 0xFFFFFFFFF
        step = value >> 51 & 0xFFF
        if step == 0:
            return
        address += 4 * step


# ---- the file --------------------------------------------------------------------------------------------------------


def read_command(image: Image, number: int, at: int) -> None:
    data = image.data

    def get(layout: str, offset: int) -> Tuple:
        return struct.unpack_from("<" + layout, data, at + offset)

    if number == LC_SEGMENT_64:
        name, address, size, offset, file_size = get("16s4Q", 8)
        image.segments.append(Segment(name.rstrip(b"\0").decode(), address, size, offset, file_size))
        for index in range(get("I", 64)[0]):
            section, segment, address, size, offset = get("16s16s2QI", 72 + 80 * index)
            image.sections.append(Section(segment.rstrip(b"\0").decode(), section.rstrip(b"\0").decode(), address,
                                          size, offset))
    elif number == LC_ID_DYLIB:
        image.install_name = text(data, at + get("I", 8)[0])
    elif number in LOADS:
        image.libraries.append(text(data, at + get("I", 8)[0]))
    elif number in (LC_VERSION_MIN_MACOSX, LC_BUILD_VERSION):
        version = get("I", 8 if number == LC_VERSION_MIN_MACOSX else 12)[0]
        image.minimum_os = (version >> 16, version >> 8 & 0xFF)
    elif number == LC_CODE_SIGNATURE:
        offset, size = get("2I", 8)
        image.signature = data[offset:offset + size]
    elif number == LC_SYMTAB:
        symbols, count, strings, _ = get("4I", 8)
        for index in range(count):
            name, kind, _, _, value = struct.unpack_from("<IBBHQ", data, symbols + 16 * index)
            image.symbols.append(Symbol(text(data, strings + name), kind, value))


def read_linkedit(image: Image, number: int, at: int) -> None:
    """What refers to segments, so that those must have been read before."""
    def part(offset: int) -> bytes:
        start, size = struct.unpack_from("<2I", image.data, at + offset)
        return image.data[start:start + size]

    if number in (LC_DYLD_INFO, LC_DYLD_INFO_ONLY):
        read_rebases(image, part(8))
        for offset in (16, 24, 32):  # bound at load, weakly, lazily
            read_binds(image, part(offset))
        image.lazy_binds = part(32)
        image.exports += read_exports(part(40))
    elif number == LC_DYLD_EXPORTS_TRIE:
        image.exports += read_exports(part(8))
    elif number == LC_DYLD_CHAINED_FIXUPS:
        read_chains(image, part(8))


def read_image(data: bytes) -> Image:
    magic, cpu, _, _, count = struct.unpack_from("<5I", data)
    assert magic == 0xFEEDFACF, f"not a 64-bit Mach-O file: 0x{magic:x}"
    image = Image(data, ARCHITECTURES[cpu])
    for reader in (read_command, read_linkedit):
        at = 32
        for _ in range(count):
            number, size = struct.unpack_from("<2I", data, at)
            reader(image, number, at)
            at += size
    return image


def read_library(path: Path) -> Dict[str, Image]:
    """The library's images by architecture."""
    data = path.read_bytes()
    if data[:4] != b"\xca\xfe\xba\xbe":
        image = read_image(data)
        return {image.architecture: image}
    images = {}
    for index in range(struct.unpack_from(">I", data, 4)[0]):
        _, _, offset, size, log2 = struct.unpack_from(">5I", data, 8 + 20 * index)
        assert offset % (1 << log2) == 0, "a slice does not stand where its alignment says"
        image = read_image(data[offset:offset + size])
        images[image.architecture] = image
    return images


def signature_errors(image: Image) -> List[str]:
    """What is wrong with the image's ad-hoc signature: every page's hash is computed again."""
    if not image.signature:
        return ["there is no signature"]
    directory = None
    for index in range(struct.unpack_from(">I", image.signature, 8)[0]):
        kind, offset = struct.unpack_from(">2I", image.signature, 12 + 8 * index)
        if kind == 0:
            directory = image.signature[offset:]
    if directory is None or struct.unpack_from(">I", directory)[0] != 0xFADE0C02:
        return ["the signature has no code directory"]
    _, _, _, flags, hashes, _, _, count, limit = struct.unpack_from(">9I", directory)
    hash_bytes, hash_kind, _, page_log2 = directory[36:40]
    errors = [] if flags & 0x2 else ["the signature is not an ad-hoc one"]
    if (hash_bytes, hash_kind) != (32, 2) or limit != len(image.data) - len(image.signature):
        return errors + ["the signature does not cover the file with SHA-256"]
    page = 1 << page_log2
    for index in range(count):
        expected = directory[hashes + 32 * index:hashes + 32 * (index + 1)]
        if hashlib.sha256(image.data[index * page:min((index + 1) * page, limit)]).digest() != expected:
            errors.append(f"page {index} is not what was signed")
    return errors if count == -(-limit // page) else errors + ["not all pages are signed"]
