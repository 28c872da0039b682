"""Call stacks as rows of the page's HTML, for the views that read without a script."""

import os
import re
from dataclasses import dataclass
from typing import List
from urllib.parse import quote

from . import frames, sources
from .run import Run
from .sources import Line
from .symbols import Frame

LONGEST = 80  # rows of one stack
NAME_COLUMNS = 160


@dataclass(frozen=True)
class FrameRow:
    """One frame. link: opens its source line, where the reader chose an editor."""

    name: str
    where: str
    link: str
    own: bool
    inlined: bool


@dataclass(frozen=True)
class StackRows:
    """A stack with a title; `source` is that of its innermost own frame, of which `at` says function and line."""

    title: str
    rows: List[FrameRow]
    left_out: int
    at: str
    source: List[Line]
    changed: bool


def editor_link(pattern: str, frame: Frame, folder: str) -> str:
    """The address that opens a frame's source line; empty where there is none. templates/format.js has the same."""
    if not pattern or not frame.file or not frame.line or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", pattern):
        return ""
    return pattern.replace("{file}", quote(os.path.join(folder, frame.file))).replace("{line}", str(frame.line))


def view(run: Run, title: str, stack: List[Frame], editor: str, with_source: bool = True) -> StackRows:
    """A stack, innermost frame first."""
    own = [frames.is_own(frame, run.program) for frame in stack]
    found = sources.first_with_source(stack, own, run.cwd) if with_source else None
    changed = bool(found and run.recording and sources.changed_since(found[0], run.cwd, run.recording.start_wall_ns))
    label = found[0] if found else next((frame for frame, is_own in zip(stack, own) if is_own), stack[0] if stack else None)
    return StackRows(title, [_row(run, frame, is_own, editor) for frame, is_own in zip(stack[:LONGEST], own)], max(0, len(stack) - LONGEST),
                     frames.line(label, run.cwd, 100) if label else "", found[1] if found else [], changed)


def _row(run: Run, frame: Frame, own: bool, editor: str) -> FrameRow:
    return FrameRow(frames.shortened(frame.name, NAME_COLUMNS), frames.where(frame, run.cwd), editor_link(editor, frame, run.cwd), own, frame.inlined)


