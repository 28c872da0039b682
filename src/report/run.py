"""A run as a whole: the files of one run folder together, its children, and what exec made of it."""

import os
import shlex
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Optional

from . import block_file, crash, findings, fragmentation, growth, histograms, leaks, reader, stacks, summary, threads, timeline, tree
from .crash import Crash
from .debuginfod import Debuginfod
from .errors import CrunchError
from .findings import Findings
from .fragmentation import Fragmentation
from .growth import Growth
from .histograms import Histograms
from .leaks import Leaks
from .block_file import Blocks
from .reader import Fatal, Recording, StatValue
from .stacks import Stacks
from .suppressions import Suppressions
from .symbols import Progress, Symbols
from .threads import Thread
from .timeline import Moment, Timeline
from .tree import Tree
from .words import printable

CRASHES = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS")


@dataclass(frozen=True)
class Run:
    """A complete run folder."""

    folder: Path
    stats: Dict[str, StatValue]
    recording: Optional[Recording]  # None where the disk could not hold it
    fatal: Optional[Fatal]
    progress: Optional[Progress] = None  # told how far the search for names is
    suppressions: Suppressions = field(default_factory=Suppressions)  # shared by all runs that are read with them
    servers: Optional[Debuginfod] = None  # to be asked for debug information

    @cached_property
    def blocks(self) -> Optional[Blocks]:
        """The remaining blocks, opened when asked for; None after an end the tracker did not see."""
        return block_file.read_blocks(self.folder)

    @cached_property
    def stacks(self) -> Optional[Stacks]:
        """Where the program allocated, read when asked for; None without a recording."""
        if self.recording is None:
            return None
        found = stacks.read(self.recording, self.folder / "recording")
        for block in self.blocks.runtime(len(self.blocks)) if self.blocks else ():
            place = found.place_at(block.site)
            if place:
                place.runtime_bytes += block.size
                place.runtime_blocks += 1
        return found

    @cached_property
    def timeline(self) -> Optional[Timeline]:
        """The heap over time; None without a recording."""
        wall = self.stats["wall_seconds"]
        end_ns = int(wall * 1e9) if isinstance(wall, float) else None
        return timeline.read(self.recording, self.folder, end_ns) if self.recording else None

    @cached_property
    def moments(self) -> List[Moment]:
        """The largest places over time."""
        if not (self.recording and self.stacks and self.timeline):
            return []
        found = timeline.moments(self.recording, self.folder, self.stacks.place_of)
        if timeline.goes_on(self.recording) and self.timeline.points:
            found.append(timeline.moment_of(self.stacks.places, max([self.timeline.points[-1].time_ns, *(each.time_ns for each in found[-1:])])))
        return timeline.filled_moments(found, self.timeline)

    @cached_property
    def growth(self) -> List[Growth]:
        """What becomes of the live bytes of the places that ever were among the largest."""
        return growth.verdicts(self.moments)

    @cached_property
    def histograms(self) -> Dict[int, Histograms]:
        """Of the blocks that have ended, by place."""
        return histograms.read(self.recording, self.stacks, self.folder) if self.recording and self.stacks else {}

    @cached_property
    def fragmentation(self) -> Optional[Fragmentation]:
        """What the heap takes beyond what was asked for, at the end; None after an end by a signal."""
        return fragmentation.read(self.folder, self.stacks.place_of if self.stacks else [])

    @cached_property
    def threads(self) -> List[Thread]:
        """The threads, those that allocated most first."""
        return threads.read(self.recording, self.blocks, self.folder) if self.recording else []

    @cached_property
    def symbols(self) -> Symbols:
        """The names of the stacks' frames; only where there are stacks."""
        assert self.stacks is not None and self.recording is not None
        return Symbols(self.stacks, self.recording.pid, self.recording.start_wall_ns, self.recording.facts.get("cwd", "/"),
                       servers=self.servers)

    @cached_property
    def tree(self) -> Optional[Tree]:
        """The stacks as a tree of named frames, made when asked for, which may take a while; None without a recording."""
        return tree.build(self.stacks, self.symbols, self.program, self.progress) if self.stacks else None

    @cached_property
    def crash(self) -> Optional[Crash]:
        """Why the program crashed, with names, found when asked for; None if it did not crash or nobody saw it."""
        return crash.read(self)

    @cached_property
    def leaks(self) -> Optional[Leaks]:
        """Which remaining blocks are lost, read when asked for; None where nobody looked."""
        return leaks.read(self)

    @cached_property
    def findings(self) -> Findings:
        """What is wrong with the run, found when asked for; asks the symbol tools where there is anything."""
        return findings.find(self, self.suppressions)

    @property
    def program(self) -> str:
        """The path of the executable, printable; empty where it is not known."""
        return printable(self.recording.facts.get("exe", "")) if self.recording else ""

    @property
    def cwd(self) -> str:
        """The folder the program was started in, printable; empty where it is not known."""
        return printable(self.recording.facts.get("cwd", "")) if self.recording else ""

    def count(self, key: str) -> int:
        """One of the counts of `stats`."""
        value = self.stats[key]
        return value if isinstance(value, int) else 0

    @property
    def end(self) -> str:
        return str(self.stats["end"])

    @property
    def remaining_blocks(self) -> int:
        """Blocks the program itself left."""
        return self.count("live_blocks") - self.count("runtime_blocks")

    @property
    def remaining_bytes(self) -> int:
        return self.count("live_bytes") - self.count("runtime_bytes")

    @property
    def signal(self) -> Optional[str]:
        """The signal that ended the process."""
        return self.end[len("signal "):] if self.end.startswith("signal ") else None

    @property
    def crashed(self) -> bool:
        return self.signal in CRASHES

    @property
    def name(self) -> str:
        """The program's name, for people; not yet escaped."""
        if self.recording is None:
            return "the program"
        arguments = self.recording.arguments
        return os.path.basename(arguments[0] if arguments else self.recording.facts.get("exe", "")) or "the program"

    @property
    def command(self) -> str:
        """The command line as one would type it, printable; empty where it is not known."""
        return printable(" ".join(map(shlex.quote, self.recording.arguments))) if self.recording else ""

    @property
    def message(self) -> str:
        """Why the tracker recorded less than it should; usually nothing."""
        return self.recording.message if self.recording else "the recording could not be kept on disk"

    @property
    def blocks_missing(self) -> str:
        """Where a run has no list of blocks and no contents: why."""
        if self.signal == "SIGKILL":
            return "SIGKILL leaves a program no time to list its blocks and keep their contents"
        if self.recording and self.recording.state == reader.RUNNING:
            return "the program ended in a way that left no time to list its blocks and keep their contents"
        return "the list of its blocks could not be written, and their contents are not kept"

    def ended_by(self) -> str:
        """'ended by SIGTERM, sent by process 12'."""
        sender = self.fatal.values.get("sender", "") if self.fatal else ""
        by = f", sent by process {int(sender)}" if sender.isdigit() else ""
        if self.signal == "SIGKILL":
            by = " (by a kill command, or by the system when memory ran out)"
        return f"ended by {self.signal}{by}"


