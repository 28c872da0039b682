"""DHAT's JSON, version 2, which valgrind's dh_view.html shows.

DHAT keeps for every place its own maximum; crunch keeps its share of the process's peak. `mb` and `mbk` hold the larger of what a
place had at the peak and at the end: the least that its maximum can have been.
"""

import json
from typing import Dict, List

from ..frames import where
from ..run import Run
from ..symbols import Frame
from ..words import printable


def write(run: Run, value: str, exporter: str) -> bytes:
    """All places; times are microseconds."""
    assert run.stacks is not None and run.tree is not None and run.recording is not None
    tree, recording = run.tree, run.recording
    points: List[Dict[str, object]] = []
    for place, leaf in zip(run.stacks.places, tree.leaves):
        if place.allocations <= 0:
            continue
        points.append({
            "tb": place.bytes, "tbk": place.allocations, "tl": max(0, place.lifetime_ns) // 1000,
            "mb": max(0, place.peak_bytes, place.live_bytes), "mbk": max(0, place.peak_blocks, place.live_blocks),
            "gb": max(0, place.peak_bytes), "gbk": max(0, place.peak_blocks),
            "eb": max(0, place.live_bytes), "ebk": max(0, place.live_blocks),
            "fs": [tree.frame_of[node] + 1 for node in tree.path(leaf)],
        })
    end = max(1, (recording.end_ns - recording.start_ns) // 1000) if recording.end_ns else 1
    document = {
        "dhatFileVersion": 2, "mode": "heap", "verb": "Allocated", "bklt": True, "bkacc": False, "tu": "µs", "Mtu": "s", "tuth": 500,
        "cmd": printable(" ".join(recording.arguments) or run.name),
        "pid": recording.pid, "te": end, "tg": min(end, run.timeline.peak_ns // 1000 if run.timeline else 0), "pps": points, "ftbl": ["[root]"] + [_frame(frame) for frame in tree.frames],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _frame(frame: Frame) -> str:
    """As valgrind writes one; dh_view wants an address in front, and crunch's frames have several."""
    place = where(frame)
    return f"0x0: {frame.name}" + (f" ({place})" if place else "")
