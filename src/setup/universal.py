"""Makes one universal macOS library of cross-linked ones: universal.py OUTPUT THIN...

What a Mac's own tools do and zig's linker does not: symbols of the linker's making are not exported, all functions are bound when
the library is loaded (the first call of one must not need dyld, whose lock a stopped thread may hold), every slice has an ad-hoc
signature (arm64 loads nothing without one), and the slices stand in one file, each on a 16 KiB boundary.
"""

import hashlib
import os
import struct
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

LC_SYMTAB, LC_DYSYMTAB, LC_SEGMENT_64, LC_CODE_SIGNATURE = 0x2, 0xB, 0x19, 0x1D
LC_DYLD_INFO, LC_DYLD_INFO_ONLY, LC_DYLD_EXPORTS_TRIE = 0x22, 0x80000022, 0x80000033
HEADER_BYTES, NLIST_BYTES = 32, 16
N_PEXT, N_EXT = 0x10, 0x01
LINKERS_OWN = ("__mh_dylib_header", "___dso_handle")
SLICE_ALIGN_LOG2 = 14
SIGNED_PAGE_LOG2 = 12


def align(value: int, log2: int) -> int:
    return (value + (1 << log2) - 1) >> log2 << log2


class Slice:
    """A 64-bit Mach-O library, changed in place."""

    def __init__(self, path: Path):
        self.data = bytearray(path.read_bytes())
        self.name = path.name
        magic, self.cpu, self.subtype = self.get("3I", 0)
        if magic != 0xFEEDFACF:
            raise SystemExit(f"{path}: not a 64-bit Mach-O file")

    def get(self, layout: str, offset: int) -> Tuple[int, ...]:
        return struct.unpack_from("<" + layout, self.data, offset)

    def put(self, layout: str, offset: int, *values: int) -> None:
        struct.pack_into("<" + layout, self.data, offset, *values)

    def commands(self) -> Iterator[Tuple[int, int, int]]:
        """Number, offset and size of each load command."""
        offset = HEADER_BYTES
        for _ in range(self.get("I", 16)[0]):
            number, size = self.get("2I", offset)
            yield number, offset, size
            offset += size

    def command(self, *numbers: int) -> int:
        """Offset of the first command with one of the numbers, 0 if there is none."""
        return next((offset for number, offset, _ in self.commands() if number in numbers), 0)

    def segment(self, name: bytes) -> int:
        return next(offset for number, offset, _ in self.commands()
                    if number == LC_SEGMENT_64 and self.get("16s", offset + 8)[0].rstrip(b"\0") == name)


# ---- exports ---------------------------------------------------------------------------------------------------------


