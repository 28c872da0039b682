"""Columns of numbers as compact text for the page; templates/data.js unpacks them.

A pack is columns one behind the other, deflated together, in base64. A column of numbers lies there as byte planes: the lowest bytes
of all its numbers, then the next ones, as many planes as its largest number needs. Before that its numbers may become
differences (DELTA), and what may be negative becomes 2n or -2n-1 (SIGNED), so that small numbers of either sign stay small.
"""

import base64
import zlib
from array import array
from itertools import islice
from operator import sub
from typing import Iterable, List, Sequence

DELTA, SIGNED, WIDE, TEXT = 1, 2, 4, 8  # WIDE: a number of the column does not fit in 32 bits and a sign
LARGEST = 2**53 - 1  # the page's numbers are exact up to here; anything beyond is damage
LEVEL, NOISY_LEVEL = 6, 5


class Pack:
    """A pack in the making; `directory` says what is in it: name, count, planes (of a text: bytes), coding."""

    def __init__(self, noisy: bool = False) -> None:
        """noisy: mostly numbers without order, in which looking for long repetitions takes time and finds none."""
        self.directory: List[List[object]] = []
        self._deflate = zlib.compressobj(NOISY_LEVEL, strategy=zlib.Z_FILTERED) if noisy else zlib.compressobj(LEVEL)
        self._done: List[bytes] = []

    def numbers(self, name: str, values: Sequence[int], delta: bool = False) -> None:
        """Adds whole numbers; `delta` where neighbours are close to each other."""
        low, high = min(values, default=0), max(values, default=0)
        if low < -LARGEST or high > LARGEST:
            values = [min(max(value, -LARGEST), LARGEST) for value in values]
            low, high = max(low, -LARGEST), min(high, LARGEST)
        coding = WIDE if high > 0x7FFFFFFF or low < -0x7FFFFFFF else 0
        if delta and values:
            differences = array("q", [values[0]])
            differences.extend(map(sub, islice(values, 1, None), values))
            values, coding = differences, coding | DELTA
            low, high = min(values), max(values)
        if low < 0:
            values, coding = array("Q", [value << 1 if value >= 0 else ~(value << 1) for value in values]), coding | SIGNED
            high = max(values)
        planes = max(1, (high.bit_length() + 7) // 8)
        stored = array("Q", values)
        if array("H", [1]).tobytes() != b"\1\0":
            stored.byteswap()
        raw = stored.tobytes()
        for plane in range(planes):
            self._add(raw[plane::8])
        self.directory.append([name, len(values), planes, coding])

    def texts(self, name: str, values: Iterable[str]) -> None:
        """Adds texts, none of which holds a zero character."""
        listed = list(values)
        data = "\0".join(listed).encode("utf-8")
        self._add(data)
        self.directory.append([name, len(listed), len(data), TEXT])

    def bytes(self, name: str, parts: Iterable[bytes]) -> None:
        """Adds bytes as they are."""
        count = 0
        for part in parts:
            self._add(part)
            count += len(part)
        self.directory.append([name, count, 1, 0])

    def base64(self) -> str:
        """The finished pack; nothing can be added to it any more."""
        self._done.append(self._deflate.flush())
        return base64.b64encode(b"".join(self._done)).decode("ascii")

    def _add(self, data: bytes) -> None:
        self._done.append(self._deflate.compress(data))
