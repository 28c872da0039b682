"""Programs made by hand: ELF and Mach-O files that hold just what crunch looks at."""

import plistlib
import struct
from typing import Optional, Sequence

from launcher import elf, macho


def gnu_hash(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def make_elf(loader: Optional[str] = "/lib64/ld-linux-x86-64.so.2", machine: int = 62, defines: Sequence[str] = (),
             needs: Sequence[str] = ("malloc",), soname: str = "", gnu: bool = True, bits: int = 64) -> bytes:
    """An ELF file whose one segment maps the whole of it at 0x400000."""
    base, names = 0x400000, b"\0"
    entries = [b"\0" * elf.SYMBOL.size]
    for name, section in [(name, 0) for name in needs] + [(name, 7) for name in defines]:
        entries.append(elf.SYMBOL.pack(len(names), 0x12, 0, section, 0, 0))
        names += name.encode() + b"\0"
    soname_at = len(names)
    names += soname.encode() + b"\0"
    first = 1 + len(needs)
    if gnu:
        hashes = [gnu_hash(name.encode()) & ~1 for name in defines]
        chain = [value | (number == len(hashes) - 1) for number, value in enumerate(hashes)]
        table = struct.pack("<IIIIQI", 1, first, 1, 0, 0, first if defines else 0) + struct.pack(f"<{len(chain)}I", *chain)
    else:
        table = struct.pack("<II", 1, len(entries)) + b"\0" * 4 * (1 + len(entries))
    interpreter = (loader or "").encode() + b"\0"
    parts, offset, places = [], 64 + 56 * 3, []
    for part in (interpreter, names, b"".join(entries), table):
        places.append(offset)
        parts.append(part)
        offset += len(part)
    tags = [(elf.DT_STRTAB, base + places[1]), (elf.DT_SYMTAB, base + places[2]),
            (elf.DT_GNU_HASH if gnu else elf.DT_HASH, base + places[3])]
    tags += [(elf.DT_SONAME, soname_at)] if soname else []
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags) + b"\0" * 16
    total = offset + len(dynamic)
    segments = struct.pack("<IIQQQQQQ", elf.PT_LOAD, 5, 0, base, base, total, total, 4096)
    segments += struct.pack("<IIQQQQQQ", elf.PT_DYNAMIC, 6, offset, base + offset, 0, len(dynamic), len(dynamic), 8)
    if loader is not None:
        segments += struct.pack("<IIQQQQQQ", elf.PT_INTERP, 4, places[0], 0, 0, len(interpreter), len(interpreter), 1)
    head = elf.MAGIC + bytes([2 if bits == 64 else 1, 1, 1]) + b"\0" * 9
    head += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, len(segments) // 56, 64, 0, 0)
    return (head + segments).ljust(64 + 56 * 3, b"\0") + b"".join(parts) + dynamic


def make_macho(cpu: int = macho.CPU_X86_64, subtype: int = 3, flags: Optional[int] = None,
               entitlements: Sequence[str] = (), dynamic: bool = True) -> bytes:
    """A thin Mach-O program, signed if `flags` is given."""
    commands = struct.pack("<II", macho.LC_LOAD_DYLINKER, 16) + b"dyld\0\0\0\0" if dynamic else b""
    count, signature = int(dynamic), b""
    if flags is not None:
        count += 1
        document = plistlib.dumps({name: True for name in entitlements})
        directory = struct.pack(">IIII", macho.CODE_DIRECTORY, 16, 0x20400, flags)
        granted = struct.pack(">II", macho.ENTITLEMENTS, 8 + len(document)) + document
        signature = struct.pack(">III", macho.EMBEDDED_SIGNATURE, 28 + len(directory) + len(granted), 2)
        signature += struct.pack(">IIII", 0, 28, 5, 28 + len(directory)) + directory + granted
        commands += struct.pack("<IIII", macho.LC_CODE_SIGNATURE, 16, 32 + len(commands) + 16, len(signature))
    return macho.MAGIC_64 + struct.pack("<IIIIIII", cpu, subtype, 2, count, len(commands), 0, 0) + commands + signature


def make_fat(*slices: bytes) -> bytes:
    """A universal file of these programs."""
    head, body, offset = struct.pack(">II", 0xCAFEBABE, len(slices)), b"", 4096
    for piece in slices:
        cpu, subtype = struct.unpack_from("<II", piece, 4)
        head += struct.pack(">IIIII", cpu, subtype, offset + len(body), len(piece), 12)
        body += piece
    return head.ljust(4096, b"\0") + body
