"""Writes the pages of a run and of the processes below it.

The work is bounded whatever the number of processes: the ones with most remaining bytes get a page, the others a line,
and the page says what is left out and how to get it.
"""

import contextlib
import gc
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

from . import crash, model, processes, render, summary
from . import run as runs
from .errors import CrunchError
from .model import ChildList
from .run import Run

READ_CHILDREN = 2000
RENDERED_CHILDREN = 40
PAGE = "report.html"
PARENT = f"../../{PAGE}"


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for rings of garbage: a page makes millions of objects and leaves none, and the search took a sixth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def reports(run: Run, templates: Path, version: str, editor: str = "") -> None:
    """Writes report.html in the run's folder and in its children, and names into their `fatal`; CrunchError if its own files are damaged.

    `editor`: pattern of links to source lines; empty: there are none."""
    folder = run.folder
    parent = PARENT if folder.parent.name in ("children", "snapshots") else ""
    successor = runs.became(run)
    followed = successor.folder if successor and successor is not run else None

    def write_child(child: Run) -> None:
        _write(child.folder, model.page(child, version, parent=PARENT, editor=editor), templates)
        crash.annotate(child)

    children = _children(run, followed, write_child)
    _write(folder, model.page(run, version, children, parent, _link(followed) if followed else "", editor), templates)
    crash.annotate(run)


def _children(parent: Run, followed: Optional[Path], write: Callable[[Run], None]) -> Optional[ChildList]:
    """The table of children, after the pages it links to are written; `followed` gets one in any case."""
    folders = runs.children(parent.folder)
    if not folders:
        return None
    read: List[processes.Entry] = [(child, *_read(child, parent)) for child in folders[:READ_CHILDREN]]
    read.sort(key=lambda entry: (entry[0] != followed, -entry[1].remaining_bytes if entry[1] else 1))
    links = {}
    for number, (child, run, _) in enumerate(read[:RENDERED_CHILDREN]):
        if run:
            try:
                write(run)
                links[child] = _link(child)
            except CrunchError as error:
                read[number] = (child, None, error.message)
    root = processes.tree(parent, read)
    rows = [model.child_row(process, depth, links.get(process.folder, "")) for depth, process in root.walk()]
    return ChildList(len(folders), rows, _notes(len(folders), len(read), min(len(read), RENDERED_CHILDREN)))


def _read(child: Path, parent: Run) -> Tuple[Optional[Run], str]:
    """A child's run; else None, and why in words."""
    try:
        return (runs.load(child, suppressions=parent.suppressions, servers=parent.servers), "") if summary.complete(child) else (None, "still running")
    except CrunchError as error:
        return None, error.message


def _notes(total: int, read: int, rendered: int) -> List[str]:
    found = []
    if read < total:
        found.append(f"{total - read:,} more processes are not listed; their folders are under 'children'.")
    if rendered < read:
        found.append(f"The {rendered:,} processes with most remaining bytes have a page. For another one, run "
                     f"'crunch --report' on its folder under 'children'.")
    return found


def _link(child: Path) -> str:
    return f"children/{child.name}/{PAGE}"


def _write(folder: Path, page: model.Page, templates: Path) -> None:
    render.write(folder / PAGE, render.html(page, templates))
