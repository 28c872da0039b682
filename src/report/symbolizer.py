"""The tools that know which source line an address stands for: llvm-symbolizer, addr2line, atos.

A tool is asked about one file at a time and answers, for every address, with the functions at it: the innermost inlined
one first, the one that really was called last. Answers are data from outside: any text, of any length.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from . import debug_files
from .binary import Functions, is_fat
from .binary import architecture as architecture_of
from .stacks import Module

Line = Tuple[str, str, int, int]  # function, file, line, column; '' and 0 where unknown
Answer = List[Line]

BATCH_BYTES = 16_000  # a pipe takes these without a reader at its other end
NAME_MOST = 2_000
RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
RUST_ESCAPES = {"$LT$": "<", "$GT$": ">", "$C$": ",", "$RF$": "&", "$BP$": "*", "$SP$": "@", "$LP$": "(", "$RP$": ")"}
NEWEST_LLVM, OLDEST_LLVM = 30, 13  # by the numbers distributions put behind the name; older ones have no JSON


class ToolFailed(Exception):
    """The tool is not there, does not understand, or has ended."""


class LlvmSymbolizer:
    """One process for all files. Knows dSYM bundles beside Mach-O files, too."""

    name = "llvm-symbolizer"

    def __init__(self, demangle: bool = True) -> None:
        self._names = "--demangle" if demangle else "--no-demangle"
        self._started: Optional["subprocess.Popen[bytes]"] = None

    def _process(self) -> "subprocess.Popen[bytes]":
        """Started when first needed: with all names in the cache there is no need."""
        path = _llvm_path()
        self._started = self._started or (_start([path, "--output-style=JSON", "--inlines", self._names]) if path else None)
        if self._started is None:
            raise ToolFailed
        return self._started

    def ask(self, path: str, module: Module, addresses: Sequence[int]) -> Iterator[Answer]:
        """Answers in the order of `addresses`, which are those of the file's symbol table; fewer if the file cannot be read."""
        quote = '"' if '"' not in path else "'"
        if "\n" in path or quote in path:  # cannot be said in the tool's input
            return
        part = f":{architecture_of(Path(path), module.build_id)}" if is_fat(Path(path)) else ""
        lines = [b"CODE %b%b%b 0x%x\n" % (quote.encode(), os.fsencode(path + part), quote.encode(), address) for address in addresses]
        per_batch = max(1, BATCH_BYTES // max(map(len, lines), default=1))
        for first in range(0, len(lines), per_batch):
            yield from self._batch(lines[first:first + per_batch])

    def _batch(self, lines: List[bytes]) -> Iterator[Answer]:
        process = self._process()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(b"".join(lines))
            process.stdin.flush()
            for _ in lines:
                yield llvm_answer(process.stdout.readline())
        except OSError:
            raise ToolFailed from None


def llvm_answer(text: bytes) -> Answer:
    """One line of llvm-symbolizer's JSON."""
    try:
        found = json.loads(text.decode("utf-8", "replace"))
        return [(_known(str(symbol.get("FunctionName", ""))), _known(str(symbol.get("FileName", ""))),
                 int(symbol.get("Line", 0)), int(symbol.get("Column", 0))) for symbol in found.get("Symbol", [])]
    except (ValueError, TypeError, AttributeError):
        raise ToolFailed from None


class Addr2line:
    """A process for each file."""

    name = "addr2line"

    def __init__(self, demangle: bool = True) -> None:
        self._names = ["-C"] if demangle else []

    def ask(self, path: str, module: Module, addresses: Sequence[int]) -> Iterator[Answer]:
        """As LlvmSymbolizer.ask."""
        text = _run([self.name, "-i", "-f", *self._names, "-a", "-e", os.path.abspath(path)], (f"0x{address:x}" for address in addresses))
        functions = Functions(debug_files.of(Path(path), module.build_id))
        for address, answer in zip(addresses, addr2line_answers(text, addresses)):
            believed = any(file for _, file, _, _ in answer) or functions.has(address)  # else it is the symbol before it, however far
            yield answer if believed else []


def addr2line_answers(text: str, addresses: Sequence[int]) -> Iterator[Answer]:
    """What `addr2line -i -f -C -a` prints: a line with the address, then pairs of function and file:line."""
    lines = text.split("\n")
    position = 0
    for number, address in enumerate(addresses):
        if position >= len(lines) or not _is_address(lines[position], address):
            return
        position += 1
        after = addresses[number + 1] if number + 1 < len(addresses) else None
        answer: Answer = []
        while position + 1 < len(lines) and not (after is not None and answer and _is_address(lines[position], after)):
            file, line = _place(lines[position + 1])
            answer.append((_known(lines[position]), file, line, 0))
            position += 2
        yield answer


def _is_address(text: str, address: int) -> bool:
    return re.fullmatch(r"0x0*" + f"{address:x}", text) is not None


class Atos:
    """macOS: a process for each file; knows dSYM bundles and the system's libraries. Demangles always."""

    name = "atos"

    def __init__(self, demangle: bool = True) -> None:
        del demangle

    def ask(self, path: str, module: Module, addresses: Sequence[int]) -> Iterator[Answer]:
        """As LlvmSymbolizer.ask."""
        architecture = architecture_of(Path(path), module.build_id) or os.uname().machine  # another one's under Rosetta
        command = [self.name, "-o", path, "-arch", architecture, "-l", f"0x{module.start:x}", "-fullPath"]
        asked = [f"0x{address + module.bias:x}" for address in addresses]
        answers = atos_answers(_run([*command, "-i"], iter(asked)))
        if len(answers) != len(asked):  # which line belongs to which address cannot be told: without inlined functions each has one
            answers = [[_atos_line(line)] for line in _run(command, iter(asked)).splitlines() if line.strip()]
        yield from answers if len(answers) == len(asked) else ()


def atos_answers(text: str) -> List[Answer]:
    """What `atos -i` prints: 'function (in module) (file:line)' for every function, an empty line behind every address."""
    blocks = re.split(r"\n[ \t]*\n", text.strip("\n")) if text.strip() else []
    return [[_atos_line(line) for line in block.splitlines() if line.strip()] for block in blocks]


def _atos_line(text: str) -> Line:
    match = re.fullmatch(r"(.*?) \(in [^()]*\)(?: \((.*):(\d+)\)| \+ \d+)?", text.strip())
    if not match:
        return ("", "", 0, 0)
    function, file, line = match.groups()
    return (_known("" if function.startswith("0x") else function), file or "", int(line or 0), 0)


def _known(name: str) -> str:
    return "" if name in ("??", "<invalid>") else rust_name(name[:NAME_MOST])


def rust_name(name: str) -> str:
    """A name of Rust's older mangling, which tools take for C++, as its author wrote it: without hash and escapes."""
    if not RUST_HASH.search(name):
        return name
    name = RUST_HASH.sub("", name)
    for escape, char in RUST_ESCAPES.items():
        name = name.replace(escape, char)
    name = re.sub(r"\$u([0-9a-f]{1,4})\$", lambda match: chr(int(match[1], 16)), name)
    return name.replace("..", "::").replace("::_<", "::<").lstrip("_")


def _place(text: str) -> Tuple[str, int]:
    """'a.c:12 (discriminator 3)' and '??:?' as file and line."""
    match = re.fullmatch(r"(.*):(\d+)(?: \(discriminator \d+\))?", text)
    return (_known(match[1]), int(match[2])) if match else (_known(text.rpartition(":")[0] or text), 0)


@lru_cache(maxsize=None)
def _llvm_path() -> Optional[str]:
    names = ["llvm-symbolizer"] + [f"llvm-symbolizer-{number}" for number in range(NEWEST_LLVM, OLDEST_LLVM - 1, -1)]
    return next(filter(None, map(shutil.which, names)), None)


def _environment() -> Dict[str, str]:
    """No tool may ask the network for debug information, nor translate its answers."""
    return {**{key: value for key, value in os.environ.items() if key != "DEBUGINFOD_URLS"}, "LC_ALL": "C"}


def _start(command: List[str]) -> Optional["subprocess.Popen[bytes]"]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                env=_environment())
    except OSError:
        return None


