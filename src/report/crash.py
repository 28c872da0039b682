"""Why a run crashed: what the tracker wrote into `fatal` and `maps`, with names for its frames.

The tracker explains a crash in words itself (docs/crashes.md); here its stacks get functions and lines, and the blocks that
have to do with the address get the stacks they were allocated and freed by.
"""

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from . import block_file, frames, reader
from .errors import CrunchError
from .stacks import MARKERS, Module, Stacks
from .symbols import Frame, Symbols
from .words import printable, unescaped

if TYPE_CHECKING:
    from .run import Run

MOST_MAPPINGS = 20_000  # as many as the tracker writes
LEFT_OUT = "[frames left out]"  # of a deep stack; as a frame its `line` says how many
FRAME = re.compile(r"0x([0-9a-f]{1,16}) (at|after) (\S+)(?: .*)?")
BLOCK = re.compile(r"(below|above|pointed) 0x([0-9a-f]{1,16}) (live|freed) (\d{1,20}) (\d{1,3}) (\d{1,10}) (\d{1,10}) (\d{1,10}) (\d{1,10})")
MODULE = re.compile(r"0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) ([0-9a-f]{2,64}|-) (\S+)")
REGISTER = re.compile(r"(\w{1,16}) 0x([0-9a-f]{1,16})")
THREAD = re.compile(r"(\d{1,20})(?: (.*))?")
MAPPING = re.compile(r"0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16}) ([rwxps-]{4}) 0x([0-9a-f]{1,16}) (.*)")


@dataclass(frozen=True)
class Neighbour:
    """A block that may have to do with the address."""

    where: str  # 'below' or 'above' the address, or 'pointed': a register of the instruction points into it
    address: int
    size: int
    state: str  # 'live' or 'freed'
    kind: str
    thread: int  # that allocated it; 0: not known
    explains: bool  # the sentence is about this one
    allocated: List[Frame]  # innermost first; empty: not known
    freed: List[Frame]


@dataclass(frozen=True)
class Thread:
    """Another thread that was there, and where it was."""

    id: int  # the system's number
    name: str  # printable
    frames: List[Frame]
    note: str  # why there are no frames; else empty


@dataclass(frozen=True)
class Mapping:
    """A line of the memory map."""

    start: int
    end: int
    access: str  # 'rw-p'
    offset: int
    path: str  # printable; empty: anonymous memory


@dataclass(frozen=True)
class Crash:
    """A crash, explained. All text is printable."""

    line: str  # as the terminal says it first
    sentence: str  # why, in words; empty: there is nothing to say
    access: str  # 'read', 'write', 'execute'; empty: not known
    address: Optional[int]
    neighbours: List[Neighbour]  # by address; an address that is part of one of them lies in its size
    stack: List[Frame]  # of the thread that crashed, innermost first
    registers: List[Tuple[str, int]]
    instruction: bytes  # at the program counter; what follows it belongs to the next ones
    thread: int  # the system's number
    threads: List[Thread]  # the others
    mappings: List[Mapping]
    notes: List[str]  # what is missing, and why

    @property
    def explaining(self) -> Optional[Neighbour]:
        """The block that the sentence is about."""
        return next((block for block in self.neighbours if block.explains), None)


def read(run: "Run") -> Optional[Crash]:
    """The crash of a run; None if it did not crash, or the tracker did not see it. CrunchError if the folder is damaged."""
    return _Reader(run, run.fatal).crash() if run.crashed and run.fatal and run.fatal.details else None


def annotate(run: "Run") -> None:
    """Writes functions and lines behind the frames in the run's `fatal`; a second call changes nothing."""
    if run.fatal is None or not any(key == "frame" for key, _ in run.fatal.details):
        return
    named = _Reader(run, run.fatal)
    text = [os.fsencode(run.fatal.line)]
    for key, value in run.fatal.details:
        found = FRAME.fullmatch(value) if key == "frame" else None
        if found:
            value = f"0x{found[1]} {found[2]} {found[3]}"
            names = " in ".join(frames.line(frame, run.cwd) for frame in named.frames(value) if frame.known)
            value += f" {names}" if names else ""
        text.append(os.fsencode(f"{key} {value}"))
    path = run.folder / "fatal"
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.write_bytes(b"\n".join(text) + b"\n")
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise CrunchError(f"{path} cannot be written: {error.strerror}") from None


