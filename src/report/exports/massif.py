"""massif's output file, which ms_print and massif-visualizer read: the heap over time, with call stacks at the peak and at the end.

A tree of massif begins at the innermost frame; what is below one per cent of the moment is one line, as massif has it.
"""

from typing import Dict, Iterable, Iterator, List, Tuple

from ..frames import where
from ..run import Run
from ..symbols import Frame
from ..words import printable

MOST_SNAPSHOTS = 100
THRESHOLD = 0.01
DEPTH = 30  # frames of a tree: massif's own default

Sample = Tuple[int, List[int]]  # bytes; frame numbers, innermost first


def write(run: Run, value: str, exporter: str) -> bytes:
    """All points of the timeline that massif would keep; times are milliseconds."""
    command = printable(" ".join(run.recording.arguments) if run.recording else run.name)
    lines = [f"desc: (written by {exporter})", f"cmd: {command}", "time_unit: ms"]
    for number, (time_ns, size, kind) in enumerate(_snapshots(run)):
        lines += ["#-----------", f"snapshot={number}", "#-----------", f"time={time_ns // 1_000_000}", f"mem_heap_B={size}",
                  "mem_heap_extra_B=0", "mem_stacks_B=0", f"heap_tree={kind}"]
        if kind != "empty":
            lines += _tree(run, "peak_bytes" if kind == "peak" else "live_bytes", size)
    return "\n".join(lines).encode() + b"\n"


def _snapshots(run: Run) -> List[Tuple[int, int, str]]:
    """Time, bytes and kind of the tree: begin, points in between, the peak, the end."""
    assert run.timeline is not None
    points = run.timeline.filled
    peak_ns, end_ns = run.timeline.peak_ns, max([run.timeline.peak_ns] + [point.time_ns for point in points])
    every = max(1, -(-len(points) // MOST_SNAPSHOTS))
    found = [(0, 0, "empty")] + [(point.time_ns, point.live_bytes, "empty") for point in points[:-1:every]]
    found.append((peak_ns, run.count("peak_bytes"), "peak"))
    found.sort(key=lambda snapshot: snapshot[0])
    return found + [(end_ns, run.count("live_bytes"), "detailed")]


def _tree(run: Run, attribute: str, total: int) -> Iterator[str]:
    assert run.stacks is not None and run.tree is not None
    tree = run.tree
    samples = [(getattr(place, attribute), [tree.frame_of[node] for node in tree.path(leaf)])
               for place, leaf in zip(run.stacks.places, tree.leaves) if getattr(place, attribute) > 0]
    least = max(1, int(total * THRESHOLD))
    children = list(_children(samples, 0, tree.frames, least))
    yield f"n{sum(line[:2] == ' n' for line in children)}: {total} (heap allocation functions) malloc/new/new[], --alloc-fns, etc."
    yield from children


def _children(samples: Iterable[Sample], depth: int, frames: List[Frame], least: int) -> Iterator[str]:
    """The lines below a node whose samples these are."""
    callers: Dict[int, List[Sample]] = {}
    for size, stack in samples:
        if depth < min(len(stack), DEPTH):
            callers.setdefault(stack[depth], []).append((size, stack))
    sums = {frame: sum(size for size, _ in found) for frame, found in callers.items()}
    indent = " " * (depth + 1)
    small = [frame for frame in sums if sums[frame] < least]
    for frame in sorted(sums, key=lambda frame: -sums[frame]):
        if sums[frame] >= least:
            below = list(_children(callers[frame], depth + 1, frames, least))
            count = sum(line.startswith(indent + " n") for line in below)
            yield f"{indent}n{count}: {sums[frame]} 0x0: {_name(frames[frame])}"
            yield from below
    if small:
        places = "1 place, below" if len(small) == 1 else f"{len(small)} places, all below"
        yield f"{indent}n0: {sum(sums[frame] for frame in small)} in {places} massif's threshold (1.00%)"


def _name(frame: Frame) -> str:
    place = where(frame)
    return frame.name + (f" ({place})" if place else "")
