"""Names of code made at run time, as node and Python write them for perf: /tmp/perf-PID.map. Anybody may have written it."""

import bisect
import os
import re
import stat
from pathlib import Path
from typing import List, Optional, Tuple

FOLDER = Path("/tmp")
MOST_BYTES = 64 << 20
LINE = re.compile(rb"([0-9a-fA-F]{1,16}) ([0-9a-fA-F]{1,16}) ([^\n]{1,2000})")


class PerfMap:
    """The map of one process, read when first asked."""

    def __init__(self, pid: int, start_ns: int) -> None:
        """start_ns: the process's start since 1970; an older map is another process's."""
        self._path = FOLDER / f"perf-{pid}.map"
        self._start_ns = start_ns
        self._ranges: Optional[List[Tuple[int, int, str]]] = None

    def name(self, address: int) -> str:
        """The function at an address; empty: not known. Of two that overlap, the one written later wins where they begin alike."""
        if self._ranges is None:
            self._ranges = self._read()
        at = bisect.bisect_right(self._ranges, (address, 1 << 65, "")) - 1
        start, size, name = self._ranges[at] if at >= 0 else (0, 0, "")
        return name if start <= address < start + size else ""

    def _read(self) -> List[Tuple[int, int, str]]:
        try:
            with open(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_mtime_ns < self._start_ns:
                    return []
                data = file.read(MOST_BYTES)
        except OSError:
            return []
        ranges = {int(start, 16): (int(size, 16), os.fsdecode(name)) for start, size, name in LINE.findall(data)}
        return sorted((start, size, name) for start, (size, name) in ranges.items())
