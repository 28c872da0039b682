"""Names for the frames of a run: function, file and line, with inlined functions as frames of their own.

A return address lies behind the call, so the address before it is what is asked for. A file that is not the one the program had
loaded is never asked: its frames show as module+offset, and `troubles` says so.
"""

import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Callable, Dict, FrozenSet, Iterable, List, Optional, Tuple

from . import binary, debug_files, debuginfod, demangle, shared_cache, symbol_cache
from .debuginfod import Debuginfod
from .perf_map import PerfMap
from .stacks import MARKERS, REASONS, Module, Stacks
from .symbolizer import Answer, Tools, tools
from .words import printable

OWN_LIBRARY = "libcrunch."
NO_TOOL = ("functions and lines have no names here: install llvm-symbolizer (package llvm) or addr2line (package binutils) and "
           "run 'crunch --report' on the folder")
SECTION_WORDS = "[section: "
MISSING_WORDS = "[frames missing: "
Progress = Callable[[int, int], None]  # done and all


@dataclass(frozen=True)
class Frame:
    """A function that was on the stack. All text is printable; empty or 0: not known."""

    name: str  # the function; else module+0xoffset, an address, or why there is no frame
    file: str
    line: int
    column: int
    module: str  # path
    known: bool  # whether `name` is a function's
    inlined: bool = False  # into the frame outside of it


