"""What the page and the terminal say about suppressions."""

from dataclasses import dataclass
from typing import Callable, List, Optional, Tuple

from .findings import Suppressed
from .run import Run
from .words import plural, printable, size, sized


@dataclass(frozen=True)
class SuppressionView:
    """Entries that hold something back, as name, place and what; and those of the user's that matched nothing."""

    total: str
    used: List[Tuple[str, str, str]]
    unused: List[Tuple[str, str]]


def view(run: Run, with_unused: bool) -> Optional[SuppressionView]:
    """The page's part; None where there is nothing to say."""
    used = [(printable(entry.name), entry.place, words(held, sized)) for entry, held in run.findings.suppressed]
    unused = [(printable(entry.name), entry.place) for entry in run.suppressions.unused] if with_unused else []
    return SuppressionView(words(run.findings.total_suppressed, sized), used, unused) if used or unused else None


def words(held: Suppressed, size: Callable[[int], str] = size) -> str:
    """'3 leak records of 4.2 KiB, 2 errors'; empty where nothing is held back. `size`: how bytes are written."""
    found = [f"{plural(held.leaks, 'leak record')} of {size(held.bytes)}"] if held.leaks else []
    return ", ".join(found + ([plural(held.errors, "error")] if held.errors else []))
