"""Errors of the program as plain text: for the terminal while it runs, and whole in the run folder's file `errors`."""

import os
from typing import List, Sequence

from . import frames, problems
from .errors import CrunchError
from .problems import Problem
from .run import Run
from .symbols import Frame
from .words import plural

FILE = "errors"


def lines(problem: Problem, folder: str, width: int = 0, most: int = 0) -> List[str]:
    """The headline, what else is known, and the stacks, each with at most `most` frames (0: all); source files below `folder` have
    their path in it, names are shortened to `width` columns (0: not)."""
    text = [problem.headline, *(f"    {detail}" for detail in problem.details)]
    for title, stack in problem.stacks:
        shown = _own_part(stack)
        more = len(shown) - most if most else 0
        text.append(f"  {title}")
        text += [f"    {frames.line(frame, folder, width - 4 if width else 0)}" for frame in (shown[:most] if more > 1 else shown)]
        if more > 1:
            text.append(f"    … and {more} more")
    return text


def _own_part(stack: Sequence[Frame]) -> List[Frame]:
    """Without what lies outside of main, or of a thread's function."""
    for number, frame in enumerate(stack):
        if frames.is_main(frame):
            return list(stack[:number + 1])
    return [frame for frame in stack if not frames.is_starter(frame)] or list(stack)


def write(run: Run) -> None:
    """Makes the file `errors`, or takes away that of an earlier reading if there is nothing to tell."""
    path = run.folder / FILE
    found, more = run.findings.problems, problems.left_out(run)
    try:
        if not found and not more:
            if path.exists():
                path.unlink()
            return
        text = "\n".join("\n".join(lines(problem, run.cwd)) + "\n" for problem in found)
        path.write_bytes(os.fsencode(text + (f"\n{more}\n" if more else "")))
    except OSError as error:
        raise CrunchError(f"{path} cannot be written: {error.strerror}") from None


def summary(run: Run) -> str:
    """'3 errors, 40 times in all'; empty: none."""
    found = run.findings.problems
    times = sum(problem.count for problem in found)
    again = f", {times:,} times in all" if times > len(found) else ""
    return f"{plural(len(found), 'error')}{again}" if found else ""
