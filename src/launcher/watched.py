"""What --watch shows of a running program: samples of its recording, and the lines of the screen; no terminal in here.

The recording is only read, as a file.
"""

import os
import shlex
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from report import frames, reader, stacks, summary
from report.errors import CrunchError
from report.reader import Recording
from report.stacks import Place, Stacks
from report.symbols import Symbols
from report.words import plural, printable, size

from .resident import resident

HISTORY = 600  # samples kept for the sparkline
COLUMNS_ROW = 3  # of the screen: what the numbers are
SAID_SECONDS = 8.0  # how long a message takes the place of the keys
NAMED_FRAMES = 40  # looked at from the innermost on for one of the program's own
BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-=+*%#"
SORTS = {"b": "bytes", "n": "blocks", "a": "rate", "g": "growth"}
KEYS = [("b", "sort by live bytes"), ("n", "by live blocks"), ("a", "by allocations a second"), ("g", "by growth since the start of --watch, or since r"),
        ("r", "growth counts from now on"), ("space", "hold the picture, and go on"), ("s", "take a snapshot"), ("up, down", "move through the list; page up and down, home"),
        ("h, ?", "this help"), ("q", "leave; the program goes on")]

Key = Tuple[int, int]  # node and pc of a place


@dataclass(frozen=True)
class Sample:
    """The program at one moment."""

    at: float  # monotonic clock
    recording: Recording
    stacks: Stacks
    live_bytes: int
    live_blocks: int
    allocations: int
    resident: int = 0  # bytes; 0: not known

    def places(self) -> Dict[Key, Place]:
        return {(place.node, place.pc): place for place in self.stacks.places}


@dataclass(frozen=True)
class Row:
    """A call stack."""

    key: Key
    bytes: int
    blocks: int
    rate: float  # allocations a second
    growth: int  # bytes


def sample(folder: Path) -> Sample:
    """Looks at the program now; CrunchError if its recording cannot be made sense of."""
    recording = reader.read_recording(folder)
    if recording is None:
        raise CrunchError(f"{printable(str(folder))} has no recording any more")
    found = stacks.read(recording, folder / "recording")
    live_bytes, live_blocks = summary.live(recording)
    allocations = sum(slot.allocations for slot in recording.slots)
    return Sample(time.monotonic(), recording, found, live_bytes, live_blocks, allocations, resident(recording.pid))


@dataclass
class Watched:
    """What is known of the program so far, and what the user has chosen."""

    folder: Path
    unicode: bool = True
    now: Optional[Sample] = None
    before: Optional[Sample] = None
    base: Dict[Key, int] = field(default_factory=dict)  # live bytes that growth counts from
    history: List[int] = field(default_factory=list)  # live bytes
    labels: Dict[Key, str] = field(default_factory=dict)
    sort: str = "bytes"
    first: int = 0  # row on top of the list
    held: bool = False
    help: bool = False
    page: int = 1  # rows on the screen
    said: str = ""
    said_at: float = 0.0  # monotonic clock

    def say(self, text: str) -> None:
        """Shows a message on the last line, for a while."""
        self.said, self.said_at = text, time.monotonic()

    def take(self, seen: Sample) -> None:
        """The next sample."""
        if self.now is None:
            self.base = {key: place.own_bytes for key, place in seen.places().items()}
        self.before, self.now = self.now, seen
        self.history = [*self.history[-HISTORY + 1:], seen.live_bytes]

    def press(self, key: str) -> None:
        """A key that changes what is shown."""
        if key in SORTS:
            self.sort, self.first = SORTS[key], 0
        elif key == "r" and self.now:
            self.base = {each: place.own_bytes for each, place in self.now.places().items()}
        elif key == " ":
            self.held = not self.held
        elif key in ("h", "?"):
            self.help = not self.help
        elif key in ("down", "up", "page down", "page up"):
            rows = self.page if "page" in key else 1
            self.first = max(0, self.first + (rows if "down" in key else -rows))
        elif key == "home":
            self.first = 0

    def rows(self) -> List[Row]:
        """All call stacks that hold something or are at work, in the chosen order."""
        if self.now is None:
            return []
        before = self.before.places() if self.before else {}
        passed = max(0.001, self.now.at - self.before.at) if self.before else 0.0
        found = []
        for key, place in self.now.places().items():
            earlier = before.get(key)
            more = place.allocations - (earlier.allocations if earlier else 0)
            row = Row(key, place.own_bytes, place.own_blocks, more / passed if passed else 0.0, place.own_bytes - self.base.get(key, 0))
            if row.bytes or row.rate or row.growth:
                found.append(row)
        return sorted(found, key=lambda row: (-float(getattr(row, self.sort)), -row.bytes, row.key))

    def rate(self) -> float:
        """Allocations a second, all together."""
        if self.now is None or self.before is None:
            return 0.0
        return (self.now.allocations - self.before.allocations) / max(0.001, self.now.at - self.before.at)

    def name(self, rows: List[Row]) -> None:
        """Finds the names of rows that are about to be shown; asks the symbol tools for what is new."""
        missing = [row.key for row in rows if row.key not in self.labels]
        if not missing or self.now is None:
            return
        recording, found = self.now.recording, self.now.stacks
        symbols = Symbols(found, recording.pid, recording.start_wall_ns, recording.facts.get("cwd", "/"))
        chains = {key: _chain(found, key) for key in missing}
        symbols.resolve({pc for chain in chains.values() for pc in chain})
        program = printable(recording.facts.get("exe", ""))
        for key, chain in chains.items():
            named = [frame for pc in chain for frame in symbols.frames(pc)]
            self.labels[key] = frames.chain(named, program, printable(recording.facts.get("cwd", "")))