def load(folder: Path, progress: Optional[Progress] = None, suppressions: Optional[Suppressions] = None,
         servers: Optional[Debuginfod] = None) -> Run:
    """Reads a run folder that is complete; CrunchError if it is not, or is damaged."""
    stats = reader.read_stats(folder)
    if stats is None:
        if not (folder / reader.MARKER).exists() and not (folder / "recording").exists():
            raise CrunchError(f"{folder} is no run folder of crunch")
        raise CrunchError(f"{folder} is not complete: its program still runs, or was never recorded")
    return Run(folder, stats, reader.read_recording(folder), reader.read_fatal(folder), progress, suppressions or Suppressions(),
               servers)


def children(folder: Path) -> List[Path]:
    """The run folders of all processes below this one, in the order of their numbers."""
    try:
        found = [entry.name for entry in os.scandir(folder / "children") if entry.name.replace(".", "").isdigit()]
    except OSError:
        return []
    return [folder / "children" / name for name in sorted(found, key=lambda name: [int(part) for part in name.split(".") if part])]


def remaining_below(folder: Path) -> int:
    """Bytes that the processes below this one left, as far as their folders are complete and sound."""
    total = 0
    for child in children(folder):
        try:
            stats = reader.read_stats(child)
        except CrunchError:
            stats = None
        if stats:
            total += int(stats["live_bytes"] or 0) - int(stats["runtime_bytes"] or 0)
    return total


def lost_in(folder: Path) -> bool:
    """Whether a process has definite leaks, suppressed ones included, as far as its folder is complete and sound."""
    try:
        stats = reader.read_stats(folder)
    except CrunchError:
        return False
    return bool(stats and stats["definitely_lost_blocks"])


def became(run: Run, end: Optional[summary.End] = None, max_rss: int = 0) -> Optional[Run]:
    """What the process was at its end, where exec replaced the program in it; None if it was not recorded.

    `end` is what the launcher saw, as for summary.complete."""
    if run.end != "exec":
        return run
    for folder in reversed(children(run.folder)):
        if folder.name.split(".")[0] == str(run.count("pid")):
            summary.complete(folder, end, max_rss)
            last = load(folder, suppressions=run.suppressions) if (folder / "stats").exists() else None
            if last and last.end != "exec":
                return last
    return None
