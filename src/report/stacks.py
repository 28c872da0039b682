"""The call stacks of a run with their exact counters, from the sections of its recording.

The tracker keeps an item per thread and place, and after a module was unloaded it may enter a frame a second time; here
the items of one place, and the nodes of one frame, are one. A frame is an item of PCS still; symbols.py gives it names.
"""

import os
import struct
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from . import reader
from .errors import CrunchError
from .reader import Recording

MARKERS = 16  # nodes and pcs below this number are no frames
ADDRESS_BITS = 48
SECTION = 0xffff  # instead of a pc's module: it is a section of the program's, and its address where its name lies
LOST = MARKERS - 1  # the tracker's own reasons have smaller numbers
TOO_DEEP = 5
REASONS = {
    1: "no unwind table for the code, and no frame pointer",
    2: "unwind table not understood",
    3: "implausible frame address",
    4: "stack not readable",
    TOO_DEEP: "too deep",
    6: "registers of the caller unknown",
    7: "interrupted another capture",
    14: "without --check only the caller of a free is kept",
    LOST: "not kept on disk",
}

SITE = struct.Struct("<QIIQQqiIqiI")
EXTRA = struct.Struct("<QQ4I")
MODULE = struct.Struct("<5QII32s")


@dataclass(frozen=True)
class Module:
    """A program or library that frames lie in. Times are nanoseconds since the start; unloaded_ns 0: there to the end."""

    start: int
    end: int
    bias: int  # address minus this is the address in the file's symbol table
    loaded_ns: int
    unloaded_ns: int
    path: str
    build_id: str  # hex; empty: it has none


@dataclass
class Place:
    """A call stack that allocated: frame `pc` under `node`. All counts are sums over the process's threads."""

    __slots__ = ("node", "pc", "allocations", "bytes", "live_bytes", "live_blocks", "peak_bytes", "peak_blocks", "temporary",
                 "lifetime_ns", "runtime_bytes", "runtime_blocks")
    node: int
    pc: int
    allocations: int
    bytes: int
    live_bytes: int  # at the end
    live_blocks: int
    peak_bytes: int  # live at the moment of the process's peak
    peak_blocks: int
    temporary: int  # freed by their thread before it allocated another
    lifetime_ns: int  # sum over the blocks that ended
    runtime_bytes: int  # of live_bytes, what the C and C++ runtimes keep for themselves
    runtime_blocks: int

    @property
    def own_bytes(self) -> int:
        """The program's own live bytes."""
        return self.live_bytes - self.runtime_bytes

    @property
    def own_blocks(self) -> int:
        return self.live_blocks - self.runtime_blocks

    @property
    def is_runtime(self) -> bool:
        """Whether everything that lives here is the runtimes' own."""
        return self.runtime_blocks > 0 and self.own_blocks <= 0

    @property
    def mean_lifetime_ns(self) -> int:
        """Over the blocks that ended; 0 if none did."""
        ended = self.allocations - self.live_blocks
        return self.lifetime_ns // ended if ended > 0 else 0


@dataclass(frozen=True)
class Stacks:
    """Distinct call stacks. A node is a frame (`node_pcs`) and, by `parents`, the frames outside of it."""

    parents: List[int]
    node_pcs: List[int]
    addresses: List[int]  # by pc: the return address, as it was then
    pc_modules: List[int]  # by pc: number of its module; 0: none
    modules: List[Module]
    places: List[Place]
    place_of: List[int]  # by item of SITES: index into places; -1: no place
    sections: Dict[int, str] = field(default_factory=dict)  # names of the program's sections, by the pcs that stand for them: outermost frames

    def walk(self, place: Place) -> Tuple[List[int], int]:
        """The pcs of a place, innermost first, and why frames outside of them are missing (a key of REASONS; 0: none are)."""
        found, marker = self.walk_node(place.node)
        return [place.pc, *found], marker

    def walk_node(self, node: int) -> Tuple[List[int], int]:
        """The same of a node, with its own frame as the innermost."""
        found = []
        if node >= len(self.parents):
            node = LOST
        while node >= MARKERS:
            found.append(self.node_pcs[node])
            node = self.parents[node]
        return found, node

    def shown(self, pcs: List[int], marker: int) -> List[int]:
        """What is shown of a walk: where frames are missing the marker stands for them, and a section is outside of that, too."""
        inside = len(pcs) - (bool(pcs) and pcs[-1] in self.sections)
        return [*pcs[:inside], *([marker] if marker else []), *pcs[inside:]]

    def place_at(self, site: int) -> Optional[Place]:
        """The place that an item of SITES, as blocks name it, belongs to."""
        at = self.place_of[site] if site < len(self.place_of) else -1
        return self.places[at] if at >= 0 else None

    def cut_short(self) -> Dict[int, int]:
        """Allocations whose stacks lack their outermost frames, by reason."""
        marker = list(range(MARKERS))  # of every node
        for parent in self.parents[MARKERS:]:
            marker.append(marker[parent])
        found: Dict[int, int] = {}
        for place in self.places:
            if marker[place.node]:
                found[marker[place.node]] = found.get(marker[place.node], 0) + place.allocations
        return found


def read(recording: Recording, path: Path) -> Stacks:
    """The stacks of a recording, which was read from `path`; CrunchError if they make no sense."""
    try:
        modules = _modules(recording)
        sections = _section_names(recording)
        addresses, pc_modules = _pcs(recording, len(modules))
        canonical, parents, node_pcs = _nodes(recording, len(addresses))
        places, place_of = _places(recording, canonical, len(addresses))
        return Stacks(parents, node_pcs, addresses, pc_modules, modules, places, place_of, sections)
    except _Damage as damage:
        raise CrunchError(f"{path} is damaged: {damage}") from None


