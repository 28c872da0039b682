"""Debug information from the servers of $DEBUGINFOD_URLS, for modules that have none on this machine.

Only asked when the user says so (--debuginfod <seconds>), and never longer than that in all. Files are kept under
$XDG_CACHE_HOME/crunch/debuginfo by build-id; one that is not of the build-id asked for is thrown away.
"""

import os
import time
from pathlib import Path
from typing import Callable, List, Optional, Set
from urllib.parse import urlparse

from . import binary, symbol_cache
from .words import plural, printable

MOST_BYTES = 2 << 30  # of one file
PIECE = 1 << 18
Told = Callable[[str, int], None]  # name of the module and bytes so far


class Debuginfod:
    """The servers, with what is left of the time."""

    def __init__(self, urls: str, seconds: float, told: Optional[Told] = None) -> None:
        """urls: as in the environment, separated by spaces."""
        self._urls = [url.rstrip("/") for url in urls.split() if urlparse(url).scheme in ("http", "https")]
        self._end = time.monotonic() + seconds
        self._seconds = seconds
        self._told = told
        self._absent: Set[str] = set()
        self._unasked: Set[str] = set()

    def find(self, build_id: str, module: str) -> Optional[Path]:
        """The file with the debug information of a build-id, fetched if need be; None: there is none, or no time for it."""
        path = kept(build_id)
        if path is None or build_id in self._absent:
            return None
        if path.exists():
            return path
        for url in self._urls:
            if time.monotonic() >= self._end:
                self._unasked.add(build_id)
                return None
            if self._fetch(f"{url}/buildid/{build_id}/debuginfo", build_id, module, path):
                return path
        self._absent.add(build_id)
        return None

    @property
    def troubles(self) -> List[str]:
        """What the user should know, as sentences without a full stop."""
        if not self._urls:
            return ["--debuginfod asks the servers of DEBUGINFOD_URLS, and that names none"]
        if self._unasked:
            return [f"debug information of {plural(len(self._unasked), 'module')} was not fetched within {self._seconds:g} s: "
                    f"'crunch --report' goes on with what is missing"]
        return []

    def _fetch(self, url: str, build_id: str, module: str, path: Path) -> bool:
        import urllib.error  # as long to import as all of crunch's launcher, and hardly ever needed
        import urllib.request

        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            request = urllib.request.Request(url, headers={"User-Agent": "crunch"})
            with urllib.request.urlopen(request, timeout=max(0.1, self._end - time.monotonic())) as answer, open(unfinished, "wb") as file:
                done = 0
                while True:
                    piece = answer.read(PIECE)
                    if not piece:
                        break
                    done += file.write(piece)
                    if done > MOST_BYTES or time.monotonic() >= self._end:
                        self._unasked.add(build_id)
                        return False
                    if self._told:
                        self._told(printable(module), done)
            if build_id not in binary.build_ids(unfinished):
                return False
            os.replace(unfinished, path)
            return True
        except urllib.error.HTTPError:
            return False
        except (OSError, ValueError):
            if time.monotonic() >= self._end:
                self._unasked.add(build_id)
            return False
        finally:
            unfinished.unlink(missing_ok=True)


def kept(build_id: str) -> Optional[Path]:
    """Where the file of a build-id is kept; None where there is no place or no build-id."""
    folder = symbol_cache.folder()
    return folder.parent / "debuginfo" / f"{build_id}.debug" if folder and build_id else None
