"""What is wrong with a run: its errors, without those that suppressions match."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from . import problems, suppressing
from .problems import Problem
from .suppressing import Writings
from .suppressions import Suppression, Suppressions
from .symbols import Frame

if TYPE_CHECKING:
    from .run import Run


@dataclass
class Suppressed:
    """What an entry holds back, or all of them together: counted, never just gone."""

    errors: int = 0  # by kind and call stack, however often they happened


@dataclass(frozen=True)
class Findings:
    """Errors that are told, and what suppressions hold back."""

    problems: List[Problem]
    suppressed: List[Tuple[Suppression, Suppressed]]  # in the order of the entries

    @property
    def failed(self) -> bool:
        """Whether there is anything for which a check of the program should fail."""
        return bool(self.problems)

    @property
    def total_suppressed(self) -> Suppressed:
        return Suppressed(sum(each.errors for _, each in self.suppressed))


def find(run: "Run", entries: Suppressions) -> Findings:
    """The findings of a run. CrunchError where the recording makes no sense."""
    found = problems.read(run)
    writings = Writings(run, (frame for problem in found for frame in _stack(problem)), entries.want_mangled)
    held: Dict[int, Suppressed] = {}
    kept = []
    for problem in found:
        entry = _suppression(problem, entries, writings)
        if entry:
            held.setdefault(id(entry), Suppressed()).errors += 1
        else:
            kept.append(problem)
    return Findings(kept, [(entry, held[id(entry)]) for entry in entries.entries if id(entry) in held])


def _suppression(problem: Problem, entries: Suppressions, writings: Writings) -> Optional[Suppression]:
    frames = _stack(problem)
    return entries.find(suppressing.ERRORS[problem.kind],
                        lambda: suppressing.error_stacks([writings.of(frame) for frame in frames], problem.error.function))


def printed(run: "Run") -> List[str]:
    """Entries in memcheck's format for all findings of a run, none twice."""
    found = run.findings
    writings = Writings(run, (frame for problem in found.problems for frame in _stack(problem)), True)
    entries = [suppressing.error_entry(problem.headline, problem.kind, problem.error.function, _stack(problem), writings)
               for problem in found.problems if _stack(problem)]
    return list({entry.split("\n", 2)[2]: entry for entry in entries}.values())


def _stack(problem: Problem) -> List[Frame]:
    """Where the error happened."""
    return problem.stacks[0][1] if problem.stacks and problem.error.stack else []
