"""The class of C++ objects, by the pointer to the table of virtual functions that they begin with.

A pointer lies in a symbol `_ZTV…` ("vtable for …") of a module: in ELF files its symbol tables are read here, on macOS atos is asked.
"""

import os
import struct
import sys
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Tuple

from .demangle import demangled
from .run import Run
from .stacks import Module
from .symbolizer import tools
from .symbols import why_not
from .words import printable

SYMTAB, DYNSYM = 2, 11
HEADER, SECTION, SYMBOL = struct.Struct("<40xQ10xHH2x"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ")
MOST_SECTIONS, MOST_TABLE_BYTES = 10_000, 1 << 28
PREFIX = "vtable for "


def names(run: Run, words: Iterable[int]) -> Dict[int, str]:
    """Of words that objects may begin with, those that point into a table of virtual functions, with the class."""
    if run.stacks is None or run.recording is None:
        return {}
    by_module: Dict[int, List[int]] = {}
    spans = [(module.start, module.end, number) for number, module in enumerate(run.stacks.modules) if number and not module.unloaded_ns]
    for word in set(words):
        for start, end, number in spans:
            if start <= word < end:
                by_module.setdefault(number, []).append(word)
                break
    found: Dict[int, str] = {}
    for number, inside in by_module.items():
        module = run.stacks.modules[number]
        path = os.path.join(run.recording.facts.get("cwd", "/"), module.path)
        if why_not(path, module, run.recording.start_wall_ns) is None:
            found.update(_darwin(path, module, inside) if sys.platform == "darwin" else _elf(path, module, inside))
    return found


def _elf(path: str, module: Module, words: List[int]) -> Dict[int, str]:
    mangled: Dict[int, str] = {}
    try:
        tables = sorted(_tables(Path(path).read_bytes()))
    except (OSError, struct.error, ValueError, OverflowError):
        return {}
    for word in words:
        address = word - module.bias
        for start, size, name in tables:
            if start <= address < start + max(1, size):
                mangled[word] = name
                break
    different = sorted(set(mangled.values()))
    shown = dict(zip(different, demangled(different)))
    return {word: printable(_class(shown[name])) for word, name in mangled.items()}


def _class(name: str) -> str:
    return name[len(PREFIX):] if name.startswith(PREFIX) else name


def _tables(data: bytes) -> Iterator[Tuple[int, int, str]]:
    """Address, size and name of every table in an ELF file of 64 bits."""
    if data[:6] != b"\x7fELF\x02\x01":
        return
    offset, width, count = HEADER.unpack_from(data)
    sections = [SECTION.unpack_from(data, offset + number * width) for number in range(min(count, MOST_SECTIONS))]
    for section in sections:
        if section[1] not in (SYMTAB, DYNSYM) or section[5] > MOST_TABLE_BYTES or section[6] >= len(sections):
            continue
        texts = sections[section[6]]
        strings = data[texts[4]:texts[4] + texts[5]]
        table = data[section[4]:section[4] + section[5] // SYMBOL.size * SYMBOL.size]
        for name, _, _, index, address, size in SYMBOL.iter_unpack(table):
            if index and strings.startswith(b"_ZTV", name):
                yield address, size, strings[name:strings.find(b"\0", name)].decode("ascii", "replace")


def _darwin(path: str, module: Module, words: List[int]) -> Dict[int, str]:
    answers = zip(words, tools().ask(path, module, [word - module.bias for word in words]))
    found = ((word, answer[0][0]) for word, answer in answers if answer)
    return {word: printable(name[len(PREFIX):]) for word, name in found if name.startswith(PREFIX)}