def read_uleb(data: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at


def uleb(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def read_trie(trie: bytes, at: int = 0, prefix: bytes = b"") -> Dict[bytes, bytes]:
    """Exported names and what the trie says about each."""
    size, at = read_uleb(trie, at)
    found = {prefix: trie[at:at + size]} if size else {}
    at += size
    children, at = trie[at], at + 1
    for _ in range(children):
        end = trie.index(0, at)
        child, after = read_uleb(trie, end + 1)
        found.update(read_trie(trie, child, prefix + trie[at:end]))
        at = after
    return found


class Node:
    """Of a trie in the making: what is said of the name that ends here, and the nodes that longer names lead to."""

    def __init__(self, exports: Dict[bytes, bytes]) -> None:
        self.facts = exports.get(b"")
        self.children: List[Tuple[bytes, Node]] = []
        self.offset = 0
        for first in sorted({name[:1] for name in exports if name}):
            found = {name: facts for name, facts in exports.items() if name[:1] == first}
            edge = os.path.commonprefix(list(found))
            self.children.append((edge, Node({name[len(edge):]: facts for name, facts in found.items()})))

    def all(self) -> "List[Node]":
        return [self, *(node for _, child in self.children for node in child.all())]

    def written(self) -> bytes:
        own = b"\0" if self.facts is None else uleb(len(self.facts)) + self.facts
        return own + bytes([len(self.children)]) + b"".join(edge + b"\0" + uleb(child.offset) for edge, child in self.children)


def write_trie(exports: Dict[bytes, bytes]) -> bytes:
    """Nodes one behind the other, the root first. How long one is depends on the offsets in it: they only grow until all fit."""
    nodes = Node(exports).all()
    while True:
        before = [node.offset for node in nodes]
        at = 0
        for node in nodes:
            node.offset = at
            at += len(node.written())
        if before == [node.offset for node in nodes]:
            return b"".join(node.written() for node in nodes)


def hide_in_trie(library: Slice) -> None:
    command = library.command(LC_DYLD_INFO, LC_DYLD_INFO_ONLY)
    place = command + 40 if command else library.command(LC_DYLD_EXPORTS_TRIE) + 8
    offset, size = library.get("2I", place)
    exports = read_trie(bytes(library.data[offset:offset + size])) if size else {}
    kept = {name: facts for name, facts in exports.items() if name.decode() not in LINKERS_OWN}
    if kept == exports:
        return
    trie = write_trie(kept)
    if len(trie) > size:
        raise SystemExit(f"{library.name}: more exports than the table of exports has room for")
    library.data[offset:offset + size] = trie.ljust(size, b"\0")
    library.put("I", place + 4, len(trie))


def hide_in_symbols(library: Slice) -> None:
    """Moves the linker's own symbols from the exported ones to the end of the local ones."""
    symbols, _, strings, _ = library.get("4I", library.command(LC_SYMTAB) + 8)
    dynamic = library.command(LC_DYSYMTAB)
    locals_count, first, count = library.get("3I", dynamic + 12)

    def name(index: int) -> str:
        start = strings + library.get("I", symbols + index * NLIST_BYTES)[0]
        return library.data[start:library.data.index(0, start)].decode()

    indexes = range(first, first + count)
    own = [index for index in indexes if name(index) in LINKERS_OWN]
    order = own + [index for index in indexes if index not in own]
    entries = [bytes(library.data[symbols + i * NLIST_BYTES:symbols + (i + 1) * NLIST_BYTES]) for i in order]
    library.data[symbols + first * NLIST_BYTES:symbols + (first + count) * NLIST_BYTES] = b"".join(entries)
    for index in range(first, first + len(own)):
        kind = symbols + index * NLIST_BYTES + 4
        library.data[kind] = library.data[kind] & ~N_EXT | N_PEXT
    library.put("I", dynamic + 12, locals_count + len(own))
    library.put("2I", dynamic + 16, first + len(own), count - len(own))
    moved = {old: first + new for new, old in enumerate(order)}
    indirect, indirect_count = library.get("2I", dynamic + 56)
    for offset in range(indirect, indirect + 4 * indirect_count, 4):
        index = library.get("I", offset)[0]
        library.put("I", offset, moved.get(index, index))


# ---- binding -----------------------------------------------------------------------------------------------------------

BIND_DONE, BIND_NAME = 0x00, 0x40
BIND_NUMBERS = {0x20: 1, 0x60: 1, 0x70: 1, 0x80: 1, 0xA0: 1, 0xC0: 2}  # of what has numbers behind it, how many
POINTERS_WITHOUT_ADDEND = b"\x51\x60\x00"


def bind_operations(code: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(code):
        start, operation, at = at, code[at] & 0xF0, at + 1
        if operation == BIND_NAME:
            at = code.index(0, at) + 1
        for _ in range(BIND_NUMBERS.get(operation, 0)):
            _, at = read_uleb(code, at)
        yield code[start:at]


def without_ends(code: bytes) -> bytes:
    """Each lazy bind ends with a byte that would end them all; the table's unused room is full of them."""
    return b"".join(operation for operation in bind_operations(code) if operation[0] != BIND_DONE)


def bind_at_load(library: Slice) -> None:
    """Makes the lazy binds ordinary ones. The table of the weak ones, between the two, is empty in what is written in C."""
    command = library.command(LC_DYLD_INFO, LC_DYLD_INFO_ONLY)
    if not command:
        return
    (bind, size), (_, weak_size), (lazy, lazy_size) = (library.get("2I", command + at) for at in (16, 24, 32))
    if not lazy_size:
        return
    if weak_size or not bind < lazy:
        raise SystemExit(f"{library.name}: binds are not laid out as expected")
    ordinary, late = bytes(library.data[bind:bind + size]), bytes(library.data[lazy:lazy + lazy_size])
    code = without_ends(ordinary) + POINTERS_WITHOUT_ADDEND + without_ends(late) + b"\0"
    room = lazy + lazy_size - bind
    if len(code) > room:
        raise SystemExit(f"{library.name}: more binds than there is room for")
    library.data[bind:bind + room] = code.ljust(room, b"\0")
    library.put("2I", command + 16, bind, room)
    library.put("2I", command + 32, 0, 0)


# ---- signature -------------------------------------------------------------------------------------------------------


def code_directory(library: Slice, identifier: bytes, limit: int) -> bytes:
    """Hashes of every page before `limit`; flags: ad hoc, made by a linker (so that codesign may replace it)."""
    page = 1 << SIGNED_PAGE_LOG2
    hashes = [hashlib.sha256(library.data[at:min(at + page, limit)]).digest() for at in range(0, limit, page)]
    text_offset, text_bytes = library.get("2Q", library.segment(b"__TEXT") + 40)
    head_bytes = 88
    body = identifier + b"\0" + b"".join(hashes)
    head = struct.pack(">9I4BI3I4Q", 0xFADE0C02, head_bytes + len(body), 0x20400, 0x20002,
                       head_bytes + len(identifier) + 1, head_bytes, 0, len(hashes), limit,
                       32, 2, 0, SIGNED_PAGE_LOG2, 0, 0, 0, 0, 0, text_offset, text_bytes, 0)
    return head + body


def sign(library: Slice, identifier: bytes) -> None:
    command = library.command(LC_CODE_SIGNATURE)
    if command:
        del library.data[library.get("I", command + 8)[0]:]
    else:
        count, size = library.get("2I", 16)
        command = HEADER_BYTES + size
        if any(library.data[command:command + 16]):
            raise SystemExit(f"{library.name}: no room for the signature's load command")
        library.put("2I", 16, count + 1, size + 16)
    library.data += bytes(align(len(library.data), 4) - len(library.data))
    limit = len(library.data)
    wrapped_bytes = 20 + len(code_directory(library, identifier, limit))
    library.put("4I", command, LC_CODE_SIGNATURE, 16, limit, wrapped_bytes)
    # The commands are signed too: all that says how long the file is must be right before the hashes are taken.
    linkedit = library.segment(b"__LINKEDIT")
    file_offset = library.get("Q", linkedit + 40)[0]
    file_bytes = limit + wrapped_bytes - file_offset
    library.put("Q", linkedit + 32, align(file_bytes, SLICE_ALIGN_LOG2))
    library.put("Q", linkedit + 48, file_bytes)
    directory = code_directory(library, identifier, limit)
    library.data += struct.pack(">5I", 0xFADE0CC0, wrapped_bytes, 1, 0, 20) + directory


# ---- the universal file ----------------------------------------------------------------------------------------------


def unite(slices: List[Slice]) -> bytes:
    header = struct.pack(">2I", 0xCAFEBABE, len(slices))
    body = b""
    start = at = 1 << SLICE_ALIGN_LOG2
    for library in slices:
        at = align(start + len(body), SLICE_ALIGN_LOG2)
        header += struct.pack(">5I", library.cpu, library.subtype, at, len(library.data), SLICE_ALIGN_LOG2)
        body = body.ljust(at - start, b"\0") + library.data
    return header.ljust(start, b"\0") + body


def main(output: str, *inputs: str) -> None:
    slices = [Slice(Path(path)) for path in inputs]
    for library in slices:
        hide_in_trie(library)
        hide_in_symbols(library)
        bind_at_load(library)
        sign(library, Path(output).name.encode())
    Path(output).write_bytes(unite(slices))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
