"""A progress bar for the search for names, on a terminal and only where it takes a while."""

import time
from contextlib import contextmanager
from typing import Iterator, Optional, TextIO

from report.symbols import Progress

AFTER_SECONDS = 0.5
EVERY_SECONDS = 0.1
CELLS = 30


@contextmanager
def bar(stream: Optional[TextIO], quiet: bool = False) -> Iterator[Optional[Progress]]:
    """Gives what is to be told how far the work is, and wipes the bar away in the end; None where nobody looks."""
    if quiet or not _is_terminal(stream) or stream is None:
        yield None
        return
    start = time.monotonic()
    drawn = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - start >= AFTER_SECONDS and now - drawn >= EVERY_SECONDS:
            _write(stream, text(done, total))
            drawn = now

    try:
        yield tell
    finally:
        if drawn:
            _write(stream, "\r\x1b[K")


def text(done: int, total: int) -> str:
    """The bar as it is drawn over the last one."""
    share = min(1.0, done / total) if total else 1.0
    full = int(share * CELLS)
    return f"\rcrunch: finding names [{'#' * full}{'.' * (CELLS - full)}] {100 * share:3.0f} %"


def _is_terminal(stream: Optional[TextIO]) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False


def _write(stream: TextIO, what: str) -> None:
    try:
        stream.write(what)
        stream.flush()
    except (OSError, ValueError):
        pass
