"""Errors and leaks in valgrind's XML, protocol 4, tool memcheck: what CI servers and editors already read."""

import os
from typing import Iterable, List, Tuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from .. import leaks, problems
from ..run import Run
from ..suppressions import DEFINITE, INDIRECT, POSSIBLE, REACHABLE
from ..symbols import Frame
from ..words import plural, printable, size

KINDS = {  # memcheck's word for each of problems.KINDS; InvalidRead or InvalidWrite for the others
    "double-free": "InvalidFree", "free-inside": "InvalidFree", "free-stack": "InvalidFree", "free-static": "InvalidFree",
    "free-unmapped": "InvalidFree", "mismatch": "MismatchedFree", "wrong-zone": "MismatchedFree",
    "wrong-size": "MismatchedAllocateDeallocateSize", "wrong-alignment": "MismatchedAllocateDeallocateAlignment",
    "negative-size": "FishyValue",
}
LEAKS = {DEFINITE: "Leak_DefinitelyLost", INDIRECT: "Leak_IndirectlyLost", POSSIBLE: "Leak_PossiblyLost", REACHABLE: "Leak_StillReachable"}


def write(run: Run, value: str, exporter: str) -> bytes:
    """The whole document. A `unique` is the error's number in it; an address where crunch keeps none is 0."""
    root = Element("valgrindoutput")
    _text(root, protocolversion=4, protocoltool="memcheck")
    preamble = SubElement(root, "preamble")
    _text(preamble, line=f"written by {exporter}")
    _text(root, pid=run.count("pid"), ppid=run.count("ppid"), tool="memcheck")
    _arguments(root, run, exporter)
    _status(root, "RUNNING", 0.0)
    counts = [_problem(root, number, problem) for number, problem in enumerate(run.findings.problems)]
    wall = run.stats["wall_seconds"]
    _status(root, "FINISHED", wall if isinstance(wall, float) else 0.0)
    found = run.findings.leaks
    for record in found.records if found else ():
        counts.append(_leak(root, len(counts), record, found.frames(record)))
    pairs = SubElement(root, "errorcounts")
    for number, count in enumerate(counts):
        _text(SubElement(pairs, "pair"), count=count, unique=hex(number))
    SubElement(root, "suppcounts")
    ElementTree.indent(root, "  ") if hasattr(ElementTree, "indent") else None
    return b"<?xml version=\"1.0\"?>\n" + ElementTree.tostring(root, "utf-8") + b"\n"


def _text(parent: Element, **values: object) -> None:
    for name, content in values.items():
        SubElement(parent, name).text = str(content)


def _arguments(root: Element, run: Run, exporter: str) -> None:
    arguments = [printable(argument) for argument in (run.recording.arguments if run.recording else ())] or [run.program]
    both = SubElement(root, "args")
    _text(SubElement(both, "vargv"), exe=exporter)
    own = SubElement(both, "argv")
    _text(own, exe=arguments[0])
    for argument in arguments[1:]:
        _text(own, arg=argument)


def _status(root: Element, state: str, seconds: float) -> None:
    """Times as valgrind writes them: days:hours:minutes:seconds.milliseconds since the start."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    _text(SubElement(root, "status"), state=state, time=f"{days:02}:{hours:02}:{minutes:02}:{whole % 60:02}.{int(seconds % 1 * 1000):03}")


def _problem(root: Element, number: int, problem: problems.Problem) -> int:
    error = SubElement(root, "error")
    access = "InvalidWrite" if problem.error.flags & problems.WRITES or not problem.error.flags & problems.READS else "InvalidRead"
    _text(error, unique=hex(number), tid=problem.error.thread or 1, kind=KINDS.get(problem.kind, access), what=problem.headline)
    (_, first), *others = problem.stacks or [("", [])]
    _stack(error, first)
    for title, frames in others:
        _text(error, auxwhat=f"the block was {title}")
        _stack(error, frames)
    return problem.count


def _leak(root: Element, number: int, record: leaks.Record, frames: List[Frame]) -> int:
    error = SubElement(root, "error")
    _text(error, unique=hex(number), tid=1, kind=LEAKS[record.kind])
    more = f" ({size(record.bytes)} direct, {size(record.indirect_bytes)} indirect)" if record.indirect_blocks else ""
    blocks = record.blocks + record.indirect_blocks
    what = SubElement(error, "xwhat")
    _text(what, text=f"{size(record.all_bytes)}{more} in {plural(blocks, 'block')} {'is' if blocks == 1 else 'are'} {leaks.WORDS[record.kind]}",
          leakedbytes=record.all_bytes, leakedblocks=blocks)
    _stack(error, frames)
    return 1


def _stack(error: Element, frames: Iterable[Frame]) -> None:
    stack = SubElement(error, "stack")
    for frame in frames:
        _text(SubElement(stack, "frame"), **dict(_frame(frame)))


def _frame(frame: Frame) -> Iterable[Tuple[str, object]]:
    yield "ip", "0x0"
    if frame.module:
        yield "obj", frame.module
    yield "fn", frame.name
    if frame.file:
        yield "dir", os.path.dirname(frame.file)
        yield "file", os.path.basename(frame.file)
    if frame.line:
        yield "line", frame.line