def shown(stack: List[Frame], program: str, most: int) -> List[Tuple[Frame, int]]:
    """The frames worth a line, at most `most`, with how often each repeats itself: the program's own ones or, where there are none, the
    innermost."""
    own = {frame for frame in stack if frames.is_own(frame, program)} or {frame for frame in stack if not frames.is_starter(frame)}
    found: List[Tuple[Frame, int]] = []
    left_out = 0
    for frame in stack:
        if frame.name == LEFT_OUT:
            left_out = frame.line
        elif frame in own and found and found[-1][0] == frame:
            found[-1] = (frame, found[-1][1] + 1 + left_out)
            left_out = 0
        elif frame in own:
            if len(found) == most:
                break
            found.append((frame, 1))
            left_out = 0
    return found


class _Reader:
    """One reading of `fatal`."""

    def __init__(self, run: "Run", fatal: reader.Fatal) -> None:
        self._run = run
        self._fatal = fatal
        self._path = run.folder / "fatal"

    def crash(self) -> Crash:
        fatal, values = self._fatal, self._fatal.values
        other = self._first("thread_stack")
        details = fatal.details[:other]
        self.symbols.resolve(range(MARKERS, MARKERS + len(self._pcs)), self._run.progress)
        address = values.get("address", "")
        return Crash(
            line=printable(fatal.line), sentence=printable(values.get("explanation", "")),
            access=printable(values.get("access", "")),
            address=int(address, 16) if re.fullmatch("0x[0-9a-f]{1,16}", address) else None,
            neighbours=self._neighbours(), stack=self._stack(details),
            registers=[(match[1], int(match[2], 16)) for match in self._matches("register", REGISTER)],
            instruction=self._instruction(), thread=_number(values.get("thread", "")), threads=self._threads(other),
            mappings=_mappings(self._run.folder), notes=[printable(value) for key, value in details if key == "note"])

    def frames(self, line: str) -> Tuple[Frame, ...]:
        """The frames of a `frame` line, those inlined into it first."""
        match = self._match("frame", line, FRAME)
        pc, exact = int(match[1], 16), match[2] == "at"
        found = self.symbols.frames(self._pcs[pc, exact])
        if not exact or any(frame.known for frame in found):
            return found
        module = self._modules[self._module(pc)]
        name = f"{os.path.basename(module.path)}+0x{pc - module.bias:x}" if module.path else f"0x{pc:x}"
        return tuple(replace(frame, name=printable(name)) for frame in found)

    # ---- names ----

    @cached_property
    def _modules(self) -> List[Module]:
        found = [Module(0, 0, 0, 0, 0, "", "")]
        for match in self._matches("module", MODULE):
            start, end, bias = (int(match[number], 16) for number in (1, 2, 3))
            found.append(Module(start, end, bias, 0, 0, unescaped(match[5]), "" if match[4] == "-" else match[4]))
        return found

    @cached_property
    def _pcs(self) -> Dict[Tuple[int, bool], int]:
        """Program counters, and whether they are exact: the item that stands for each."""
        found: Dict[Tuple[int, bool], int] = {}
        for match in [*self._matches("frame", FRAME), *self._matches("freed_by", FRAME)]:
            found.setdefault((int(match[1], 16), match[2] == "at"), MARKERS + len(found))
        return found

    @cached_property
    def symbols(self) -> Symbols:
        """Names for the frames of `fatal`. A return address lies behind its call, and names are asked for one byte before it: so one is added
        to what is exact."""
        run = self._run
        addresses = [0] * MARKERS + [pc + exact for pc, exact in self._pcs]
        modules = [0] * MARKERS + [self._module(pc - (not exact)) for pc, exact in self._pcs]
        stacks = Stacks([0] * MARKERS, list(range(MARKERS)), addresses, modules, self._modules, [], [])
        recording = run.recording
        if recording is None:
            return Symbols(stacks, run.count("pid"), 0, "/")
        return Symbols(stacks, recording.pid, recording.start_wall_ns, recording.facts.get("cwd", "/"))

    def _module(self, address: int) -> int:
        return next((number for number, module in enumerate(self._modules) if module.start <= address < module.end), 0)

    # ---- the parts ----

    def _stack(self, details: List[Tuple[str, str]]) -> List[Frame]:
        found: List[Frame] = []
        for key, value in details:
            if key == "frame":
                found += self.frames(value)
            elif key == "frames_left_out":
                found.append(Frame(LEFT_OUT, "", _number(value), 0, "", False))
            elif key == "frames_missing":
                found.append(Frame(f"[frames missing: {printable(value)}]", "", 0, 0, "", False))
        return found

    def _threads(self, first: int) -> List[Thread]:
        found: List[Thread] = []
        starts = [number for number in range(first, len(self._fatal.details)) if self._fatal.details[number][0] == "thread_stack"]
        for start, end in zip(starts, [*starts[1:], len(self._fatal.details)]):
            match = self._match("thread_stack", self._fatal.details[start][1], THREAD)
            details = self._fatal.details[start + 1:end]
            note = next((printable(value) for key, value in details if key == "note"), "")
            found.append(Thread(int(match[1]), printable(unescaped(match[2] or "")), self._stack(details), note))
        return found

    def _neighbours(self) -> List[Neighbour]:
        explained_by = self._fatal.values.get("explained_by", "")
        found: Dict[int, Neighbour] = {}
        for match in self._matches("block", BLOCK):
            where, state = match[1], match[3]
            address = int(match[2], 16)
            size, kind, site, freed_site, thread, freed_node = (int(match[number]) for number in range(4, 10))
            explains = where == explained_by
            if address in found and not explains:
                continue
            found[address] = Neighbour(where, address, size, state, block_file.KINDS[kind] if kind < len(block_file.KINDS) else "", thread,
                                       explains, self._site(site), self._freed(state, freed_site, freed_node))
        return [found[address] for address in sorted(found)]

    def _site(self, site: int) -> List[Frame]:
        """The stack of an item of SITES."""
        stacks = self._run.stacks
        place = stacks.place_at(site) if stacks and site else None
        if stacks is None or place is None:
            return []
        return [frame for pc in stacks.shown(*stacks.walk(place)) for frame in self._run.symbols.frames(pc)]

    def _freed(self, state: str, site: int, node: int) -> List[Frame]:
        """The stack of the call that freed a block: of a site, of a node, or only its caller."""
        stacks = self._run.stacks
        if state != "freed" or site or not stacks or not MARKERS <= node < len(stacks.parents):
            caller = self._fatal.values.get("freed_by", "") if state == "freed" and not site else ""
            return list(self.frames(caller)) if caller else self._site(site)
        found: List[Frame] = []
        while node >= MARKERS:
            found += self._run.symbols.frames(stacks.node_pcs[node])
            node = stacks.parents[node]
        return found

    def _instruction(self) -> bytes:
        try:
            return bytes.fromhex(self._fatal.values.get("instruction", ""))
        except ValueError:
            raise CrunchError(f"{self._path} is damaged: its line 'instruction' makes no sense") from None

    # ---- lines ----

    def _first(self, key: str) -> int:
        return next((number for number, detail in enumerate(self._fatal.details) if detail[0] == key), len(self._fatal.details))

    def _matches(self, key: str, pattern: "re.Pattern[str]") -> List["re.Match[str]"]:
        return [self._match(key, value, pattern) for found, value in self._fatal.details if found == key]

    def _match(self, key: str, value: str, pattern: "re.Pattern[str]") -> "re.Match[str]":
        match = pattern.fullmatch(value)
        if match is None:
            raise CrunchError(f"{self._path} is damaged: a line '{key}' makes no sense")
        return match


def _number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,20}", text) else 0


def _mappings(folder: Path) -> List[Mapping]:
    try:
        text = os.fsdecode((folder / "maps").read_bytes())
    except OSError:
        return []
    found = []
    for match in filter(None, map(MAPPING.fullmatch, text.splitlines()[:MOST_MAPPINGS])):
        found.append(Mapping(int(match[1], 16), int(match[2], 16), match[3], int(match[4], 16), printable(unescaped(match[5]))))
    return found
