"""The errors of a run as the page shows them: each with its stacks side by side."""

from collections import Counter
from dataclasses import dataclass
from typing import List, Optional, Tuple

from . import problems, stack_rows
from .run import Run
from .stack_rows import StackRows
from .words import plural

PAGE_ERRORS = 200


@dataclass(frozen=True)
class ErrorRow:
    """One error."""

    kind: str
    headline: str
    count: str
    details: List[str]
    stacks: List[StackRows]


@dataclass(frozen=True)
class ErrorView:
    """All errors, in the order they were found."""

    total: int
    kinds: List[Tuple[str, int]]
    rows: List[ErrorRow]
    notes: List[str]


def view(run: Run, editor: str) -> Optional[ErrorView]:
    """The page's errors; None where there are none."""
    found = run.findings.problems
    left_out = problems.left_out(run)
    if not found and not left_out:
        return None
    rows = []
    for problem in found[:PAGE_ERRORS]:
        stacks = [stack_rows.view(run, title[:1].upper() + title[1:], stack, editor) for title, stack in problem.stacks]
        headline = problem.headline[:1].upper() + problem.headline[1:]
        rows.append(ErrorRow(problem.kind, headline, f"{problem.count:,} times" if problem.count > 1 else "", problem.details, stacks))
    notes = [f"{left_out[:1].upper()}{left_out[1:]}."] if left_out else []
    if len(found) > PAGE_ERRORS:
        notes.append(f"The page shows the first {PAGE_ERRORS} of {plural(len(found), 'error')}; the file 'errors' in the run folder has them all.")
    return ErrorView(len(found), sorted(Counter(problem.kind for problem in found).items(), key=lambda item: -item[1]), rows, notes)
