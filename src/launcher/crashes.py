"""What the terminal says about a crash, behind its first line: why, and where."""

from typing import List

from report import crash, frames
from report.crash import Neighbour
from report.run import Run
from report.symbols import Frame

OWN_FRAMES = 8
BLOCK_FRAMES = 3
WIDTH = 100


def lines(run: Run) -> List[str]:
    """The text, indented; nothing where there is nothing to say. May ask the symbol tools."""
    found = run.crash
    if found is None:
        return []
    text = [f"  {found.sentence}"] if found.sentence else []
    text += _stack(run, "in", found.stack, OWN_FRAMES)
    return text + (_block(run, found.explaining) if found.explaining else [])


def _block(run: Run, block: Neighbour) -> List[str]:
    return (_stack(run, f"the block 0x{block.address:x} was allocated in", block.allocated, BLOCK_FRAMES)
            + _stack(run, "and freed in", block.freed, BLOCK_FRAMES))


def _stack(run: Run, title: str, stack: List[Frame], most: int) -> List[str]:
    text = []
    for frame, times in crash.shown(stack, run.program, most):
        again = f", {times:,} times" if times > 1 else ""
        text.append(f"    {frames.line(frame, run.cwd, WIDTH - 4 - len(again))}{again}")
    return [f"  {title}", *text] if text else []
