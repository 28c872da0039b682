"""The processes of a run as a tree, with sums.

A process is a child of the one whose number it was started by, as it was then: numbers serve again. Where exec replaced the program,
what became of it hangs under what it was. A process whose parent was not recorded hangs under the first one.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

from . import reader
from .errors import CrunchError
from .run import Run


@dataclass
class Process:
    """One recorded program image, and those below it. Sums are over it and all of them, as far as they can be read."""

    folder: Path
    run: Optional[Run]
    state: str  # why there is no run, in words
    pid: int
    ppid: int
    start_ns: int  # wall clock
    became: bool = False  # by exec, from its parent here
    children: List["Process"] = field(default_factory=list)  # in the order they started
    processes: int = 1
    remaining_blocks: int = 0
    remaining_bytes: int = 0
    allocated_bytes: int = 0

    def walk(self, depth: int = 0) -> Iterator[Tuple[int, "Process"]]:
        """This one and all below it, each before its children, with its depth."""
        waiting = [(depth, self)]
        while waiting:
            at, process = waiting.pop()
            yield at, process
            waiting += [(at + 1, child) for child in reversed(process.children)]


Entry = Tuple[Path, Optional[Run], str]  # folder, run, why there is none


def tree(first: Run, others: List[Entry]) -> Process:
    """The tree of a run and of the processes recorded below its folder."""
    root = _process((first.folder, first, ""))
    all_ = sorted((_process(entry) for entry in others), key=lambda process: process.start_ns)
    images: Dict[int, List[Process]] = {root.pid: [root]}  # by number, in the order they started
    for process in all_:
        known = images.setdefault(process.pid, [])
        last = known[-1] if known else None
        process.became = bool(last and last.run and last.run.end == "exec")
        parent = last if process.became and last else _parent(process, images) or root
        parent.children.append(process)
        known.append(process)
    for _, process in reversed([*root.walk()]):
        for child in process.children:
            process.processes += child.processes
            process.remaining_blocks += child.remaining_blocks
            process.remaining_bytes += child.remaining_bytes
            process.allocated_bytes += child.allocated_bytes
    return root


def _parent(process: Process, images: Dict[int, List[Process]]) -> Optional[Process]:
    """The image that was there under the parent's number when the process started."""
    found = [image for image in images.get(process.ppid, []) if image.start_ns <= process.start_ns and image is not process]
    return found[-1] if found and process.ppid != process.pid else None


def _process(entry: Entry) -> Process:
    folder, run, state = entry
    recording = run.recording if run else _recording(folder)
    number = folder.name.split(".")[0]
    process = Process(folder, run, state, int(number) if number.isdigit() else 0, 0, 0)
    if recording:
        process.pid, process.ppid, process.start_ns = recording.pid, recording.ppid, recording.start_wall_ns
    elif run:
        process.pid, process.ppid = run.count("pid"), run.count("ppid")
    if run:
        process.remaining_blocks, process.remaining_bytes = run.remaining_blocks, run.remaining_bytes
        process.allocated_bytes = run.count("bytes_allocated")
    return process


def _recording(folder: Path) -> Optional[reader.Recording]:
    try:
        return reader.read_recording(folder)
    except CrunchError:
        return None