def _chain(found: Stacks, key: Key) -> List[int]:
    """The pcs of a stack, innermost first, as many as are looked at for a name."""
    node, pc = key
    chain = [pc]
    while node >= stacks.MARKERS and len(chain) < NAMED_FRAMES:
        chain.append(found.node_pcs[node])
        node = found.parents[node]
    return chain


# ---- the screen ------------------------------------------------------------------------------------------------------


def screen(watched: Watched, width: int, height: int) -> List[str]:
    """The lines, at most `height`, none longer than `width`."""
    if watched.help:
        lines = ["keys", *(f"  {key:<9} {what}" for key, what in KEYS)]
    else:
        lines = _head(watched, width)
        room = height - len(lines) - 2
        watched.page = max(1, room)
        rows = watched.rows()
        watched.first = max(0, min(watched.first, len(rows) - max(1, room)))
        shown = rows[watched.first:watched.first + max(0, room)]
        watched.name(shown)
        lines += [_columns(watched), *(_line(row, watched.labels[row.key], width, watched.unicode) for row in shown)]
        lines += [""] * (height - 1 - len(lines)) + [_foot(watched, len(rows), len(shown))]
    return [line[:width] for line in lines[:height]]


def _head(watched: Watched, width: int) -> List[str]:
    now = watched.now
    if now is None:
        return ["…"]
    recording = now.recording
    command = [os.path.basename(recording.arguments[0]), *recording.arguments[1:]] if recording.arguments else ["?"]
    words = printable(" ".join(map(shlex.quote, command)))
    dot = " · " if watched.unicode else ", "
    running = max(0.0, time.time() - recording.start_wall_ns / 1e9)
    busy = dot.join([f"{watched.rate():,.0f} allocations/s", plural(recording.threads, "thread"), _clock(running)])
    totals = [f"live {size(now.live_bytes)} in {plural(now.live_blocks, 'block')}", f"peak {size(summary.peak(recording)[0])}"]
    totals += [f"resident {size(now.resident)}"] if now.resident else []
    return [_beside(f"{recording.pid} {words}", busy, width, watched.unicode), dot.join(totals), sparkline(watched.history, width, watched.unicode)]


def _beside(left: str, right: str, width: int, unicode: bool) -> str:
    """One line: what does not fit is the end of the left one, or else the right one."""
    room = width - len(right) - 2
    if room < len(left) // 2 and room < 20:
        return left
    return f"{_cut(left, room, unicode):<{room}}  {right}"


def _clock(running: float) -> str:
    """'0:07', '12:34', '5:06:07', '3 d 4:05:06'."""
    minutes, second = divmod(int(running), 60)
    hours, minute = divmod(minutes, 60)
    if not hours:
        return f"{minute}:{second:02}"
    days, hour = divmod(hours, 24)
    return (f"{days} d " if days else "") + f"{hour}:{minute:02}:{second:02}"


def sparkline(values: List[int], width: int, unicode: bool = True) -> str:
    """The last values as bars, the highest of them full; a value of 0 is an empty place."""
    shown = values[-width:] if width > 0 else []
    bars = BARS if unicode else PLAIN_BARS
    most = max(shown, default=0)
    return "".join(bars[(value * len(bars) + most - 1) // most - 1] if most and value > 0 else " " for value in shown)


def _columns(watched: Watched) -> str:
    marks = {name: ("*" if watched.sort == name else "") for name in SORTS.values()}
    return (f"{'live' + marks['bytes']:>10} {'blocks' + marks['blocks']:>10} {'alloc/s' + marks['rate']:>10} "
            f"{'growth' + marks['growth']:>11}  call stack")


def _line(row: Row, label: str, width: int, unicode: bool) -> str:
    growth = ("+" if row.growth > 0 else "-") + size(abs(row.growth)) if row.growth else ""
    rate = f"{row.rate:,.0f}" if row.rate else ""
    numbers = f"{size(row.bytes):>10} {row.blocks:>10,} {rate:>10} {growth:>11}  "
    return numbers + _cut(label, max(1, width - len(numbers)), unicode)


def _cut(text: str, width: int, unicode: bool) -> str:
    return text if len(text) <= width else text[:width - 1] + ("…" if unicode else ".")


def _foot(watched: Watched, rows: int, shown: int) -> str:
    held = "HELD  " if watched.held else ""
    listed = f"{watched.first + 1}-{watched.first + shown} of {rows:,}" if shown else f"{rows:,} call stacks"
    said = watched.said if time.monotonic() - watched.said_at < SAID_SECONDS else ""
    return f"{held}{listed}  {said or 'b n a g sort, space hold, s snapshot, h help, q quit'}"
