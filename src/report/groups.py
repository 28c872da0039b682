"""The places where most of the memory comes from: call stacks that read alike as far as they are shown, together."""

from dataclasses import dataclass
from typing import Dict, List, Tuple

from .stacks import Stacks
from .symbols import Frame
from .tree import Tree


@dataclass(frozen=True)
class Measure:
    """What places are compared by: the names of two attributes of Place."""

    size: str
    count: str


LIVE = Measure("own_bytes", "own_blocks")
PEAK = Measure("peak_bytes", "peak_blocks")


@dataclass(frozen=True)
class Group:
    """Places that are shown as one."""

    bytes: int
    blocks: int
    stacks: int  # how many places
    frames: List[Frame]  # innermost first
    leaf: int = 0  # the node of the last stack in it


def largest(stacks: Stacks, tree: Tree, measure: Measure, count: int, depth: int) -> List[Group]:
    """The groups with most bytes: of `depth` frames from the innermost own one outwards, or whole stacks if it is 0.

    What belongs to the runtimes is left out."""
    sums: Dict[Tuple[int, ...], List[int]] = {}
    leaves: Dict[Tuple[int, ...], int] = {}
    alike: Dict[Tuple[str, str, int], int] = {}
    reads = [alike.setdefault((frame.name, frame.file, frame.line), len(alike)) for frame in tree.frames]
    for place, leaf in zip(stacks.places, tree.leaves):
        size = getattr(place, measure.size)
        if size <= 0 or place.is_runtime:
            continue
        key = tuple(reads[tree.frame_of[node]] for node in tree.short(leaf, depth)) if depth else (leaf,)
        total = sums.setdefault(key, [0, 0, 0])
        total[0] += size
        total[1] += getattr(place, measure.count)
        total[2] += 1
        leaves[key] = leaf
    best = sorted(sums, key=lambda key: -sums[key][0])[:count]
    return [Group(*sums[key], _frames(tree, leaves[key], depth), leaves[key]) for key in best]


def _frames(tree: Tree, leaf: int, depth: int) -> List[Frame]:
    return [tree.frames[tree.frame_of[node]] for node in tree.short(leaf, depth)] if depth else tree.stack(leaf)