class Symbols:
    """The names of a run's frames, found when asked for."""

    def __init__(self, stacks: Stacks, pid: int, start_ns: int, folder: str, ask: Optional[Tools] = None,
                 servers: Optional[Debuginfod] = None) -> None:
        """pid: the process; start_ns: its start since 1970; folder: the one it was started in; servers: to be asked for debug
        information that is not here."""
        self._stacks = stacks
        self._start_ns = start_ns
        self._folder = folder
        self._ask = ask
        self._servers = servers
        self._perf_map = PerfMap(pid, start_ns)
        self._frames: Dict[int, Tuple[Frame, ...]] = {number: _marker(number) for number in range(MARKERS)}
        self._frames.update((pc, (Frame(f"{SECTION_WORDS}{printable(name)}]", "", 0, 0, "", False),)) for pc, name in stacks.sections.items())
        self.troubles: List[str] = []

    def resolve(self, pcs: Iterable[int], progress: Optional[Progress] = None) -> None:
        """Finds the names of these frames, all at once, which is much faster than one by one."""
        wanted: Dict[int, List[int]] = {}
        for pc in sorted(set(pcs).difference(self._frames)):
            wanted.setdefault(self._stacks.pc_modules[pc], []).append(pc)
        total, done = sum(map(len, wanted.values())), 0
        for number, found in wanted.items():
            module = self._stacks.modules[number]
            answers = self._answers(module, sorted({self._offset(pc, module) for pc in found}),
                                    lambda more, done=done: progress(done + more, total) if progress else None) if number else {}
            for pc in found:
                self._frames[pc] = self._named(pc, module, answers.get(self._offset(pc, module), []))
            done += len(found)

    def frames(self, pc: int) -> Tuple[Frame, ...]:
        """The frame of a pc, after the frames inlined into it; none for crunch's own code."""
        if pc not in self._frames:
            self.resolve([pc])
        return self._frames[pc]

    def mangled(self, wanted: Iterable[Frame]) -> Dict[Frame, FrozenSet[str]]:
        """Of C++ and Rust functions among these frames, the names as the linker has them; asks the tools, nothing is kept."""
        missing = {frame for frame in wanted if frame.known and not frame.name.replace("_", "").isalnum()}
        by_module: Dict[int, Dict[int, Tuple[Frame, ...]]] = {}
        for pc, frames in self._frames.items():
            if not missing.isdisjoint(frames):
                missing.difference_update(frames)
                number = self._stacks.pc_modules[pc]
                by_module.setdefault(number, {})[self._offset(pc, self._stacks.modules[number])] = frames
        found: Dict[Frame, FrozenSet[str]] = {}
        for number, asked in by_module.items():
            module = self._stacks.modules[number]
            path = os.path.join(self._folder, module.path)
            if number and why_not(path, module, self._start_ns) is None:
                ask = self._ask or tools(demangle=False)
                for frames, answer in zip(asked.values(), ask.ask(path, module, list(asked))):
                    for frame, (name, *_) in zip(frames, answer):
                        found[frame] = found.get(frame, frozenset()) | {printable(name)}
        return found

    def at(self, pc: int, path: str, base: int) -> Tuple[Frame, ...]:
        """The frame of a return address in a file that was there at the end, loaded at `base`: it need not be one of the stacks'."""
        known = [module for module in self._stacks.modules if module.path == path and module.start <= pc - 1 < module.end and not module.unloaded_ns]
        if not known:
            name = f"{os.path.basename(printable(path))}+0x{pc - base:x}" if path else f"0x{pc:x}"
            return (Frame(name, "", 0, 0, printable(path), False),)
        asked = pc - 1 - known[0].bias
        answer = self._answers(known[0], [asked], lambda _: None).get(asked, [])
        lines = [(printable(function), printable(file), line, column) for function, file, line, column in answer if function]
        if not lines:
            return (Frame(f"{os.path.basename(printable(path))}+0x{pc - known[0].bias:x}", "", 0, 0, printable(path), False),)
        return tuple(Frame(function, file, line, column, printable(path), True, inlined=number < len(lines) - 1)
                     for number, (function, file, line, column) in enumerate(lines))

    def _offset(self, pc: int, module: Module) -> int:
        """Where the call is, in the addresses of the module's symbol table."""
        return self._stacks.addresses[pc] - 1 - module.bias

    def _answers(self, module: Module, addresses: List[int], progress: Callable[[int], None]) -> Dict[int, Answer]:
        path = os.path.join(self._folder, module.path)
        trouble = why_not(path, module, self._start_ns)
        fetched = self._fetched(path, module)
        if fetched:
            path, trouble = str(fetched), None
        if trouble and shared_cache.may_have(module.path):
            return {address: [(name, "", 0, 0)] for address, name in shared_cache.ask(module, addresses).items()}
        ask = self._ask or tools()
        stamp = None if trouble is not None else [ask.name, *map(debug_files.stamp, debug_files.of(Path(path), module.build_id))]
        answers = symbol_cache.load(module.build_id, stamp)
        missing = [address for address in addresses if address not in answers]
        if not missing:
            return answers
        if stamp is None or not ask.name:
            self._say(NO_TOOL if trouble is None else trouble)
            return answers
        for count, (address, answer) in enumerate(zip(missing, ask.ask(path, module, missing))):
            answers[address] = answer
            progress(count)
        if not ask.name:
            self._say(NO_TOOL)
        else:
            known = demangle.swift(name for address in missing for name, *_ in answers.get(address, []))
            for address in missing if known else ():
                answers[address] = [(known.get(name, name), *where) for name, *where in answers.get(address, [])]
            symbol_cache.save(module.build_id, stamp, answers)
        return answers

    def _fetched(self, path: str, module: Module) -> Optional[Path]:
        """The file with the module's debug information that a server gave, now or before; None: it has its own, or there is none."""
        if binary.has_debug_info(Path(path)) or any(file.exists() for file in debug_files.separate(Path(path), module.build_id)):
            return None
        before = debuginfod.kept(module.build_id)
        if before and before.exists():
            return before
        found = self._servers.find(module.build_id, os.path.basename(module.path)) if self._servers else None
        for trouble in self._servers.troubles if self._servers else ():
            self._say(trouble)
        return found

    def _say(self, trouble: str) -> None:
        if trouble and trouble not in self.troubles:
            self.troubles.append(trouble)

    def _named(self, pc: int, module: Module, answer: Answer) -> Tuple[Frame, ...]:
        path = printable(module.path)
        if os.path.basename(path).startswith(OWN_LIBRARY):
            return ()
        lines = [(printable(function), printable(file), line, column) for function, file, line, column in answer if function]
        if lines:
            return tuple(Frame(function, file, line, column, path, True, inlined=number < len(lines) - 1)
                         for number, (function, file, line, column) in enumerate(lines))
        address = self._stacks.addresses[pc]
        if path:
            return (Frame(f"{os.path.basename(path)}+0x{address - module.bias:x}", "", 0, 0, path, False),)
        name = self._perf_map.name(address - 1)
        return (Frame(printable(name) or f"0x{address:x}", "", 0, 0, "", bool(name)),)


def _marker(number: int) -> Tuple[Frame, ...]:
    """What stands for the missing outermost frames; nothing for the root."""
    if not number:
        return ()
    return (Frame(f"{MISSING_WORDS}{REASONS.get(number, f'reason {number}')}]", "", 0, 0, "", False),)


@lru_cache(maxsize=4096)
def why_not(path: str, module: Module, start_ns: int) -> Optional[str]:
    """Why the file at this path must not be asked for names: it is not what the program had loaded. None: it may be asked.

    Empty: there never was a file, as of the kernel's vdso."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        status = None
    shown = printable(path)
    if status is None or not stat.S_ISREG(status.st_mode):
        is_file = module.path.startswith(("/", "."))
        return f"{shown} is no longer there, so its functions have no names" if is_file else ""
    if module.build_id and module.build_id not in binary.build_ids(Path(path)):
        return f"{shown} is not the file that ran (its build-id differs), so its functions have no names"
    if not module.build_id and status.st_mtime_ns > start_ns:
        return f"{shown} has changed since it ran, so its functions have no names"
    return None
