"""The call stacks as the page shows them: a few rows for people without a script, and all of them as compact data."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from . import frames, holders
from .pack import Pack
from .run import Run
from .stacks import REASONS, Place, Stacks
from .symbols import Frame
from .tree import Tree
from .words import plural, seconds, sized

PAGE_SITES = 100_000
FIRST_SITES = 20
NAME_COLUMNS = 60
LINES_IN_PAGE = 200  # of a stack in the HTML itself
INLINED, UNNAMED, OWN, RUNTIME_FRAME = 1, 2, 4, 8  # flags of a frame
RUNTIME = 1  # flag of a site
COLUMNS = (("live", "own_bytes"), ("liveBlocks", "own_blocks"), ("peak", "peak_bytes"), ("peakBlocks", "peak_blocks"), ("total", "bytes"),
           ("allocations", "allocations"), ("temporary", "temporary"), ("lifetime", "mean_lifetime_ns"))  # the page's name, Place's


@dataclass(frozen=True)
class SiteRow:
    """One call stack in the HTML itself."""

    name: str
    where: str
    runtime: bool
    live: str
    live_note: str
    peak: str
    total: str
    allocations: str
    temporary: str
    lifetime: str
    stack: List[str]


@dataclass(frozen=True)
class StackView:
    """What the page knows of call stacks; `page_site` gives the number under which it knows the site of a block."""

    total: int
    rows: List[SiteRow]
    notes: List[str]
    pack: Pack
    page_site: List[int]  # by item of SITES; -1: not in the page
    shown: List[int]  # the places in the page, in its order
    number_of: Dict[int, int]  # the same by the tree's node of its innermost frame


def view(run: Run) -> Optional[StackView]:
    """The page's call stacks; None where there are none."""
    stacks, tree = run.stacks, run.tree
    if stacks is None or tree is None:
        return None
    used = [number for number, place in enumerate(stacks.places) if place.allocations or place.live_blocks or place.peak_blocks]
    used.sort(key=lambda number: _rank(stacks.places[number]))
    shown = used[:PAGE_SITES]
    return StackView(
        total=len(used), rows=[_row(run, tree, stacks.places[number], tree.leaves[number]) for number in shown[:FIRST_SITES]],
        notes=_notes(run, stacks, used), pack=_pack(stacks, tree, shown, run), page_site=_page_sites(stacks, shown), shown=shown,
        number_of={tree.leaves[number]: position for position, number in enumerate(shown)})


def _rank(place: Place) -> Tuple[int, int, int]:
    return -place.own_bytes, -place.peak_bytes, -place.bytes


def _notes(run: Run, stacks: Stacks, used: List[int]) -> List[str]:
    found = [f"{trouble}." for trouble in run.symbols.troubles]
    if len(used) > PAGE_SITES:
        left_out = [stacks.places[number] for number in used[PAGE_SITES:]]
        found.append(f"The page holds the {PAGE_SITES:,} largest of {len(used):,} call stacks. Left out: "
                     f"{plural(sum(place.allocations for place in left_out), 'allocation')} of "
                     f"{sized(sum(place.bytes for place in left_out))} in all. 'crunch --export folded' gives every one.")
    return [note[:1].upper() + note[1:] for note in found]


def _row(run: Run, tree: Tree, place: Place, leaf: int) -> SiteRow:
    label = tree.frames[tree.frame_of[tree.label(leaf)]] if leaf else None
    return SiteRow(
        name=frames.shortened(label.name, NAME_COLUMNS) if label else "", where=frames.where(label, run.cwd) if label else "",
        runtime=place.is_runtime,
        live=sized(place.own_bytes), live_note=plural(place.own_blocks, "block"), peak=sized(place.peak_bytes),
        total=sized(place.bytes), allocations=f"{place.allocations:,}", temporary=f"{place.temporary:,}",
        lifetime=seconds(place.mean_lifetime_ns / 1e9) if place.mean_lifetime_ns else "–", stack=_lines(run, tree.stack(leaf)))


def _lines(run: Run, stack: List[Frame]) -> List[str]:
    lines = [frames.line(frame, run.cwd) + (" inlined" if frame.inlined else "") for frame in stack[:LINES_IN_PAGE]]
    return lines + ([f"… {len(stack) - LINES_IN_PAGE:,} more"] if len(stack) > LINES_IN_PAGE else [])


