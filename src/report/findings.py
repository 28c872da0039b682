"""What is wrong with a run: its errors and leaks, without those that suppressions match."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Dict, Iterable, List, Optional, Tuple

from . import leaks, problems, suppressing
from .leaks import Leaks, Record, Total
from .problems import Problem
from .suppressing import Writings
from .suppressions import DEFINITE, INDIRECT, StackFrame, Suppression, Suppressions
from .symbols import Frame

if TYPE_CHECKING:
    from .run import Run


@dataclass
class Suppressed:
    """What an entry holds back, or all of them together: counted, never just gone."""

    errors: int = 0  # by kind and call stack, however often they happened
    leaks: int = 0  # records
    bytes: int = 0  # of these, with what is indirectly lost through them


@dataclass(frozen=True)
class Findings:
    """Errors and leaks that are told, and what suppressions hold back."""

    problems: List[Problem]
    leaks: Optional[Leaks]  # None where nobody looked
    suppressed: List[Tuple[Suppression, Suppressed]]  # in the order of the entries
    left_out: int = 0  # errors of which only the number is known, so that no suppression can match them

    @property
    def failed(self) -> bool:
        """Whether there is anything for which a check of the program should fail."""
        return bool(self.problems) or self.left_out > 0 or (self.leaks is not None and bool(self.leaks.of(DEFINITE)))

    @property
    def total_suppressed(self) -> Suppressed:
        held = [each for _, each in self.suppressed]
        return Suppressed(sum(each.errors for each in held), sum(each.leaks for each in held), sum(each.bytes for each in held))


def find(run: "Run", entries: Suppressions) -> Findings:
    """The findings of a run. CrunchError where the recording makes no sense."""
    errors = problems.read(run)
    lost = run.leaks
    kinds = {kind for entry in entries.entries for kind in entry.kinds}
    meant = [record for record in lost.records if record.kind in kinds and record.kind != INDIRECT] if lost else []
    frames = [frame for problem in errors for frame in _stack(problem)]
    frames += [frame for record in meant for frame in lost.frames(record)] if lost else []
    writings = Writings(run, frames, entries.want_mangled)
    held: Dict[int, Suppressed] = {}
    kept = []
    for problem in errors:
        entry = entries.find(suppressing.ERRORS[problem.kind], lambda: _error_stacks(problem, writings))
        if entry:
            held.setdefault(id(entry), Suppressed()).errors += 1
        else:
            kept.append(problem)
    gone = []
    for record in meant:
        entry = entries.find(record.kind, lambda: _leak_stacks(lost, record, writings))
        if entry:
            gone.append(record)
            of_entry = held.setdefault(id(entry), Suppressed())
            of_entry.leaks += 1
            of_entry.bytes += record.all_bytes
    return Findings(kept, _without(lost, gone), [(entry, held[id(entry)]) for entry in entries.entries if id(entry) in held],
                    run.recording.errors_left_out if run.recording else 0)


def _without(found: Optional[Leaks], gone: Iterable[Record]) -> Optional[Leaks]:
    """Leaks without some records; what is indirectly lost goes with the block through which it is lost."""
    if found is None:
        return None
    blocks: Dict[str, int] = Counter()
    size: Dict[str, int] = Counter()
    left_out = set()
    for record in gone:
        left_out.add(id(record))
        for kind, more, more_bytes in ((record.kind, record.blocks, record.bytes), (INDIRECT, record.indirect_blocks, record.indirect_bytes)):
            blocks[kind] += more
            size[kind] += more_bytes
    totals = {kind: Total(total.blocks - blocks[kind], total.bytes - size[kind]) for kind, total in found.totals.items()}
    return replace(found, totals=totals, records=[record for record in found.records if id(record) not in left_out])


def _error_stacks(problem: Problem, writings: Writings) -> List[List[StackFrame]]:
    return suppressing.error_stacks([writings.of(frame) for frame in _stack(problem)], problem.error.function)


def _leak_stacks(found: Leaks, record: Record, writings: Writings) -> List[List[StackFrame]]:
    return suppressing.leak_stacks([writings.of(frame) for frame in found.frames(record)], found.kinds(record))


def printed(run: "Run") -> List[str]:
    """Entries in memcheck's format for all findings of a run, none twice."""
    found = run.findings
    lost = found.leaks.lost if found.leaks else []
    frames = [frame for problem in found.problems for frame in _stack(problem)]
    frames += [frame for record in lost for frame in found.leaks.frames(record)] if found.leaks else []
    writings = Writings(run, frames, True)
    entries = [suppressing.error_entry(problem.headline, problem.kind, problem.error.function, _stack(problem), writings)
               for problem in found.problems if _stack(problem)]
    for record in lost:
        name = f"{leaks.WORDS[record.kind]}: {leaks.amount(record)}"
        stack = found.leaks.frames(record)
        if stack:
            entries.append(suppressing.leak_entry(name, record.kind, sorted(found.leaks.kinds(record)), stack, writings))
    return list({entry.split("\n", 2)[2]: entry for entry in entries}.values())


def _stack(problem: Problem) -> List[Frame]:
    """Where the error happened."""
    return problem.stacks[0][1] if problem.stacks and problem.error.stack else []
