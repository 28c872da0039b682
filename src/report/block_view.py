"""The remaining blocks as the page holds them: columns in the order of addresses, and the bytes that were kept.

A million blocks are columns all the way; nothing here makes an object of a block but for the few rows in the HTML itself.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

from . import block_file, contents, holders, vtables
from .errors import CrunchError
from .pack import Pack
from .block_file import Block, Blocks
from .run import Run
from .words import plural, seconds, sized

PAGE_BLOCKS = 1_000_000
FIRST_ROWS = 20


@dataclass(frozen=True)
class Row:
    """One block in the HTML itself."""

    address: str
    size_words: str
    time_words: str
    thread: int
    kind: str
    inherited: bool
    has_file: bool


@dataclass(frozen=True)
class BlockView:
    """The program's remaining blocks, largest first, and the runtime's own apart."""

    total: int
    total_bytes: int
    rows: List[Row]
    runtime_total: int
    runtime_bytes: int
    listed: int
    notes: List[str]
    missing: str = ""  # why there is no list
    blocks: Optional[Pack] = None
    contents: Optional[Pack] = None
    classes: Dict[str, str] = field(default_factory=dict)  # of C++ objects, by the address they begin with


def view(run: Run, page_site: Sequence[int]) -> BlockView:
    """The page's blocks; `page_site` gives, by item of SITES, the number under which the page knows a call stack, or -1."""
    found, kept, listed, notes, classes = None, None, 0, [], {}
    if run.blocks is not None:
        chosen = _chosen(run.blocks)
        listed = len(chosen)
        found = _pack(run, run.blocks, chosen, page_site)
        kept, notes, classes = _contents(run, run.blocks, chosen)
        notes = _left_out(run, listed) + notes
    return BlockView(
        total=run.remaining_blocks, total_bytes=run.remaining_bytes,
        rows=[_row(block) for block in run.blocks.largest(FIRST_ROWS)] if run.blocks else [],
        runtime_total=run.count("runtime_blocks"), runtime_bytes=run.count("runtime_bytes"), listed=listed, notes=notes,
        missing="" if run.blocks else f"{run.blocks_missing[0].upper()}{run.blocks_missing[1:]}.",
        blocks=found, contents=kept, classes=classes)


def _chosen(blocks: Blocks) -> List[int]:
    """The numbers of the blocks in the page, by address: all of them, or the largest."""
    chosen: List[int] = list(range(len(blocks)))
    if len(blocks) > PAGE_BLOCKS:
        sizes = blocks.column("size")
        least, room = _least(sizes)
        chosen = []
        for number, byte_count in enumerate(sizes):
            if byte_count > least or (byte_count == least and room > 0):
                room -= byte_count == least
                chosen.append(number)
    chosen.sort(key=blocks.column("address").tolist().__getitem__)
    return chosen


def _least(sizes: memoryview) -> Tuple[int, int]:
    """The smallest size that still has room in the page, and for how many blocks of that size."""
    room = PAGE_BLOCKS
    for byte_count, blocks in sorted(Counter(sizes).items(), reverse=True):
        if blocks >= room:
            return byte_count, room
        room -= blocks
    return 0, room


def _pack(run: Run, blocks: Blocks, chosen: List[int], page_site: Sequence[int]) -> Pack:
    """Sites are numbered from 1 here, and 0 is none; times are microseconds."""
    pack = Pack(noisy=True)

    def column(name: str) -> List[int]:
        values = blocks.column(name)
        return [values[number] for number in chosen]

    pack.numbers("address", column("address"), delta=True)
    pack.numbers("size", column("size"))
    sites, none = [*page_site, -1], len(page_site)
    pack.numbers("site", [sites[min(site, none)] + 1 for site in column("site")])
    pack.numbers("thread", column("thread"))
    pack.numbers("time", [time_ns // 1000 for time_ns in column("time_ns")], delta=True)
    kinds = column("kind")
    if max(kinds, default=0) >= len(block_file.KINDS):
        raise CrunchError(f"{blocks.path} is damaged: a block is of an unknown kind")
    pack.numbers("kind", kinds)
    pack.numbers("flags", column("flags"))
    distances, roots, texts = holders.holders(run, chosen)
    if distances:
        pack.numbers("leak", column("leak"))
        pack.numbers("holder", distances)
        pack.numbers("root", roots)
        pack.texts("roots", texts)
    return pack


def _contents(run: Run, blocks: Blocks, chosen: List[int]) -> Tuple[Optional[Pack], List[str], Dict[str, str]]:
    """The kept bytes, in the order of the blocks that have any; `block` is the place of a block among the chosen ones."""
    flags, addresses, sizes = blocks.column("flags"), blocks.column("address"), blocks.column("size")
    with_file = [position for position, number in enumerate(chosen) if flags[number] & block_file.BLOCK_CONTENTS]
    if not with_file:
        return None, [], {}
    kept = contents.select(run.folder, [(addresses[chosen[position]], sizes[chosen[position]]) for position in with_file])
    pack = Pack()
    pack.numbers("block", with_file, delta=True)
    pack.numbers("length", [len(data) for data in kept.parts])
    pack.bytes("bytes", kept.parts)
    notes = []
    if kept.cut:
        notes.append(f"Of {plural(kept.cut, 'larger block')} the page holds the first {sized(kept.limit)}; the files under "
                     f"'heap' hold all bytes that were kept.")
    first = (int.from_bytes(data[:8], "little") for data in kept.parts if len(data) >= 8)
    return pack, notes, {f"0x{word:x}": name for word, name in vtables.names(run, first).items()}


def _left_out(run: Run, shown: int) -> List[str]:
    found = []
    total = run.remaining_blocks + run.count("runtime_blocks")
    if shown < total:
        found.append(f"The page lists the {shown:,} largest of {total:,} blocks; the file 'blocks' in the run folder holds every one.")
    left_out = run.count("heap_left_out_files")
    if left_out:
        found.append(f"The contents of {plural(left_out, 'block')} ({sized(run.count('heap_left_out_bytes'))}) were not kept: "
                     f"see --no-heap, --heap-limit and its limit of 10,000 files.")
    return found


def _row(block: Block) -> Row:
    return Row(
        address=f"0x{block.address:x}", size_words=sized(block.size), time_words=seconds(block.time_ns / 1e9), thread=block.thread,
        kind=block_file.KINDS[block.kind], inherited=bool(block.flags & block_file.BLOCK_INHERITED),
        has_file=bool(block.flags & block_file.BLOCK_CONTENTS))
