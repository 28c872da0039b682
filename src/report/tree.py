"""The call stacks of a run as one tree of named frames: what terminal, page and exports show.

Node 0 is the root, outside of all stacks. Every other node is a frame, and its parents are the frames outside of it; a parent
has a smaller number. Functions inlined at a place are nodes of their own. Stacks that read alike are one.
"""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional

from .frames import is_glue, is_main, is_own, is_section, is_starter
from .stacks import MARKERS, Place, Stacks
from .symbols import Frame, Progress, Symbols


@dataclass(frozen=True)
class Tree:
    """Nodes as columns."""

    frames: List[Frame]  # distinct
    parents: List[int]
    frame_of: List[int]  # by node: index into frames; -1 for the root
    own: List[int]  # by node: the nearest node at or outside of it that is the program's own code; 0: there is none
    leaves: List[int]  # by place: the node of its innermost frame
    sections: List[int]  # by node: the outermost one, where it is a section of the program's; 0: none

    def path(self, node: int) -> List[int]:
        """The nodes from a node outwards, without the root."""
        found = []
        while node:
            found.append(node)
            node = self.parents[node]
        return found

    def stack(self, node: int) -> List[Frame]:
        """The frames from a node outwards."""
        return [self.frames[self.frame_of[each]] for each in self.path(node)]

    def label(self, leaf: int) -> int:
        """The node a stack is named after: its innermost own frame, else its innermost frame."""
        return self.own[leaf] or leaf

    def short(self, leaf: int, count: int) -> List[int]:
        """`count` nodes from the label outwards, none of those that start program or thread, and the section; a frame that repeats itself is
        there once, and what leads from one language to another is not."""
        found: List[int] = []
        node, last = self.label(leaf), -1
        while node and len(found) < count:
            frame = self.frame_of[node]
            if found and is_starter(self.frames[frame]):
                break
            if not self._reads_alike(frame, last) and not is_glue(self.frames[frame]):
                found.append(node)
            if is_main(self.frames[frame]):
                break
            node, last = self.parents[node], frame
        section = self.sections[leaf]
        return [*found, section] if section and section not in found else found

    def _reads_alike(self, frame: int, other: int) -> bool:
        """Whether nobody can tell two frames apart; -1 is none. They may still be at different columns of a line."""
        if frame == other or other < 0:
            return frame == other
        one, two = self.frames[frame], self.frames[other]
        return (one.name, one.line, one.file) == (two.name, two.line, two.file)


class Builder:
    """A tree in the making; `program` is the path of the executable."""

    def __init__(self, program: str) -> None:
        self.tree = Tree([], [0], [-1], [0], [], [0])
        self._program = program
        self._frame_numbers: Dict[Frame, int] = {}
        self._own_frames: List[bool] = []
        self._children: Dict[int, int] = {}

    def number(self, frame: Frame) -> int:
        """The frame's index, entered if it is new."""
        found = self._frame_numbers.setdefault(frame, len(self.tree.frames))
        if found == len(self.tree.frames):
            self.tree.frames.append(frame)
            self._own_frames.append(is_own(frame, self._program))
        return found

    def child(self, parent: int, frames: Iterable[int]) -> int:
        """The node of frames (outermost first) under a parent, entered if it is new."""
        tree = self.tree
        for frame in frames:
            key = parent << 32 | frame
            node = self._children.get(key)
            if node is None:
                node = self._children[key] = len(tree.parents)
                tree.parents.append(parent)
                tree.frame_of.append(frame)
                tree.own.append(node if self._own_frames[frame] else tree.own[parent])
                tree.sections.append(tree.sections[parent] or (node if not parent and is_section(tree.frames[frame]) else 0))
            parent = node
        return parent


def build(stacks: Stacks, symbols: Symbols, program: str, progress: Optional[Progress] = None) -> Tree:
    """The tree of all places; `program` is the path of the executable. Asks the symbol tools."""
    needed = _needed(stacks.parents, stacks.places)
    symbols.resolve({stacks.node_pcs[node] for node in needed} | {place.pc for place in stacks.places}, progress)
    builder = Builder(program)
    named: Dict[int, List[int]] = {}

    def frames(pc: int) -> List[int]:
        if pc not in named:
            named[pc] = [builder.number(frame) for frame in reversed(symbols.frames(pc))]
        return named[pc]

    nodes = {0: 0}
    nodes.update({marker: builder.child(0, frames(marker)) for marker in range(1, MARKERS) if marker in needed})
    for node in sorted(needed):
        parent, pc = stacks.parents[node], stacks.node_pcs[node]
        if node >= MARKERS and pc in stacks.sections and parent < MARKERS:  # outside of the marker, too
            nodes[node] = builder.child(0, [*frames(pc), *frames(parent)])
        elif node >= MARKERS:
            nodes[node] = builder.child(nodes[parent], frames(pc))
    builder.tree.leaves.extend(builder.child(nodes[place.node], frames(place.pc)) for place in stacks.places)
    return builder.tree


def _needed(parents: List[int], places: List[Place]) -> Dict[int, None]:
    """The nodes that places hang under, with all their parents."""
    found: Dict[int, None] = {}
    for place in places:
        node = place.node
        while node and node not in found:
            found[node] = None
            node = parents[node]
    return found
