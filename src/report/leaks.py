"""Which remaining blocks are lost, and who holds the others: section LEAKS of a recording and the holders in `blocks`."""

import os
import struct
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, count
from typing import TYPE_CHECKING, Dict, FrozenSet, List, Optional, Set, Tuple

from . import block_file, data_names, reader
from .errors import CrunchError
from .frames import where
from .block_file import HOLDER_ROOT, Block, Root
from .symbols import Frame
from .suppressions import DEFINITE, INDIRECT, POSSIBLE, REACHABLE
from .words import plural, printable, size

if TYPE_CHECKING:
    from .run import Run

SUM = struct.Struct("<IIQQQQ")
KINDS = ("", REACHABLE, POSSIBLE, INDIRECT, DEFINITE)  # by enum cr_leak_class
WORDS = {DEFINITE: "definitely lost", INDIRECT: "indirectly lost", POSSIBLE: "possibly lost", REACHABLE: "still reachable"}
LONGEST_PATH = 1_000
REGISTERS = {("x86_64", number): text for number, text in enumerate(
    "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split())}


@dataclass(frozen=True)
class Total:
    blocks: int = 0
    bytes: int = 0


@dataclass
class Record:
    """The blocks of one kind from one call stack."""

    kind: str  # one of WORDS
    site: int  # number of the place in report.stacks
    blocks: int = 0
    bytes: int = 0
    indirect_blocks: int = 0  # lost through these, if they are definitely lost; counted as INDIRECT at their own sites too
    indirect_bytes: int = 0

    @property
    def all_bytes(self) -> int:
        return self.bytes + self.indirect_bytes


@dataclass(frozen=True)
class Step:
    """A station on the way from a block to what holds it."""

    text: str
    block: Optional[int] = None  # its number in `blocks`; None: the root
    frames: Tuple[Frame, ...] = ()  # of the stack frame, where the root is one


@dataclass(frozen=True)
class Leaks:
    """What is lost, largest first, and what is not. The runtimes' own blocks are left out."""

    totals: Dict[str, Total]  # by kind, all four
    records: List[Record]
    _run: "Run" = field(repr=False)

    def of(self, kind: str) -> List[Record]:
        """The records of a kind, largest first."""
        return [record for record in self.records if record.kind == kind]

    @property
    def lost(self) -> List[Record]:
        """What is lost for certain or perhaps, largest first; indirectly lost blocks are in the records through which they are."""
        return [record for record in self.records if record.kind in (DEFINITE, POSSIBLE)]

    def frames(self, record: Record) -> List[Frame]:
        """Where a record's blocks were allocated, innermost first. May ask the symbol tools."""
        run = self._run
        if run.stacks is None or run.tree is None:
            return []
        return run.tree.stack(run.tree.leaves[record.site])

    def kinds(self, record: Record) -> FrozenSet[str]:
        """The kinds of functions its blocks come from (block_file.KINDS)."""
        return frozenset(self._kinds.get((record.site, record.kind), ()))

    @cached_property
    def _kinds(self) -> Dict[Tuple[int, str], Set[str]]:
        found: Dict[Tuple[int, str], Set[str]] = {}
        blocks, stacks = self._run.blocks, self._run.stacks
        if blocks is None or stacks is None:
            return found
        seen = Counter(zip(blocks.column("site"), blocks.column("leak"), blocks.column("kind")))
        for site, leak, kind in seen:
            place = stacks.place_of[site] if site < len(stacks.place_of) else -1
            if leak < len(KINDS) and kind < len(block_file.KINDS):
                found.setdefault((place, KINDS[leak]), set()).add(block_file.KINDS[kind])
        return found

    def largest(self, records: List[Record]) -> Dict[Tuple[int, str], int]:
        """The number of the largest block of each of these records, by place and kind."""
        blocks, stacks = self._run.blocks, self._run.stacks
        found: Dict[Tuple[int, str], int] = {}
        if blocks is None or stacks is None:
            return found
        wanted = {(record.site, KINDS.index(record.kind)) for record in records}
        places = {place for place, _ in wanted}
        asked = bytes([*(place in places for place in stacks.place_of), 0])
        sites, kinds, sizes, none = blocks.column("site"), blocks.column("leak"), blocks.column("size"), len(asked) - 1
        for number in compress(count(), map(asked.__getitem__, (min(site, none) for site in sites))):
            key = stacks.place_of[sites[number]], kinds[number]
            if key in wanted:
                before = found.setdefault((key[0], KINDS[key[1]]), number)
                if sizes[number] > sizes[before]:
                    found[key[0], KINDS[key[1]]] = number
        return found

    def path(self, number: int) -> List[Step]:
        """From a block (its number in `blocks`) to what holds it, and so on: to a root or, if it is lost, to a block that nothing holds."""
        blocks = self._run.blocks
        steps: List[Step] = []
        met = set()
        while blocks is not None and number not in met and len(steps) < LONGEST_PATH:
            met.add(number)
            block = blocks[number]
            steps.append(Step(self._block_words(block), number))
            if block.holder & HOLDER_ROOT:
                steps.append(self._root_step(blocks.root(block.holder & ~HOLDER_ROOT)))
                break
            if not block.holder:
                break
            number = block.holder - 1
        return steps

    def _block_words(self, block: Block) -> str:
        return f"block 0x{block.address:x} of {plural(block.size, 'byte')}"

    def _root_step(self, root: Root) -> Step:
        thread = f"thread {root.thread}"
        frames: Tuple[Frame, ...] = ()
        if root.kind == block_file.ROOT_STACK:
            frames = self._run.symbols.at(root.pc, root.name, root.base) if root.pc else ()
            inside = f", in {frames[-1].name}" + (f" ({where(frames[-1], self._run.cwd)})" if where(frames[-1]) else "") if frames else ""
            return Step(f"stack of {thread}{inside}", frames=frames)
        if root.kind == block_file.ROOT_REGISTER:
            machine = self._run.recording.facts.get("machine", "") if self._run.recording else ""
            return Step(f"register {REGISTERS.get((machine, root.address), f'x{root.address}')} of {thread}")
        if root.kind == block_file.ROOT_DATA:
            return Step(self._data_words(root))
        return Step({block_file.ROOT_RUNTIME: "the C or C++ runtime", block_file.ROOT_USER: "the program, by crunch.h",
                     block_file.ROOT_FAR: "a root"}.get(root.kind, f"memory at 0x{root.address:x}"))

    def _data_words(self, root: Root) -> str:
        path = os.path.join(self._run.cwd, root.name)
        module = printable(os.path.basename(root.name))
        known = data_names.name(path, root.base, root.address)
        return f"{known} in {module}" if known else f"data of {module}+0x{root.address - root.base:x}"


def read(run: "Run") -> Optional[Leaks]:
    """What the tracker found when the program ended; None where it did not look. CrunchError where it makes no sense."""
    if run.recording is None or run.stacks is None or not run.recording.flags & reader.CLASSIFIED:
        return None
    sums: Dict[Tuple[int, str], Record] = {}
    totals = {kind: Total() for kind in WORDS}
    for number, (site, leak, blocks, size_, more, more_bytes) in enumerate(SUM.iter_unpack(run.recording.sections[reader.LEAKS].read())):
        if not 0 < leak < len(KINDS):
            raise CrunchError(f"{run.folder / 'recording'} is damaged: its leak {number} makes no sense")
        kind = KINDS[leak]
        totals[kind] = Total(totals[kind].blocks + blocks, totals[kind].bytes + size_)
        place = run.stacks.place_of[site] if site < len(run.stacks.place_of) else -1
        if place < 0:
            continue  # its call stack is lost
        record = sums.setdefault((place, kind), Record(kind, place))
        record.blocks += blocks
        record.bytes += size_
        record.indirect_blocks += more
        record.indirect_bytes += more_bytes
    return Leaks(totals, sorted(sums.values(), key=lambda record: (-record.all_bytes, record.site)), run)


def amount(record: Record) -> str:
    """'100 bytes in 1 block, and 110 bytes in 2 blocks through it'."""
    text = f"{size(record.bytes)} in {plural(record.blocks, 'block')}"
    if record.indirect_blocks:
        text += f", and {size(record.indirect_bytes)} in {plural(record.indirect_blocks, 'block')} through {'it' if record.blocks == 1 else 'them'}"
    return text
