"""Everything crunch knows of a run as one JSON document, for scripts; docs/model.schema.json is its schema.

Call stacks are a tree: `nodes` name a frame and the node outside of it, node 0 is the root. Bytes, counts and nanoseconds are
numbers; nothing is rounded. A key that has no value for this run is null or an empty list, never absent.
"""

import json
from dataclasses import asdict
from typing import Dict, List, Optional

from .. import leaks, problems
from ..crash import Crash
from ..growth import Growth
from ..run import Run
from ..symbols import Frame
from ..words import printable

VERSION = 1
COUNTS = ("allocations", "bytes", "live_bytes", "live_blocks", "runtime_bytes", "runtime_blocks", "peak_bytes", "peak_blocks",
          "temporary", "lifetime_ns")


def write(run: Run, value: str, exporter: str) -> bytes:
    """The whole document."""
    assert run.stacks is not None and run.tree is not None and run.recording is not None
    tree = run.tree
    nodes = _Nodes(run)
    grown = {growth.place: growth for growth in run.growth}
    sites = [_site(run, number, leaf, grown.get(number)) for number, leaf in enumerate(tree.leaves)]
    errors = [_error(problem, nodes) for problem in run.findings.problems]
    lost = _leaks(run, nodes)
    crash = _crash(run.crash, nodes) if run.crash else None
    document = {
        "format": "crunch-model", "version": VERSION, "exporter": exporter,
        "run": _run(run), "stats": run.stats,
        "fatal": {"line": printable(run.fatal.line), **{key: printable(text) for key, text in run.fatal.values.items()}} if run.fatal else None,
        "modules": [{"path": printable(module.path), "start": module.start, "end": module.end, "build_id": module.build_id,
                     "loaded_ns": module.loaded_ns, "unloaded_ns": module.unloaded_ns or None} for module in run.stacks.modules[1:]],
        "sites": sites, "errors": errors, "leaks": lost, "crash": crash, "timeline": _timeline(run), "threads": [asdict(thread) for thread in run.threads],
        "frames": [_frame(frame) for frame in nodes.frames], "nodes": nodes.rows,
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


class _Nodes:
    """The tree of the sites, with the stacks of other things added."""

    def __init__(self, run: Run) -> None:
        assert run.tree is not None
        self.frames: List[Frame] = list(run.tree.frames)
        self.rows: List[List[int]] = [[parent, frame] for parent, frame in zip(run.tree.parents, run.tree.frame_of)]
        self._numbers: Dict[Frame, int] = {frame: number for number, frame in enumerate(self.frames)}
        self._children: Dict[tuple, int] = {tuple(row): number for number, row in enumerate(self.rows) if number}

    def node(self, stack: List[Frame]) -> Optional[int]:
        """The node of a stack, innermost frame first; None: there is none."""
        at = 0
        for frame in reversed(stack):
            number = self._numbers.setdefault(frame, len(self.frames))
            if number == len(self.frames):
                self.frames.append(frame)
            found = self._children.setdefault((at, number), len(self.rows))
            if found == len(self.rows):
                self.rows.append([at, number])
            at = found
        return at or None


def _run(run: Run) -> Dict[str, object]:
    recording = run.recording
    assert recording is not None
    return {
        "folder": printable(str(run.folder)), "exe": run.program, "cwd": run.cwd,
        "arguments": [printable(argument) for argument in recording.arguments],
        "pid": recording.pid, "ppid": recording.ppid, "end": run.end, "started_unix_ns": recording.start_wall_ns,
        "message": printable(run.message), "troubles": list(run.symbols.troubles),
    }


def _frame(frame: Frame) -> Dict[str, object]:
    return {"function": frame.name, "known": frame.known, "file": frame.file or None, "line": frame.line or None,
            "column": frame.column or None, "module": frame.module or None, "inlined": frame.inlined}


def _site(run: Run, number: int, leaf: int, growth: Optional[Growth]) -> Dict[str, object]:
    assert run.stacks is not None
    found = run.histograms.get(number)
    return {"node": leaf, **{count: getattr(run.stacks.places[number], count) for count in COUNTS},
            "histograms": asdict(found) if found else None,
            "growth": {"verdict": growth.verdict.value, "bytes_per_second": growth.per_second, "samples": growth.samples} if growth else None}


def _leaks(run: Run, nodes: "_Nodes") -> Optional[List[Dict[str, object]]]:
    """Records by kind and call stack; None where nobody looked."""
    found = run.findings.leaks
    return [{"kind": leaks.WORDS[record.kind], "node": nodes.node(found.frames(record)), "blocks": record.blocks, "bytes": record.bytes,
             "indirect_blocks": record.indirect_blocks, "indirect_bytes": record.indirect_bytes} for record in found.records] if found else None


def _crash(crash: Crash, nodes: "_Nodes") -> Dict[str, object]:
    return {
        "line": crash.line, "sentence": crash.sentence, "access": crash.access or None, "address": crash.address,
        "node": nodes.node(crash.stack), "registers": dict(crash.registers), "instruction": crash.instruction.hex(), "thread": crash.thread,
        "neighbours": [{"where": each.where, "address": each.address, "size": each.size, "state": each.state, "kind": each.kind,
                        "explains": each.explains, "allocated": nodes.node(each.allocated), "freed": nodes.node(each.freed)}
                       for each in crash.neighbours],
        "threads": [{"id": each.id, "name": each.name, "node": nodes.node(each.frames), "note": each.note} for each in crash.threads],
        "mappings": [asdict(mapping) for mapping in crash.mappings], "notes": list(crash.notes),
    }


def _timeline(run: Run) -> Optional[Dict[str, object]]:
    if run.timeline is None:
        return None
    return {"interval_ns": run.timeline.interval_ns, "points": [asdict(point) for point in run.timeline.points],
            "resident": [list(sample) for sample in run.timeline.resident]}


def _error(problem: problems.Problem, nodes: _Nodes) -> Dict[str, object]:
    error = problem.error
    return {"kind": problem.kind, "headline": problem.headline, "count": problem.count, "thread": error.thread or None,
            "time_ns": error.time_ns, "address": error.address,
            "block": {"address": error.block_address, "size": error.block_size, "kind": error.block_kind} if error.block_known else None,
            "stacks": [{"title": title, "node": nodes.node(frames)} for title, frames in problem.stacks]}
