"""macOS: names for the functions of system libraries that are no files, but parts of the shared cache.

The cache is mapped into this Python as it was into the program, so the loader is asked here. It knows the libraries that this Python has
loaded itself, libSystem's and the C++ runtime among them, and only what they export: what lies behind a name may be another, hidden
function, so a name counts that begins no more than MOST_BYTES before.
"""

import ctypes
import os
import sys
from functools import lru_cache
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from .binary import LC_UUID
from .demangle import demangled
from .stacks import Module

PLACES = ("/usr/lib/", "/System/")
MOST_BYTES = 4096
HEADER_BYTES = 32


class DlInfo(ctypes.Structure):
    """Dl_info."""

    _fields_ = [("path", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p), ("address", ctypes.c_void_p)]


def may_have(path: str) -> bool:
    """Whether a module without a file may be in the cache."""
    return sys.platform == "darwin" and path.startswith(PLACES) and not os.path.exists(path)


def ask(module: Module, addresses: List[int]) -> Dict[int, str]:
    """Functions at addresses of the module's symbol table, as far as they are known."""
    image = _images().get(module.path)
    if image is None or _uuid(image[0], ctypes.string_at) != module.build_id:
        return {}
    names = {}
    for address in addresses:
        name = _name(image[0], address + image[1])
        if name:
            names[address] = name
    shown = dict(zip(names.values(), demangled(list(names.values()))))
    return {address: shown[name] for address, name in names.items()}


@lru_cache(maxsize=1)
def _images() -> Dict[str, Tuple[int, int]]:
    """Header and slide of what this Python has loaded."""
    return dict(_loaded(ctypes.CDLL(None)))


def _loaded(system: ctypes.CDLL) -> Iterator[Tuple[str, Tuple[int, int]]]:
    system._dyld_get_image_name.restype = ctypes.c_char_p
    system._dyld_get_image_header.restype = ctypes.c_void_p
    system._dyld_get_image_vmaddr_slide.restype = ctypes.c_ssize_t
    for number in range(system._dyld_image_count()):
        name, header = system._dyld_get_image_name(number), system._dyld_get_image_header(number)
        if name and header:
            yield os.fsdecode(name), (header, system._dyld_get_image_vmaddr_slide(number))


def _uuid(header: int, read: Callable[[int, int], bytes]) -> str:
    """LC_UUID of an image in memory, in hex; empty: it has none."""
    start = read(header, HEADER_BYTES)
    count, size = (int.from_bytes(start[at:at + 4], "little") for at in (16, 20))
    commands = read(header + HEADER_BYTES, size)
    at = 0
    for _ in range(count):
        number, length = (int.from_bytes(commands[at + more:at + more + 4], "little") for more in (0, 4))
        if number == LC_UUID:
            return commands[at + 8:at + 24].hex()
        at += max(length, 8)
    return ""


def _name(header: int, address: int) -> Optional[str]:
    info = DlInfo()
    found = ctypes.CDLL(None).dladdr(ctypes.c_void_p(address), ctypes.byref(info))
    if not found or info.base != header or not info.name or not info.address or address - info.address >= MOST_BYTES:
        return None
    name = info.name.decode("utf-8", "replace")
    return None if name == "<redacted>" else name
