"""Call stacks with one value: folded stacks (flamegraph.pl and most viewers) and speedscope's JSON."""

import json
from typing import Dict, Iterator, List, Tuple

from ..run import Run
from ..symbols import Frame
from ..words import printable

VALUES = {  # what --value may name: attribute of Place, unit as speedscope calls it, words
    "live": ("own_bytes", "bytes", "bytes still allocated"),
    "peak": ("peak_bytes", "bytes", "bytes at the peak"),
    "bytes": ("bytes", "bytes", "bytes in all"),
    "allocations": ("allocations", "none", "allocations"),
    "temporary": ("temporary", "none", "temporary allocations"),
}
SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def _samples(run: Run, value: str) -> Iterator[Tuple[int, int]]:
    """Innermost node and value of every place that has one."""
    assert run.stacks is not None and run.tree is not None
    for place, leaf in zip(run.stacks.places, run.tree.leaves):
        count = getattr(place, VALUES[value][0])
        if count > 0:
            yield leaf, count


def folded(run: Run, value: str, exporter: str) -> bytes:
    """A line per call stack that reads differently: 'main;make;malloc 120', the outermost function first."""
    assert run.tree is not None
    tree = run.tree
    names = [folded_name(frame) for frame in tree.frames]
    sums: Dict[str, int] = {}
    for leaf, count in _samples(run, value):
        line = ";".join(names[tree.frame_of[node]] for node in reversed(tree.path(leaf)))
        sums[line] = sums.get(line, 0) + count
    return "".join(f"{line} {count}\n" for line, count in sums.items()).encode()


def folded_name(frame: Frame) -> str:
    """A function's name without the two characters that mean something in the format."""
    return frame.name.replace(";", ":").replace("\n", " ") or "?"


def speedscope(run: Run, value: str, exporter: str) -> bytes:
    """One profile of all call stacks."""
    assert run.tree is not None
    tree = run.tree
    samples: List[List[int]] = []
    weights: List[int] = []
    for leaf, count in _samples(run, value):
        samples.append([tree.frame_of[node] for node in reversed(tree.path(leaf))])
        weights.append(count)
    _, unit, words = VALUES[value]
    name = printable(run.name)
    document = {
        "$schema": SCHEMA,
        "shared": {"frames": [_frame(frame) for frame in tree.frames]},
        "profiles": [{"type": "sampled", "name": f"{name}: {words}", "unit": unit, "startValue": 0, "endValue": sum(weights),
                      "samples": samples, "weights": weights}],
        "name": name, "activeProfileIndex": 0, "exporter": exporter,
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _frame(frame: Frame) -> Dict[str, object]:
    found: Dict[str, object] = {"name": frame.name}
    if frame.file or frame.module:
        found["file"] = frame.file or frame.module
    if frame.line:
        found["line"] = frame.line
    if frame.column:
        found["col"] = frame.column
    return found