def page_places(stacks: Stacks, shown: List[int]) -> List[int]:
    """By place: its number in the page; -1: not there."""
    found = [-1] * len(stacks.places)
    for position, number in enumerate(shown):
        found[number] = position
    return found


def _page_sites(stacks: Stacks, shown: List[int]) -> List[int]:
    by_place = [*page_places(stacks, shown), -1]  # the last one is of no place
    return [by_place[place] for place in stacks.place_of]


def pack_tree(tree: Tree, leaves: List[int], program: str) -> Pack:
    """Frames, call tree and sites, without anything that is counted; `leaves`: the nodes of the sites.

    A node's parent is given as how far it lies back, beginning with node 1, and a site's label as how far behind its leaf; texts are indexes into `text`; 0 is the empty text."""
    text: Dict[str, int] = {"": 0}

    def index(value: str) -> int:
        return text.setdefault(value, len(text))

    nodes = _kept_nodes(tree, leaves)
    number = {node: position for position, node in enumerate(nodes)}
    used = sorted({tree.frame_of[node] for node in nodes[1:]})
    frame_number = {frame: position for position, frame in enumerate(used)}
    kept = [tree.frames[frame] for frame in used]
    pack = Pack()
    pack.numbers("frame.name", [index(frame.name) for frame in kept], delta=True)
    pack.numbers("frame.file", [index(frame.file) for frame in kept])
    pack.numbers("frame.line", [frame.line for frame in kept])
    pack.numbers("frame.module", [index(frame.module) for frame in kept])
    pack.numbers("frame.flags", [_flags(frame, program) for frame in kept])
    pack.numbers("node.back", [number[node] - number[tree.parents[node]] for node in nodes[1:]])
    pack.numbers("node.frame", [frame_number[tree.frame_of[node]] for node in nodes[1:]])
    pack.numbers("site.leaf", [number[leaf] for leaf in leaves], delta=True)
    pack.numbers("site.labelBack", [number[leaf] - number[tree.label(leaf)] for leaf in leaves])
    pack.texts("text", text)
    return pack


def _pack(stacks: Stacks, tree: Tree, shown: List[int], run: Run) -> Pack:
    pack = pack_tree(tree, [tree.leaves[place] for place in shown], run.program)
    places = [stacks.places[place] for place in shown]
    pack.numbers("site.flags", [RUNTIME if place.is_runtime else 0 for place in places])
    for name, attribute in COLUMNS:
        pack.numbers("site." + name, [getattr(place, attribute) for place in places])
    lost = holders.lost_bytes(run.leaks, shown)
    if lost is not None:
        pack.numbers("site.leaked", lost)
    return pack


def _kept_nodes(tree: Tree, leaves: List[int]) -> List[int]:
    """The root and the nodes of these stacks, parents first."""
    kept = {0}
    for node in leaves:
        while node not in kept:
            kept.add(node)
            node = tree.parents[node]
    return sorted(kept)


def _flags(frame: Frame, program: str) -> int:
    own = frames.is_own(frame, program)
    runtime = not own and frames.is_runtime(frame)
    return INLINED * frame.inlined | UNNAMED * (not frame.known) | OWN * own | RUNTIME_FRAME * runtime


def about(run: Run) -> List[Tuple[str, str]]:
    """Facts for the page's end: how many stacks there are, and how many could not be followed to their root."""
    if run.stacks is None:
        return []
    stacks = run.stacks
    rows = [("Call stacks", f"{len(stacks.places):,} distinct")]
    cut = stacks.cut_short()
    text = [f"{plural(count, 'allocation')}: {REASONS.get(reason, f'reason {reason}')}" for reason, count in sorted(cut.items())]
    rows.append(("Stacks cut short", "; ".join(text) if text else "none"))
    unloaded = sum(1 for module in stacks.modules if module.unloaded_ns)
    rows.append(("Modules", f"{len(stacks.modules) - 1:,} with allocations below them" +
                 (f", {unloaded:,} unloaded before the end" if unloaded else "")))
    return rows
