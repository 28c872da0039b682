"""What the program did wrong, as the tracker's checks found it: section ERRORS of a recording, in words and with call stacks."""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict, List, Tuple

from . import block_file, reader
from .errors import CrunchError
from .reader import Recording
from .symbols import Frame
from .words import plural, seconds

if TYPE_CHECKING:
    from .run import Run

ERROR = struct.Struct("<8I9Q24s32s32sBB6x")
READS, WRITES, SKIPPED, BLOCK = 1, 2, 4, 8
LEFT_OUT = "that differ from these in kind or call stack are not kept: the first 1,000 are"

(DOUBLE_FREE, FREE_INSIDE, FREE_STACK, FREE_STATIC, FREE_UNMAPPED, MISMATCH, WRONG_SIZE, WRONG_ALIGNMENT, WRONG_ZONE,
 NEGATIVE_SIZE, OVERRUN, UNDERRUN, WRITE_AFTER_FREE, OUT_OF_BOUNDS, USE_AFTER_FREE, GUARD_AFTER, GUARD_BEFORE,
 GUARD_FREED) = range(1, 19)
KINDS = ("", "double-free", "free-inside", "free-stack", "free-static", "free-unmapped", "mismatch", "wrong-size",
         "wrong-alignment", "wrong-zone", "negative-size", "overrun", "underrun", "write-after-free", "out-of-bounds",
         "use-after-free", "guard-after", "guard-before", "guard-freed")
MADE_BY = {"aligned": "an aligned allocation", "new": "operator new", "new[]": "operator new[]", "zone": "another zone"}


@dataclass(frozen=True)
class Error:
    """One struct cr_error."""

    kind: int
    flags: int
    thread: int  # 0: unknown, as for the other two
    allocated_thread: int
    freed_thread: int
    stack: int  # items of NODES; 0: unknown
    allocated: int
    freed: int
    time_ns: int
    address: int
    block_address: int
    block_size: int
    detail: Tuple[int, int, int, int]
    count: int
    function: str
    changed: bytes
    expected: bytes
    block_kind: str

    @property
    def block_known(self) -> bool:
        return bool(self.flags & BLOCK)


@dataclass(frozen=True)
class Problem:
    """An error in words. All text but the frames' is fit to be shown; stacks are innermost frame first, and none is empty."""

    kind: str  # one of KINDS
    headline: str
    count: int  # how often it happened at this stack
    details: List[str]
    stacks: List[Tuple[str, List[Frame]]]
    error: Error
    number: int = 0  # of its item of ERRORS


def read(run: "Run") -> List[Problem]:
    """The errors of a run, in the order they were found; CrunchError if they make no sense."""
    if run.recording is None or run.stacks is None:
        return []
    found = errors(run.recording, str(run.folder / "recording"))
    stacks = run.stacks
    walks = {node: stacks.walk_node(node) for error in found for node in (error.stack, error.allocated, error.freed)}
    run.symbols.resolve(pc for pcs, _ in walks.values() for pc in pcs)

    def frames(node: int) -> List[Frame]:
        pcs, marker = walks[node]
        return [frame for pc in stacks.shown(pcs, marker) for frame in run.symbols.frames(pc)]

    return [_problem(number, error, frames) for number, error in enumerate(found)]


def left_out(run: "Run") -> str:
    """How many errors are counted and not kept, as a sentence; empty: none."""
    more = run.recording.errors_left_out if run.recording else 0
    return f"{plural(more, 'more error')} {LEFT_OUT}" if more else ""


def errors(recording: Recording, path: str) -> List[Error]:
    """The items of ERRORS; `path` names the file where they make no sense."""
    found = []
    for number, values in enumerate(ERROR.iter_unpack(recording.sections[reader.ERRORS].read())):
        *words, function, changed, expected, changed_bytes, block_kind = values
        head, detail, count = words[:12], tuple(words[12:16]), words[16]
        if not 0 < head[0] < len(KINDS) or changed_bytes > len(changed) or block_kind >= len(block_file.KINDS):
            raise CrunchError(f"{path} is damaged: its error {number} makes no sense")
        name = function.split(b"\0")[0].decode("ascii", "replace")
        found.append(Error(*head, detail, count, name if name.isprintable() else "", changed[:changed_bytes],
                           expected[:changed_bytes], block_file.KINDS[block_kind]))
    return found


# ---- in words ----


def _problem(number: int, error: Error, frames: Callable[[int], List[Frame]]) -> Problem:
    titles = (("here", error.thread, error.stack), ("allocated", error.allocated_thread, error.allocated),
              ("freed", error.freed_thread, error.freed))
    stacks = [(title + (f" by thread {thread}" if thread else ""), frames(node)) for title, thread, node in titles if node]
    return Problem(KINDS[error.kind], headline(error), error.count, _details(error), [stack for stack in stacks if stack[1]], error, number)


def headline(error: Error) -> str:
    """One sentence, without a full stop."""
    return HEADLINES[error.kind](error)


def _call(error: Error, *more: object) -> str:
    name = error.function or "free"
    return f"{name}({', '.join([f'0x{error.address:x}', *map(str, more)])})"


