"""What a Mach-O file is, as far as DYLD_INSERT_LIBRARIES is concerned; pure functions on bytes that may be damaged."""

import struct
from dataclasses import dataclass, replace
from typing import Iterator, List, Tuple

FAT_MAGICS = {b"\xca\xfe\xba\xbe": ">IIIII", b"\xca\xfe\xba\xbf": ">IIQQII"}
MAGIC_64 = b"\xcf\xfa\xed\xfe"
MAGICS = (MAGIC_64, b"\xce\xfa\xed\xfe", *FAT_MAGICS)
CPU_X86_64, CPU_ARM64 = 0x01000007, 0x0100000C
ARM64E = 2
LC_CODE_SIGNATURE, LC_LOAD_DYLINKER = 0x1D, 0xE
EMBEDDED_SIGNATURE, CODE_DIRECTORY, ENTITLEMENTS = 0xFADE0CC0, 0xFADE0C02, 0xFADE7171
CS_RESTRICT, CS_REQUIRE_LV, CS_RUNTIME = 0x800, 0x2000, 0x10000
DYLD_ENTITLEMENT = "com.apple.security.cs.allow-dyld-environment-variables"
NO_LV_ENTITLEMENT = "com.apple.security.cs.disable-library-validation"
PROTECTED = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/libexec/", "/usr/lib/", "/System/")


@dataclass(frozen=True)
class Slice:
    """One architecture's program inside the file."""

    cpu: int
    arm64e: bool
    dynamic: bool = False
    flags: int = 0
    entitlements: Tuple[str, ...] = ()

    @property
    def refuses_libraries(self) -> bool:
        """Whether dyld ignores DYLD_INSERT_LIBRARIES, or rejects a library signed by somebody else."""
        if self.flags & CS_RESTRICT:
            return True
        if self.flags & CS_RUNTIME and DYLD_ENTITLEMENT not in self.entitlements:
            return True
        return bool(self.flags & (CS_RUNTIME | CS_REQUIRE_LV)) and NO_LV_ENTITLEMENT not in self.entitlements


def protected(path: str) -> bool:
    """Whether System Integrity Protection strips DYLD_* variables for this (resolved) path."""
    return path.startswith(PROTECTED)


def parse(data: bytes) -> List[Slice]:
    """The programs in a thin or fat file; empty if its headers make no sense."""
    try:
        return [_slice(data[offset:offset + size]) for offset, size in _slices(data)]
    except (struct.error, ValueError, OverflowError):
        return []


def _slices(data: bytes) -> Iterator[Tuple[int, int]]:
    layout = FAT_MAGICS.get(bytes(data[:4]))
    if layout is None:
        yield 0, len(data)
        return
    (count,) = struct.unpack_from(">I", data, 4)
    for number in range(min(count, 32)):
        _, _, offset, size, *_ = struct.unpack_from(layout, data, 8 + number * struct.calcsize(layout))
        yield offset, size


def _slice(data: bytes) -> Slice:
    if bytes(data[:4]) != MAGIC_64:
        raise ValueError("not a 64-bit program")
    cpu, subtype, _, commands = struct.unpack_from("<IIII", data, 4)
    found = Slice(cpu, cpu == CPU_ARM64 and subtype & 0xFF == ARM64E)
    position = 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, position)
        if command == LC_LOAD_DYLINKER:
            found = replace(found, dynamic=True)
        elif command == LC_CODE_SIGNATURE:
            offset, length = struct.unpack_from("<II", data, position + 8)
            flags, entitlements = _signature(data[offset:offset + length])
            found = replace(found, flags=flags, entitlements=entitlements)
        if size < 8:
            break
        position += size
    return found


def _signature(data: bytes) -> Tuple[int, Tuple[str, ...]]:
    """The flags of the code directory, and the entitlements that are granted (true)."""
    magic, _, count = struct.unpack_from(">III", data)
    flags, entitlements = 0, ()
    if magic != EMBEDDED_SIGNATURE:
        return flags, entitlements
    for number in range(min(count, 64)):
        _, offset = struct.unpack_from(">II", data, 12 + number * 8)
        blob, length = struct.unpack_from(">II", data, offset)
        if blob == CODE_DIRECTORY:
            flags |= struct.unpack_from(">I", data, offset + 12)[0]
        elif blob == ENTITLEMENTS:
            entitlements = _granted(bytes(data[offset + 8:offset + length]))
    return flags, entitlements


def _granted(document: bytes) -> Tuple[str, ...]:
    import plistlib  # slow to import, and most programs have no entitlements

    try:
        values = plistlib.loads(document)
    except Exception:  # plistlib raises whatever its XML parser does; entitlements nobody can read grant nothing
        return ()
    return tuple(key for key, value in values.items() if value is True) if isinstance(values, dict) else ()