def _run(command: List[str], lines: Iterator[str]) -> str:
    try:
        done = subprocess.run(command, input="\n".join(lines).encode() + b"\n", stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, env=_environment(), check=False)
    except OSError:
        raise ToolFailed from None
    return done.stdout.decode("utf-8", "replace")


class Tools:
    """The tools of this machine, best first; one that fails is not asked again."""

    def __init__(self, demangle: bool = True) -> None:
        kinds = [Atos, LlvmSymbolizer] if sys.platform == "darwin" else [LlvmSymbolizer, Addr2line]
        self._tools = [kind(demangle) for kind in kinds if (_llvm_path() if kind is LlvmSymbolizer else shutil.which(kind.name))]

    @property
    def name(self) -> str:
        """The tool in use; empty: there is none."""
        return self._tools[0].name if self._tools else ""

    def ask(self, path: str, module: Module, addresses: Sequence[int]) -> Iterator[Answer]:
        """Answers in the order of `addresses`, as many as the tools could give."""
        given = 0
        for tool in list(self._tools):
            try:
                for answer in tool.ask(path, module, addresses[given:]):
                    given += 1
                    yield answer
                return
            except ToolFailed:
                self._tools.remove(tool)


@lru_cache(maxsize=None)
def tools(demangle: bool = True) -> Tools:
    """Shared by all that this run of crunch has to name."""
    return Tools(demangle)
