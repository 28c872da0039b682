"""A progress bar for the search for names, on a terminal and only where it takes a while."""

import time
from contextlib import contextmanager
from typing import Callable, Iterator, Optional, TextIO

from report.words import size

AFTER_SECONDS = 0.5
EVERY_SECONDS = 0.1
CELLS = 30


class Bar:
    """One line of a terminal, drawn again and again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()
        self._drawn = 0.0

    def __call__(self, done: int, total: int) -> None:
        """So many of the names are found."""
        self._draw(lambda: text(done, total))

    def fetching(self, module: str, done: int) -> None:
        """So many bytes of a module's debug information have come."""
        self._draw(lambda: f"\rcrunch: fetching debug information of {module}, {size(done)}\x1b[K")

    def _draw(self, line: Callable[[], str]) -> None:
        now = time.monotonic()
        if now - self._start >= AFTER_SECONDS and now - self._drawn >= EVERY_SECONDS:
            _write(self._stream, line())
            self._drawn = now

    def wipe(self) -> None:
        if self._drawn:
            _write(self._stream, "\r\x1b[K")


@contextmanager
def bar(stream: Optional[TextIO], quiet: bool = False) -> Iterator[Optional[Bar]]:
    """Gives what is to be told how far the work is, and wipes the bar away in the end; None where nobody looks."""
    if quiet or not _is_terminal(stream) or stream is None:
        yield None
        return
    shown = Bar(stream)
    try:
        yield shown
    finally:
        shown.wipe()


def text(done: int, total: int) -> str:
    """The bar as it is drawn over the last one."""
    share = min(1.0, done / total) if total else 1.0
    full = int(share * CELLS)
    return f"\rcrunch: finding names [{'#' * full}{'.' * (CELLS - full)}] {100 * share:3.0f} %\x1b[K"


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
