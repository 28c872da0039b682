"""A line for every call stack, as comma-separated values: for spreadsheets and scripts."""

import csv
import io

from ..frames import line
from ..run import Run

COUNTS = ("live_bytes", "live_blocks", "runtime_bytes", "runtime_blocks", "peak_bytes", "peak_blocks", "bytes", "allocations",
          "temporary", "mean_lifetime_ns")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(run: Run, value: str, exporter: str) -> bytes:
    """Function, file and line of the place itself, its counts, and its stack, innermost first."""
    assert run.stacks is not None and run.tree is not None
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(["function", "file", "line", "module", *COUNTS, "stack"])
    for place, leaf in zip(run.stacks.places, run.tree.leaves):
        frame = run.tree.frames[run.tree.frame_of[run.tree.label(leaf)]]
        stack = " < ".join(line(each) for each in run.tree.stack(leaf))
        rows.writerow([*map(_cell, (frame.name, frame.file)), frame.line or "", _cell(frame.module),
                       *(getattr(place, count) for count in COUNTS), _cell(stack)])
    return text.getvalue().encode()


def _cell(text: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return "'" + text if text.startswith(FORMULA) else text