class _Damage(Exception):
    """What makes no sense, in words."""


def _require(whole: bool, what: str) -> None:
    if not whole:
        raise _Damage(what)


def _kept(number: int, kept: int, instead: int) -> int:
    """A reference to an item, or, where the item is lost, to what stands for it."""
    return number if number < kept else instead


def _modules(recording: Recording) -> List[Module]:
    """By item number; 0 is no module."""
    section = recording.sections[reader.MODULES]
    strings = recording.sections[reader.STRINGS]
    text = strings.read()
    found = []
    for start, end, bias, loaded, unloaded, path, id_bytes, build_id in MODULE.iter_unpack(section.read()):
        _require(path < max(1, strings.declared) and id_bytes <= len(build_id) and start <= end, "a module makes no sense")
        name = os.fsdecode(text[path:text.find(b"\0", path)]) if path < len(text) else ""
        found.append(Module(start, end, bias, loaded, unloaded, name, build_id[:id_bytes].hex()))
    return found or [Module(0, 0, 0, 0, 0, "", "")]


def _pcs(recording: Recording, modules: int) -> Tuple[List[int], List[int]]:
    """Address and module of every pc."""
    packed = memoryview(recording.sections[reader.PCS].read()).cast("Q").tolist()
    packed = [0 if item >> ADDRESS_BITS == SECTION else item for item in packed]
    _require(max((item >> ADDRESS_BITS for item in packed), default=0) < max(1, recording.sections[reader.MODULES].declared),
             "a frame lies in a module that does not exist")
    low = (1 << ADDRESS_BITS) - 1
    packed += [0] * (MARKERS - len(packed))
    return [item & low for item in packed], [_kept(item >> ADDRESS_BITS, modules, 0) for item in packed]


def _section_names(recording: Recording) -> Dict[int, str]:
    """By pc."""
    strings = recording.sections[reader.STRINGS]
    packed = memoryview(recording.sections[reader.PCS].read()).cast("Q")
    found = {pc: item & ((1 << ADDRESS_BITS) - 1) for pc, item in enumerate(packed) if item >> ADDRESS_BITS == SECTION}
    _require(max(found.values(), default=0) < max(1, strings.declared), "a section of the program's has a name that does not exist")
    text = strings.read() if found else b""
    return {pc: os.fsdecode(text[at:at + 4096].partition(b"\0")[0]) if at < len(text) else REASONS[LOST] for pc, at in found.items()}


def _nodes(recording: Recording, pcs: int) -> Tuple[List[int], List[int], List[int]]:
    """By node: the first node of the same frame and parents; its parent, such a first node too; its pc."""
    words = memoryview(recording.sections[reader.NODES].read()).cast("I")
    parents, node_pcs = words[0::2].tolist(), words[1::2].tolist()
    _require(max(node_pcs, default=0) < max(MARKERS, recording.sections[reader.PCS].declared),
             "the call tree has a frame that does not exist")
    if max(node_pcs, default=0) >= pcs:
        node_pcs = [_kept(pc, pcs, LOST) for pc in node_pcs]
    parents[:MARKERS] = [0] * MARKERS
    node_pcs[:MARKERS] = range(MARKERS)
    canonical = list(range(MARKERS))
    first: Dict[int, int] = {}
    for number in range(MARKERS, len(parents)):
        parent = parents[number]
        _require(parent < number, "the call tree goes in a circle")
        parent = parents[number] = canonical[parent]
        canonical.append(first.setdefault(parent << 32 | node_pcs[number], number))
    return canonical, parents, node_pcs


def _places(recording: Recording, canonical: List[int], pcs: int) -> Tuple[List[Place], List[int]]:
    """The places, and the place of every item of SITES."""
    places: List[Place] = []
    place_of = []
    index: Dict[int, int] = {}
    nodes_declared, pcs_declared = (recording.sections[kind].declared for kind in (reader.NODES, reader.PCS))
    sites = SITE.iter_unpack(recording.sections[reader.SITES].read())
    extras = EXTRA.iter_unpack(recording.sections[reader.EXTRAS].read())
    for site, extra in zip_longest(sites, extras):
        if site is None or site[2] == 0:  # a thread may be between entering the one and the other; pc 0: no site
            place_of.append(-1)
            continue
        _, parent, pc, allocations, size, live_bytes, live_blocks, epoch, peak_bytes, peak_blocks, _ = site
        _require(parent < max(MARKERS, nodes_declared) and pc < max(MARKERS, pcs_declared), "a site has a stack that does not exist")
        if epoch != recording.peak_epoch:  # not changed since the peak
            peak_bytes, peak_blocks = live_bytes, live_blocks
        node, pc = canonical[_kept(parent, len(canonical), LOST)], _kept(pc, pcs, LOST)
        at = index.setdefault(node << 32 | pc, len(places))
        place_of.append(at)
        if at == len(places):
            places.append(Place(node, pc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        place = places[at]
        place.allocations += allocations
        place.bytes += size
        place.live_bytes += live_bytes
        place.live_blocks += live_blocks
        place.peak_bytes += peak_bytes
        place.peak_blocks += peak_blocks
        temporary, lifetime_ns = extra[:2] if extra else (0, 0)
        place.temporary += temporary
        place.lifetime_ns += lifetime_ns
    return places, place_of
