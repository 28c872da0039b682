"""What the terminal says about a crash, behind its first line: why, and where."""

from pathlib import Path
from typing import List

from report import crash, frames, reader
from report.crash import Neighbour
from report.errors import CrunchError
from report.run import CRASHES, Run, children, load
from report.symbols import Frame
from report.words import printable

OWN_FRAMES = 8
BLOCK_FRAMES = 3
WIDTH = 100
CHILDREN = 5


def lines(run: Run) -> List[str]:
    """The text, indented; nothing where there is nothing to say. May ask the symbol tools."""
    found = run.crash
    if found is None:
        return []
    text = [f"  {found.sentence}"] if found.sentence else []
    text += _stack(run, "in", found.stack, OWN_FRAMES)
    return text + (_block(run, found.explaining) if found.explaining else [])


def below(top: Path, ended: Path, kept: bool) -> List[str]:
    """The processes below `top` that crashed, without the program itself, which exec may have made one of them (`ended`).

    kept: whether their folders stay."""
    text: List[str] = []
    crashed = [child for child in children(top) if child != ended and _crashed(child)]
    for child in crashed[:CHILDREN]:
        try:
            loaded = load(child)
            fatal = loaded.fatal
        except CrunchError:
            continue  # the page says so of each folder that it leaves out
        if fatal:
            text += [f"crunch: process {child.name} ({printable(loaded.name)}): {printable(fatal.line)}", *lines(loaded)]
            text += [f"  crash info written to {printable(str(child / 'fatal'))}"] * kept
    more = len(crashed) - CHILDREN
    return text + ([f"crunch: and {more:,} more of the child processes crashed"] if more > 0 else [])


def _crashed(folder: Path) -> bool:
    try:
        stats = reader.read_stats(folder)
    except CrunchError:
        return False
    return stats is not None and str(stats["end"]).replace("signal ", "") in CRASHES


def _block(run: Run, block: Neighbour) -> List[str]:
    return (_stack(run, f"the block 0x{block.address:x} was allocated in", block.allocated, BLOCK_FRAMES)
            + _stack(run, "and freed in", block.freed, BLOCK_FRAMES))


def _stack(run: Run, title: str, stack: List[Frame], most: int) -> List[str]:
    text = []
    for frame, times in crash.shown(stack, run.program, most):
        again = f", {times:,} times" if times > 1 else ""
        text.append(f"    {frames.line(frame, run.cwd, WIDTH - 4 - len(again))}{again}")
    return [f"  {title}", *text] if text else []
