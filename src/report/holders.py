"""What is lost and who holds what, as columns of the page's sites and blocks."""

from collections import Counter
from typing import Dict, List, Optional, Tuple

from . import block_file
from .leaks import Leaks
from .run import Run
from .suppressions import REACHABLE

NAMED_ROOTS = 300  # those that hold most blocks themselves


def lost_bytes(found: Optional[Leaks], shown: List[int]) -> Optional[List[int]]:
    """What is lost in any way, by place in the page; None where nobody looked."""
    if found is None:
        return None
    lost: Counter = Counter()
    for record in found.records:
        if record.kind != REACHABLE:
            lost[record.site] += record.bytes
    return [lost[place] for place in shown]


def holders(run: Run, chosen: List[int]) -> Tuple[List[int], List[int], List[str]]:
    """By block in the page: how far away the block lies that holds it (0: none does, or it is not there), and 1 + the number of the
    root that holds it (0: none); and what roots are called. Empty where nobody looked."""
    if run.blocks is None or run.leaks is None:
        return [], [], []
    held = [*map(run.blocks.column("holder").__getitem__, chosen)]
    place = {number: position for position, number in enumerate(chosen)}
    most = [root for root, _ in Counter(value for value in held if value & block_file.HOLDER_ROOT).most_common(NAMED_ROOTS)]
    texts: Dict[str, int] = {"a root": 0}
    root_of = {root: texts.setdefault(run.leaks.path(chosen[held.index(root)])[-1].text, len(texts)) for root in most}
    distances, roots = [0] * len(held), [0] * len(held)
    for position, value in enumerate(held):
        if value & block_file.HOLDER_ROOT:
            roots[position] = 1 + root_of.get(value, 0)
        elif value:
            distances[position] = place.get(value - 1, position) - position
    return distances, roots, list(texts)
