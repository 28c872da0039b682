"""A crash as the page shows it: the address drawn to scale among the blocks around it, stacks, registers, the memory map."""

from dataclasses import dataclass
from typing import List, Optional, Tuple

from . import stack_rows
from .crash import Crash, Mapping, Neighbour
from .run import Run
from .stack_rows import StackRows
from .words import plural, sized, with_sized

PAGE_MAPPINGS = 400
PAGE_THREADS = 200
FAR = 8  # a block this many times further away than the nearest one is not drawn, since that would leave no room for the others
LEAST_PERCENT = 0.6  # a block is drawn at least this wide
MARGIN_PERCENT = 4


@dataclass(frozen=True)
class Bar:
    """A block in the drawing; left and width are percentages. row: of its label."""

    left: float
    width: float
    state: str
    explains: bool
    label: str
    label_left: float
    anchor: str
    row: int


@dataclass(frozen=True)
class Drawing:
    """The address among its neighbours."""

    address: str
    at: float
    anchor: str
    bars: List[Bar]
    far: List[str]  # blocks too far away to be drawn
    words: str  # the same for those who cannot see it


@dataclass(frozen=True)
class NeighbourRow:
    """A block around the address."""

    title: str
    address: str
    live: bool
    stacks: List[StackRows]


@dataclass(frozen=True)
class MappingRow:
    """A line of the memory map; `here`: the address lies in it."""

    start: str
    end: str
    size: str
    access: str
    path: str
    here: bool


@dataclass(frozen=True)
class CrashView:
    """All of it."""

    line: str
    sentence: str
    stack: StackRows
    drawing: Optional[Drawing]
    neighbours: List[NeighbourRow]
    registers: List[Tuple[str, str]]
    instruction: str
    threads: List[StackRows]
    mappings: List[MappingRow]
    notes: List[str]


def view(run: Run, editor: str) -> Optional[CrashView]:
    """The page's crash; None where there was none, or nobody saw it."""
    crash = run.crash
    if crash is None:
        return None
    notes = [f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in crash.notes]
    threads = []
    for thread in crash.threads[:PAGE_THREADS]:
        title = f"Thread {thread.id}" + (f", {thread.name}" if thread.name else "") + (f": {thread.note}" if thread.note else "")
        threads.append(stack_rows.view(run, title, thread.frames, editor, with_source=False))
    if len(crash.threads) > PAGE_THREADS:
        notes.append(f"The page shows {PAGE_THREADS} of {plural(len(crash.threads), 'other thread')}; the file 'fatal' has them all.")
    mappings = _mappings(crash)
    if len(mappings) < len(crash.mappings):
        notes.append(f"The page shows the {len(mappings):,} mappings around the address of {len(crash.mappings):,}; the file 'maps' has them all.")
    return CrashView(
        line=crash.line, sentence=with_sized(crash.sentence[:1].upper() + crash.sentence[1:]), stack=stack_rows.view(run, "Where it crashed", crash.stack, editor),
        drawing=drawing(crash), neighbours=[_neighbour(run, block, editor) for block in crash.neighbours],
        registers=[(name, f"0x{value:016x}") for name, value in crash.registers], instruction=crash.instruction.hex(" "), threads=threads,
        mappings=mappings, notes=notes)


def drawing(crash: Crash) -> Optional[Drawing]:
    """To scale, but for blocks too small to be seen; None without an address or a block."""
    address = crash.address
    if address is None or not crash.neighbours:
        return None
    distances = {block.address: _distance(block, address) for block in crash.neighbours}
    nearest = min(max(distances[block.address], block.size, 16) for block in crash.neighbours)
    near = [block for block in crash.neighbours if block.explains or distances[block.address] <= FAR * nearest]
    low = min([address] + [block.address for block in near])
    high = max([address + 1] + [block.address + max(1, block.size) for block in near])
    room = 100 - 2 * MARGIN_PERCENT

    def place(at: int) -> float:
        return round(MARGIN_PERCENT + room * (at - low) / (high - low), 3)

    bars = []
    for row, block in enumerate(near):
        left, width = place(block.address), max(LEAST_PERCENT, room * max(1, block.size) / (high - low))
        label = f"{block.state} block of {sized(block.size)}{_where(block, address)}"
        middle = left + width / 2
        bars.append(Bar(min(left, 100 - width), round(width, 3), block.state, block.explains, label, round(middle, 3), _anchor(middle), row))
    far = [f"{block.state.capitalize()} block 0x{block.address:x} of {sized(block.size)}{_where(block, address)}, not drawn" for block in crash.neighbours if block not in near]
    at = place(address)
    words = f"The address 0x{address:x} among " + "; ".join(bar.label for bar in bars) if bars else f"The address 0x{address:x}"
    return Drawing(f"0x{address:x}", at, _anchor(at), bars, far, words)


def _distance(block: Neighbour, address: int) -> int:
    if address < block.address:
        return block.address - address
    return max(0, address - (block.address + block.size))


def _where(block: Neighbour, address: int) -> str:
    if block.address <= address < block.address + block.size:
        return f", {sized(address - block.address)} into it"
    distance = sized(_distance(block, address))
    return f", {distance} further on" if block.address > address else f", {distance} before"


def _anchor(percent: float) -> str:
    return "start" if percent < 33 else "end" if percent > 67 else "middle"


def _neighbour(run: Run, block: Neighbour, editor: str) -> NeighbourRow:
    title = f"{block.state.capitalize()} block 0x{block.address:x} of {plural(block.size, 'byte')}"
    made = f"Allocated by {block.kind}" + (f" in thread {block.thread}" if block.thread else "") if block.kind else "Allocated"
    stacks = [stack_rows.view(run, name, stack, editor, with_source=block.explains)
              for name, stack in ((made, block.allocated), ("Freed", block.freed)) if stack]
    return NeighbourRow(title, f"0x{block.address:x}", block.state == "live", stacks)


def _mappings(crash: Crash) -> List[MappingRow]:
    """As many as the page shows, around the address."""
    found, address = crash.mappings, crash.address if crash.address is not None else -1
    at = next((number for number, mapping in enumerate(found) if mapping.end > address), 0)
    first = max(0, min(at - PAGE_MAPPINGS // 2, len(found) - PAGE_MAPPINGS))
    return [_mapping(mapping, address) for mapping in found[first:first + PAGE_MAPPINGS]]


def _mapping(mapping: Mapping, address: int) -> MappingRow:
    return MappingRow(f"{mapping.start:x}", f"{mapping.end:x}", sized(mapping.end - mapping.start), mapping.access, mapping.path,
                      mapping.start <= address < mapping.end)
