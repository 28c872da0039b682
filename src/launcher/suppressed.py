"""What the terminal says about suppressions: how much they hold back, and which of the user's matched nothing."""

from typing import List

from report import suppression_view
from report.run import Run
from report.words import printable

MOST_UNUSED = 10


def lines(run: Run) -> List[str]:
    """The text; nothing where no suppression did anything and none of the user's was idle."""
    held = suppression_view.words(run.findings.total_suppressed)
    unused = run.suppressions.unused
    text = [f"suppressed: {held}"] if held else []
    text += [f"crunch: unused suppression: {printable(entry.name)} ({entry.place})" for entry in unused[:MOST_UNUSED]]
    if len(unused) > MOST_UNUSED:
        text.append(f"crunch: {len(unused) - MOST_UNUSED:,} more suppressions are unused; report.html lists them all")
    return text