def _block(error: Error, article: str = "a") -> str:
    """'a block of 24 bytes'."""
    if not error.block_known:
        return f"{article} block"
    return f"{article} {'freed ' if error.kind in (USE_AFTER_FREE, GUARD_FREED) else ''}block of {plural(error.block_size, 'byte')}"


def _made_by(error: Error) -> str:
    return MADE_BY.get(error.block_kind, error.block_kind)


def _offset(error: Error) -> str:
    """Where the address is, seen from the block."""
    if not error.block_known:
        return f"at 0x{error.address:x}"
    from_start = error.address - error.block_address
    if from_start < 0:
        return f"{plural(-from_start, 'byte')} before"
    if from_start >= error.block_size:
        behind = from_start - error.block_size
        return f"{plural(behind, 'byte')} behind the end of" if behind else "at the end of"
    return f"{plural(from_start, 'byte')} inside" if from_start else "at the start of"


def _double_free(error: Error) -> str:
    return f"double free: {_call(error)} of {_block(error)} that is freed already"


def _free_inside(error: Error) -> str:
    return f"wrong free: {_call(error)} is {_offset(error)} {_block(error)}"


def _wrong_memory(what: str) -> Callable[[Error], str]:
    return lambda error: f"wrong free: {_call(error)} of {what}"


def _mismatch(error: Error) -> str:
    return f"mismatched free: {_call(error)} of {_block(error)} that {_made_by(error)} made"


def _wrong_size(error: Error) -> str:
    return f"wrong size: {_call(error, error.detail[0])} of {_block(error)} that {_made_by(error)} made"


def _wrong_alignment(error: Error) -> str:
    said, has = error.detail[:2]
    made = "with another" if said and has else "with one" if has else "without one"
    return f"wrong alignment: {_call(error)} says {f'an alignment of {said}' if said else 'none'} for {_block(error)} made {made}"


def _wrong_zone(error: Error) -> str:
    return f"wrong zone: {_call(error)} says zone 0x{error.detail[0]:x} for {_block(error)} of zone 0x{error.detail[1]:x}"


def _negative_size(error: Error) -> str:
    name = error.function or "malloc"
    if error.detail[1]:
        return f"impossible size: {name}({error.detail[0]}, {error.detail[1]})"
    return f"negative size: {name}({error.detail[0] - 2**64 if error.detail[0] >= 2**63 else error.detail[0]})"


def _overrun(error: Error) -> str:
    return f"overrun: {plural(error.detail[1], 'byte')} changed {_distance(error)} behind the end of {_block(error)}"


def _underrun(error: Error) -> str:
    return f"underrun: {plural(error.detail[1], 'byte')} changed {plural(error.detail[0], 'byte')} before {_block(error)}"


def _distance(error: Error) -> str:
    return plural(error.detail[0], "byte") if error.detail[0] else "right"


def _write_after_free(error: Error) -> str:
    return (f"write after free: {plural(error.detail[1], 'byte')} changed {plural(error.detail[0], 'byte')} inside "
            f"{_block(error)} that was freed")


def _access(error: Error) -> str:
    how = "write" if error.flags & WRITES else "read" if error.flags & READS else "access"
    size = f" of {plural(error.detail[0], 'byte')}" if error.detail[0] else ""
    by = f" by {error.function}" if error.function else ""
    return f"{how}{size}{by} {_offset(error)} {_block(error)}"


HEADLINES: Dict[int, Callable[[Error], str]] = {
    DOUBLE_FREE: _double_free, FREE_INSIDE: _free_inside, FREE_STACK: _wrong_memory("stack memory"),
    FREE_STATIC: _wrong_memory("static memory"), FREE_UNMAPPED: _wrong_memory("an address where there is no memory"),
    MISMATCH: _mismatch, WRONG_SIZE: _wrong_size, WRONG_ALIGNMENT: _wrong_alignment, WRONG_ZONE: _wrong_zone,
    NEGATIVE_SIZE: _negative_size, OVERRUN: _overrun, UNDERRUN: _underrun, WRITE_AFTER_FREE: _write_after_free,
    OUT_OF_BOUNDS: lambda error: f"out of bounds: {_access(error)}",
    USE_AFTER_FREE: lambda error: f"use after free: {_access(error)}",
    GUARD_AFTER: lambda error: f"overrun: {_access(error)}", GUARD_BEFORE: lambda error: f"underrun: {_access(error)}",
    GUARD_FREED: lambda error: f"use after free: {_access(error)}",
}


def _details(error: Error) -> List[str]:
    found = [f"{seconds(error.time_ns / 1e9)} after the start" + (f", then {plural(error.count - 1, 'time')} more" if error.count > 1 else "")]
    if error.flags & SKIPPED:
        found.append("the call was not made")
    if error.changed:
        found.append(f"found    {_hex(error.changed)}")
        found.append(f"expected {_hex(error.expected)}")
    return found


def _hex(data: bytes) -> str:
    return " ".join(f"{byte:02x}" for byte in data)
