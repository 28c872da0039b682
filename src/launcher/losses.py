"""What the terminal says about leaks: how much of each kind, and the largest of what is lost."""

from typing import List

from report import frames, leaks
from report.run import Run
from report.suppressions import DEFINITE, INDIRECT, POSSIBLE, REACHABLE
from report.symbols import Frame
from report.words import plural, size

RECORDS = 3
FRAMES = 3
WIDTH = 100


def lines(run: Run) -> List[str]:
    """The text; nothing where nothing is left, or nobody looked. May ask the symbol tools."""
    found = run.findings.leaks
    if found is None or not any(total.blocks for total in found.totals.values()):
        return []
    if all(not found.totals[kind].blocks for kind in (DEFINITE, INDIRECT, POSSIBLE)):
        return ["nothing is lost: all remaining blocks are still reachable"]
    kinds = [kind for kind in (DEFINITE, INDIRECT, POSSIBLE, REACHABLE) if found.totals[kind].blocks]
    width = max(len(size(found.totals[kind].bytes)) for kind in kinds)
    text = [f"{leaks.WORDS[kind]:16} {size(found.totals[kind].bytes):>{width}} in {plural(found.totals[kind].blocks, 'block')}"
            for kind in kinds]
    for record in found.lost[:RECORDS]:
        text.append(f"  {leaks.WORDS[record.kind]}: {leaks.amount(record)}")
        text += [f"    {frames.line(frame, run.cwd, WIDTH - 4)}" for frame in _shown(run, found.frames(record))]
    more = len(found.lost) - RECORDS
    if more > 0:
        text.append(f"  … and from {plural(more, 'more call stack')}")
    return text


def _shown(run: Run, stack: List[Frame]) -> List[Frame]:
    """The first frames from the innermost own one outwards."""
    own = next((number for number, frame in enumerate(stack) if frames.is_own(frame, run.program)), 0)
    shown = []
    for frame in stack[own:own + FRAMES]:
        shown.append(frame)
        if frames.is_main(frame):
            break
    return shown + [frame for frame in stack[own + len(shown):] if frames.is_section(frame)]
