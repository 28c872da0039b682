"""What the page says of the run itself: command, machine, versions, options, and the names of the environment's variables."""

import datetime
import sys
from dataclasses import dataclass
from typing import List, Tuple

from . import stack_view
from .run import Run
from .words import printable

FACT_NAMES = {"exe": "Program", "cwd": "Working folder", "system": "System", "release": "System release", "machine": "Machine", "libc": "C library"}
INJECTED = "LD_PRELOAD", "DYLD_INSERT_LIBRARIES"  # always set: by crunch itself


@dataclass(frozen=True)
class AboutView:
    """rows: facts by name. environment: names only. left_out: what the page does not show, and how to get it."""

    rows: List[Tuple[str, str]]
    environment: List[str]
    left_out: List[str]


def view(run: Run, version: str) -> AboutView:
    """Without what is left out, which only the views know."""
    names = run.recording.environment if run.recording else ()
    return AboutView([(printable(key), printable(value)) for key, value in _rows(run, version) if value],
                     sorted(printable(name) for name in names if name not in INJECTED), [])


def _rows(run: Run, version: str) -> List[Tuple[str, str]]:
    rows = [("Command", run.command)] if run.recording else []
    facts = run.recording.facts if run.recording else {}
    rows += [("Options of crunch", _options(run))] if run.recording else []
    rows += [(FACT_NAMES.get(key, key), f"glibc {value}" if key == "libc" else value) for key, value in facts.items()]
    rows += [("Report made by", f"{version}, Python {sys.version.split()[0]}")]
    rows.append(("Process", f"{run.count('pid')}, started by {run.count('ppid')}"))
    rows.append(("End", run.end))
    if run.recording:
        start = datetime.datetime.fromtimestamp(min(run.recording.start_wall_ns / 1e9, 2**33), datetime.timezone.utc)
        rows.append(("Started", start.strftime("%Y-%m-%d %H:%M:%S UTC")))
    rows += stack_view.about(run)
    rows.append(("Run folder", str(run.folder)))
    return rows


def _options(run: Run) -> str:
    """As they were typed; of a tracker that was preloaded by hand its variables."""
    options = run.recording.options if run.recording else {}
    if "CRUNCH_OPTIONS" in options:
        return options["CRUNCH_OPTIONS"] or "none"
    return " ".join(f"{name}={value}" for name, value in sorted(options.items()) if name != "CRUNCH_OUT")
