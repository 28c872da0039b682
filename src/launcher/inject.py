"""The environment that makes the loader put the tracker into the program."""

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional

from launcher.options import Checks
from report.errors import CrunchError

MACOS = sys.platform == "darwin"
LIBRARY = "libcrunch.dylib" if MACOS else "libcrunch.so"
CHECK_LIBRARY = "libcrunch-check.dylib" if MACOS else "libcrunch-check.so"
VARIABLE = "DYLD_INSERT_LIBRARIES" if MACOS else "LD_PRELOAD"
SEPARATORS = ":" if MACOS else " :"
# macOS's malloc keeps small blocks in regions of 512 MiB of which every page can be written to: an access far beside a block would not be
# noticed, as it is in the other zones. A value of the user's own stays.
NANO = "MallocNanoZone"
UNSAFE = SEPARATORS if MACOS else SEPARATORS + "$"  # ld.so expands $ORIGIN and its like


def libraries(root: Path, check: bool) -> List[Path]:
    """The tracker, with --check also the library that looks at calls of mem* and its like: built in place, or installed beside crunch.py."""
    names = [LIBRARY, CHECK_LIBRARY] if check else [LIBRARY]
    for folder in ("build", "lib"):
        candidates = [root / folder / name for name in names]
        if all(candidate.is_file() for candidate in candidates):
            return candidates
    raise CrunchError(f"{names[-1]} is missing in {root / 'build'}; build it with 'make -C {root}'")


@contextmanager
def preloadable(paths: List[Path]) -> Iterator[List[str]]:
    """Names of the libraries that the loader's list can hold; private links where the real ones cannot."""
    if not any(char in str(path) for path in paths for char in UNSAFE):
        yield [str(path) for path in paths]
        return
    base = None if not any(char in tempfile.gettempdir() for char in UNSAFE) else "/tmp"
    folder = tempfile.mkdtemp(prefix="crunch-", dir=base)
    try:
        links = [os.path.join(folder, path.name) for path in paths]
        for path, link in zip(paths, links):
            os.symlink(path, link)
        yield links
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(old: Mapping[str, str], names: List[str], run_folder: Path, heap_limit: int, children: bool,
                checks: Checks, snapshot_at_peak: bool = False, snapshot_on: int = 0, abort_on_error: bool = False,
                typed: str = "") -> Dict[str, str]:
    """The program's environment: `old` with the tracker's libraries first in the loader's list, and this run's settings.

    `typed`: the options as they were typed, which the report shows."""
    new = dict(old)
    new[VARIABLE] = ":".join(names + _others(old.get(VARIABLE, ""), names[0]))
    if MACOS:
        new.setdefault(NANO, "0")
    new["CRUNCH_OUT"] = str(run_folder)
    new["CRUNCH_HEAP_LIMIT"] = str(heap_limit)
    for variable in ("CRUNCH_CHILDREN", "CRUNCH_SNAPSHOT_AT_PEAK", "CRUNCH_SNAPSHOT_ON", "CRUNCH_ABORT_ON_ERROR"):
        new.pop(variable, None)
    new["CRUNCH_OPTIONS"] = typed
    if not children:
        new["CRUNCH_CHILDREN"] = "0"
    for key, value in _checks(checks).items():
        new.pop(key, None)
        if value is not None:
            new[key] = str(value)
    if snapshot_at_peak:
        new["CRUNCH_SNAPSHOT_AT_PEAK"] = "1"
    if snapshot_on:
        new["CRUNCH_SNAPSHOT_ON"] = str(snapshot_on)
    if abort_on_error:
        new["CRUNCH_ABORT_ON_ERROR"] = "1"
    return new


def _checks(checks: Checks) -> Dict[str, Optional[int]]:
    """Variables of the checks; None: not to be set."""
    return {"CRUNCH_CHECK": 1 if checks.check else None, "CRUNCH_QUARANTINE": checks.quarantine, "CRUNCH_FILL": checks.fill,
            "CRUNCH_GUARD": checks.guard or None, "CRUNCH_GUARD_BELOW": 1 if checks.guard_below else None}


def _others(libraries: str, name: str) -> list:
    """The user's own libraries in their order, without crunch's."""
    for separator in SEPARATORS:
        libraries = libraries.replace(separator, ":")
    ours = os.path.realpath(name)
    found = []
    for entry in libraries.split(":"):
        if entry and entry not in found and os.path.realpath(entry) != ours and os.path.basename(entry) not in (LIBRARY, CHECK_LIBRARY):
            found.append(entry)
    return found
