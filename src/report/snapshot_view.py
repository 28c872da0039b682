"""The snapshots of a run as the page shows them: a table, and what was live in each as a column of the sites."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from . import snapshots
from .errors import CrunchError
from .run import Run
from .run import load as load_run
from .words import plural, printable, seconds

PAGE_SNAPSHOTS = 50  # as columns, the most recent ones
TRIGGERS = {"request": "asked for", "time": "by the clock", "signal": "by a signal", "peak": "at a peak", "program": "by the program"}


@dataclass(frozen=True)
class SnapshotRow:
    """One snapshot. column: of the sites; empty: the page holds none of it."""

    number: int
    name: str
    trigger: str
    time: str
    time_us: int
    live_bytes: int
    blocks: str
    change: Optional[int]  # of live bytes since the one before
    folder: str
    column: str


@dataclass(frozen=True)
class SnapshotView:
    """All of them, in the order they were taken, and the columns by name."""

    rows: List[SnapshotRow]
    columns: Dict[str, List[int]]
    notes: List[str]


def view(run: Run, shown: List[int]) -> Optional[SnapshotView]:
    """The page's snapshots; None where there are none. `shown`: the places in the page, in its order."""
    found = snapshots.list(run)
    if not found:
        return None
    columns: Dict[str, List[int]] = {}
    for snapshot in found[-PAGE_SNAPSHOTS:]:
        live = _live(run, snapshot)
        if live is not None and run.stacks is not None:
            held = [live.get((place.node, place.pc), (0, 0)) for place in map(run.stacks.places.__getitem__, shown)]
            columns[f"snapshot{snapshot.number}"] = [byte_count for byte_count, _ in held]
            columns[f"snapshot{snapshot.number}Blocks"] = [blocks for _, blocks in held]
    rows, before = [], None
    for snapshot in found:
        at, name = snapshot.seconds or 0.0, f"snapshot{snapshot.number}"
        change = None if before is None else snapshot.live_bytes - before
        before = snapshot.live_bytes
        rows.append(SnapshotRow(
            snapshot.number, printable(snapshot.name), TRIGGERS.get(snapshot.trigger, printable(snapshot.trigger)), seconds(at), int(at * 1e6), snapshot.live_bytes,
            f"{snapshot.live_blocks:,}", change, f"snapshots/{snapshot.number}", name if name in columns else ""))
    notes = []
    gone = snapshots.gone(run.folder)
    if gone:
        notes.append(f"{plural(gone, 'snapshot')} more {'was' if gone == 1 else 'were'} taken and made room for later ones, so that those that are left spread "
                     f"over the whole run; --snapshot-keep says how many of --snapshot-every stay.")
    if len(found) > PAGE_SNAPSHOTS:
        notes.append(f"The call stacks of the last {PAGE_SNAPSHOTS} of {plural(len(found), 'snapshot')} are in the page; 'crunch --report' makes a "
                     f"page of any other, 'crunch --compare' compares any two.")
    return SnapshotView(rows, columns, notes)


def _live(run: Run, snapshot: snapshots.Snapshot) -> Optional[Dict[Tuple[int, int], Tuple[int, int]]]:
    """Live bytes and blocks by node and pc; None where the snapshot cannot be read or is of another process.

    A snapshot's nodes and pcs have the numbers they have in the recording of the run itself."""
    try:
        then = load_run(snapshot.folder)
        stacks = then.stacks
    except CrunchError:
        return None
    if stacks is None or then.recording is None or run.recording is None:
        return None
    if (then.recording.pid, then.recording.start_ns) != (run.recording.pid, run.recording.start_ns):
        return None
    return {(place.node, place.pc): (place.own_bytes, place.own_blocks) for place in stacks.places if place.own_blocks or place.own_bytes}
