"""What the page says first: the places that matter most, and what to look at next."""

from dataclasses import dataclass
from typing import List, Optional
from urllib.parse import urlencode

from . import frames, groups, sources, stack_rows
from .run import Run
from .sources import Line
from .stack_view import StackView
from .words import plural, sized

WORST = 3
CALLERS = 3  # frames by which places are told apart
TEMPORARY_SHARE = 0.5  # of all allocations, from which on it is worth a word
TEMPORARY_LEAST = 1000


@dataclass(frozen=True)
class Place:
    """A place that allocated, with its source. link: into the page; empty: it is not there. opens: its line in an editor. stacks: how many, if several."""

    share: str
    name: str
    where: str
    callers: List[str]
    source: List[Line]
    changed: bool  # the source is newer than the run
    stacks: str
    link: str
    opens: str
    bytes: int
    blocks: str


@dataclass(frozen=True)
class Worst:
    """The places with most bytes, of those still allocated or, if there are none, of those at the peak."""

    title: str
    places: List[Place]


@dataclass(frozen=True)
class Step:
    """Something worth a look: text, the hash of its view, and the words that lead there."""

    text: str
    link: str
    label: str


def worst(run: Run, view: Optional[StackView], editor: str = "") -> Worst:
    """The three worst sites."""
    if run.stacks is None or run.tree is None or view is None:
        return Worst("", [])
    for measure, title in ((groups.LIVE, "Most memory still allocated"), (groups.PEAK, "Most memory at the peak")):
        found = groups.largest(run.stacks, run.tree, measure, WORST, CALLERS)
        if found:
            whole = sum(max(0, getattr(place, measure.size)) for place in run.stacks.places if not place.is_runtime)
            return Worst(title, [_place(run, view, group, whole, editor) for group in found])
    return Worst("", [])


def _place(run: Run, view: StackView, group: groups.Group, whole: int, editor: str) -> Place:
    label, callers = (group.frames[0], group.frames[1:]) if group.frames else (None, [])
    source = sources.excerpt(label, run.cwd) if label else []
    changed = bool(source and label and run.recording and sources.changed_since(label, run.cwd, run.recording.start_wall_ns))
    site = view.number_of.get(group.leaf)
    link = "" if site is None else f"#sites?site={site}" if group.stacks == 1 else f"#sites?{urlencode({'find': label.name if label else ''})}"
    return Place(
        bytes=group.bytes, blocks=plural(group.blocks, "block"), opens=stack_rows.editor_link(editor, label, run.cwd) if label else "", share=f"{100 * group.bytes / whole:.0f} %" if whole else "",
        name=frames.shortened(label.name, 80) if label else "an unknown place", where=frames.where(label, run.cwd) if label else "",
        callers=[frames.line(frame, run.cwd, 60) for frame in callers], source=source, changed=changed,
        stacks=plural(group.stacks, "call stack") if group.stacks > 1 else "", link=link)


def steps(run: Run, view: Optional[StackView]) -> List[Step]:
    """What to look at next, most pressing first."""
    found = []
    if run.fatal is not None and run.crashed:
        found.append(Step("It crashed.", "#crash", "See why"))
    if run.findings.problems:
        found.append(Step(f"{plural(len(run.findings.problems), 'error')} of memory use.", "#errors", "See where"))
    if run.leaks and run.leaks.lost:
        found.append(Step(f"{plural(len(run.leaks.lost), 'call stack')} lost memory, or perhaps did.", "#leaks", "See what, and what hangs under it"))
    if view is None or run.stacks is None:
        return found
    if run.remaining_blocks > 0:
        found.append(Step(f"{plural(run.remaining_blocks, 'block')} of {sized(run.remaining_bytes)} remained.", "#flame?by=live",
                          "See by which calls they were allocated"))
    if run.count("peak_bytes") > 2 * max(1, run.remaining_bytes):
        found.append(Step(f"At the peak {sized(run.count('peak_bytes'))} were in use.", "#flame?by=peak", "See what they were for"))
    temporary, made = sum(place.temporary for place in run.stacks.places), max(1, run.count("allocations"))
    if temporary >= max(TEMPORARY_LEAST, TEMPORARY_SHARE * made):
        found.append(Step(f"{100 * temporary / made:.0f} % of all allocations were freed before their thread made another one.",
                          "#sites?sort=temporary", "See which could be avoided"))
    return found
