"""pprof's gzipped protocol buffer (profile.proto of github.com/google/pprof): `go tool pprof`, Pyroscope, Parca read it.

Every sample is a call stack with all values; a location is a return address, its lines the functions inlined there.
"""

import gzip
from typing import Dict, List

from ..run import Run
from ..stacks import MARKERS, Module, Place
from ..symbols import Frame
from ..words import printable

VALUES = (  # as Go's heap profiles name them, where they have the value; unit; attribute of Place
    ("alloc_objects", "count", "allocations"), ("alloc_space", "bytes", "bytes"),
    ("inuse_objects", "count", "own_blocks"), ("inuse_space", "bytes", "own_bytes"),
    ("peak_objects", "count", "peak_blocks"), ("peak_space", "bytes", "peak_bytes"),
    ("temporary_objects", "count", "temporary"),
)
SHOWN_FIRST = {"live": "inuse_space", "peak": "peak_space", "bytes": "alloc_space", "allocations": "alloc_objects",
               "temporary": "temporary_objects"}  # by --value
VARINT, BYTES = 0, 2  # wire types


class _Message:
    """A message being written. Fields that are 0 are left out, as the format wants it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def number(self, field: int, value: int) -> None:
        if value:
            self.data += _varint(field << 3 | VARINT) + _varint(value)

    def bytes(self, field: int, value: bytes) -> None:
        self.data += _varint(field << 3 | BYTES) + _varint(len(value)) + value

    def numbers(self, field: int, values: List[int]) -> None:
        """Packed."""
        self.bytes(field, b"".join(map(_varint, values)))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


class _Profile:
    """The message Profile of profile.proto, whose field numbers stand here."""

    def __init__(self, run: Run) -> None:
        assert run.stacks is not None
        self._run = run
        self._stacks = run.stacks
        self._out = _Message()
        self._strings: Dict[str, int] = {"": 0}
        self._functions: Dict[tuple, int] = {}
        self._locations: Dict[int, int] = {}  # by pc; 0: it has no frame

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def write(self, value: str, exporter: str) -> bytes:
        assert self._run.recording is not None
        for name, unit, _ in VALUES:
            self._out.bytes(1, self._value_type(name, unit))
        modules = list(enumerate(self._stacks.modules))[1:]
        for number, module in sorted(modules, key=lambda entry: entry[1].path != self._run.program):  # readers take the first for the program
            self._mapping(number, module)
        for place in self._stacks.places:
            self._sample(place)
        recording = self._run.recording
        self._out.number(9, recording.start_wall_ns)
        self._out.number(10, max(0, recording.end_ns - recording.start_ns))
        self._out.bytes(11, self._value_type("space", "bytes"))
        self._out.number(12, 1)  # every allocation is there, none is sampled
        self._out.number(13, self._string(f"written by {exporter}"))
        self._out.number(14, self._string(SHOWN_FIRST[value]))
        for text in self._strings:
            self._out.bytes(6, text.encode())
        return gzip.compress(bytes(self._out.data), mtime=0)

    def _value_type(self, name: str, unit: str) -> bytes:
        message = _Message()
        message.number(1, self._string(name))
        message.number(2, self._string(unit))
        return bytes(message.data)

    def _mapping(self, number: int, module: Module) -> None:
        message = _Message()
        message.number(1, number)
        message.number(2, module.start)
        message.number(3, module.end)
        message.number(5, self._string(printable(module.path)))
        message.number(6, self._string(module.build_id))
        for field in range(7, 11):  # functions, file names, lines and inlined frames are there: pprof need not look itself
            message.number(field, 1)
        self._out.bytes(3, bytes(message.data))

    def _sample(self, place: Place) -> None:
        values = [max(0, getattr(place, attribute)) for _, _, attribute in VALUES]
        if not any(values):
            return
        locations = [self._location(pc) for pc in self._stacks.shown(*self._stacks.walk(place))]
        message = _Message()
        message.numbers(1, [location for location in locations if location])
        message.numbers(2, values)
        self._out.bytes(2, bytes(message.data))

    def _location(self, pc: int) -> int:
        if pc not in self._locations:
            frames = self._run.symbols.frames(pc)
            number = self._locations[pc] = len(self._locations) + 1 if frames else 0
            if frames:
                message = _Message()
                message.number(1, number)
                message.number(2, self._stacks.pc_modules[pc])
                message.number(3, self._stacks.addresses[pc] if pc >= MARKERS else 0)
                for frame in frames:
                    message.bytes(4, self._line(frame))
                self._out.bytes(4, bytes(message.data))
        return self._locations[pc]

    def _line(self, frame: Frame) -> bytes:
        message = _Message()
        message.number(1, self._function(frame.name, frame.file))
        message.number(2, frame.line)
        message.number(3, frame.column)
        return bytes(message.data)

    def _function(self, name: str, file: str) -> int:
        number = self._functions.get((name, file))
        if number is None:
            number = self._functions[name, file] = len(self._functions) + 1
            message = _Message()
            message.number(1, number)
            message.number(2, self._string(name))
            message.number(3, self._string(name))
            message.number(4, self._string(file))
            self._out.bytes(5, bytes(message.data))
        return number


def write(run: Run, value: str, exporter: str) -> bytes:
    """The whole run; `value` is what a reader shows first."""
    return _Profile(run).write(value, exporter)
