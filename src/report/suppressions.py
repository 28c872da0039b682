"""Suppression files: memcheck's and LSan's formats, and which entry matches a call stack.

Line by line, memcheck: `{`, a name, `Memcheck:Leak` (tools, then the kind), lines that belong to the kind, frames from the innermost
outwards (`fun:`, `obj:`, `src:`, `...`), `}`. LSan: `leak:pattern`. An entry is recognised by its first line, so a file may
hold both. Frames of an entry must match the innermost frames of a stack; what lies outside of them does not matter.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Callable, FrozenSet, Iterable, List, Optional, Pattern, Sequence, Tuple

from .errors import CrunchError
from .words import printable

RUNTIMES = Path(__file__).with_name("runtimes.supp")  # what the C and C++ runtimes are known to leave
MOST_BYTES = 16 << 20
DEFINITE, POSSIBLE, INDIRECT, REACHABLE = LEAK_KINDS = ("definite", "possible", "indirect", "reachable")
FREE, ADDRESS, OVERLAP, FISHY = "Free", "Addr", "Overlap", "FishyValue"  # errors as memcheck calls them
MEMCHECK_KIND = re.compile(r"(Addr|Value)\d{1,3}|[A-Z][A-Za-z]*")
WITH_DETAIL = ("Param", "User", FISHY)  # the line after the kind is no frame
SYMBOL_VERSION = re.compile(r"@@?[A-Z][\w.]*$")  # memcheck has 'memcpy@@GLIBC_2.14', nobody else the version
MANGLED = re.compile(r"(fun:)_?_[ZR]")


@dataclass(frozen=True)
class StackFrame:
    """A frame in all the ways a suppression may write it; empty where nothing is known."""

    names: Tuple[str, ...]  # of the function: demangled with and without its parameters, mangled
    objects: Tuple[str, ...] = ()  # paths of the file it lies in: as loaded, and without symbolic links
    file: str = ""
    line: int = 0


@dataclass
class Suppression:
    """One entry."""

    name: str
    path: str
    line: int  # of the file, where the entry begins
    kinds: FrozenSet[str]  # of LEAK_KINDS, and of errors
    patterns: Tuple[str, ...]  # 'fun:…', 'obj:…', 'src:…', '...'; LSan: one 'leak:…'
    theirs: bool = False  # of other tools only, or of a kind of error that crunch does not look for: it cannot match
    built_in: bool = False
    used: bool = False  # it has matched

    @property
    def place(self) -> str:
        """'my.supp:12', printable."""
        return f"{printable(self.path)}:{self.line}"

    def matches(self, kind: str, frames: Sequence[StackFrame]) -> bool:
        """Whether a record of this kind with this stack, innermost frame first, is meant."""
        if kind not in self.kinds:
            return False
        first = self.patterns[0]
        if first.startswith("leak:"):
            return any(_lsan(first[5:], frame) for frame in frames)
        return _stack(self.patterns, frames)


@dataclass
class Suppressions:
    """All entries of a run, in the order in which they are tried."""

    entries: List[Suppression] = field(default_factory=list)

    def find(self, kind: str, frames: Callable[[], Sequence[Sequence[StackFrame]]]) -> Optional[Suppression]:
        """The first entry that matches a record of `kind`, used from now on; `frames` gives its stack, in every way it may be seen."""
        stacks: Optional[Sequence[Sequence[StackFrame]]] = None
        for entry in self.entries:
            if kind not in entry.kinds:
                continue
            stacks = frames() if stacks is None else stacks
            if any(entry.matches(kind, stack) for stack in stacks):
                entry.used = True
                return entry
        return None

    @property
    def unused(self) -> List[Suppression]:
        """The user's entries that could have matched and did not."""
        return [entry for entry in self.entries if not (entry.used or entry.theirs or entry.built_in)]

    @property
    def want_mangled(self) -> bool:
        """Whether any entry asks for a name as the linker has it."""
        return any(MANGLED.match(pattern) for entry in self.entries for pattern in entry.patterns)


def read(paths: Iterable[str], built_in: Optional[Path] = None) -> Suppressions:
    """The entries of these files, then crunch's own; CrunchError says where a file is wrong."""
    found: List[Suppression] = []
    for path in paths:
        found += parse(_text(path), path)
    if built_in:
        for entry in parse(_text(str(built_in)), built_in.name):
            entry.built_in = True
            found.append(entry)
    return Suppressions(found)


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such name"
        raise CrunchError(f"the suppressions {printable(path)} cannot be read: {reason}") from None
    if len(data) > MOST_BYTES:
        raise CrunchError(f"{printable(path)} is larger than {MOST_BYTES >> 20} MiB: no file of suppressions")
    return data.decode("utf-8", "surrogateescape")


# ---- the formats -----------------------------------------------------------------------------------------------------


def parse(text: str, path: str) -> List[Suppression]:
    """The entries of a file."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    found: List[Suppression] = []
    position = 0
    while position < len(lines):
        number, line = lines[position]
        if line == "{":
            end = next((at for at in range(position, len(lines)) if lines[at][1] == "}"), None)
            if end is None:
                raise _wrong(path, number, "this entry has no closing }")
            found.append(_memcheck(lines[position + 1:end], path, number))
            position = end + 1
        else:
            found.append(_lsan_line(line, path, number))
            position += 1
    return found


def _wrong(path: str, number: int, what: str) -> CrunchError:
    return CrunchError(f"{printable(path)}:{number}: {what}")


def _lsan_line(line: str, path: str, number: int) -> Suppression:
    kind, colon, pattern = line.partition(":")
    if not colon or not re.fullmatch(r"\w+", kind):
        raise _wrong(path, number, f"neither memcheck's '{{' nor LSan's 'leak:…', but '{_shown(line)}'")
    if kind != "leak":
        raise _wrong(path, number, f"'{_shown(kind)}:' is of another sanitizer; crunch knows LSan's 'leak:'")
    if not pattern.strip("*^$ "):
        raise _wrong(path, number, "'leak:' without a pattern")
    kinds = frozenset((DEFINITE, POSSIBLE, INDIRECT))  # what is reachable is no leak to LSan
    return Suppression(pattern, path, number, kinds, (f"leak:{pattern}",))


def _memcheck(lines: List[Tuple[int, str]], path: str, start: int) -> Suppression:
    if len(lines) < 2:
        raise _wrong(path, start, "this entry has no line like 'Memcheck:Leak'")
    (_, name), (number, tools_and_kind), rest = lines[0], lines[1], lines[2:]
    tools, colon, kind = (part.strip() for part in tools_and_kind.partition(":"))
    if not colon or not re.fullmatch(r"[A-Za-z-]+(\s*,\s*[A-Za-z-]+)*", tools):
        raise _wrong(path, number, f"expected tool and kind, like 'Memcheck:Leak', not '{_shown(tools_and_kind)}'")
    if "memcheck" not in re.split(r"\s*,\s*", tools.lower()):
        return Suppression(name, path, start, frozenset(), ("...",), theirs=True)
    if not MEMCHECK_KIND.fullmatch(kind):
        raise _wrong(path, number, f"'{_shown(kind)}' is no kind of memcheck's errors")
    kinds = _kinds(kind)
    if kind == "Leak" and rest and rest[0][1].startswith("match-leak-kinds:"):
        kinds = _leak_kinds(rest[0][1].partition(":")[2], path, rest[0][0])
        rest = rest[1:]
    elif kind in WITH_DETAIL and rest:
        rest = rest[1:]
    if not rest:
        raise _wrong(path, start, "this entry has no frames ('fun:', 'obj:', 'src:' or '...')")
    for number, line in rest:
        if line != "..." and not re.match(r"(fun|obj|src):.", line):
            raise _wrong(path, number, f"expected 'fun:', 'obj:', 'src:' or '...', not '{_shown(line)}'")
    if all(line == "..." for _, line in rest):
        raise _wrong(path, start, "this entry has no frame but '...', which would suppress everything")
    return Suppression(name, path, start, kinds, tuple(line for _, line in rest), theirs=not kinds - {INDIRECT})


def _kinds(kind: str) -> FrozenSet[str]:
    """What crunch's records are called that memcheck's kind means; nothing where crunch has none such."""
    if kind == "Leak":
        return frozenset(LEAK_KINDS)
    kind = ADDRESS if kind.startswith(ADDRESS) else kind
    return frozenset((kind,)) & {FREE, ADDRESS, OVERLAP, FISHY}


def _leak_kinds(text: str, path: str, number: int) -> FrozenSet[str]:
    named = [word.strip() for word in text.split(",")]
    if named == ["all"]:
        return frozenset(LEAK_KINDS)
    if named == ["none"]:
        return frozenset()
    wrong = [word for word in named if word not in LEAK_KINDS]
    if wrong:
        raise _wrong(path, number, f"'{_shown(wrong[0])}' is none of {', '.join(LEAK_KINDS)}, all, none")
    return frozenset(named)


def _shown(text: str) -> str:
    return printable(text[:60] + ("…" if len(text) > 60 else ""))


# ---- matching --------------------------------------------------------------------------------------------------------


def _stack(patterns: Sequence[str], frames: Sequence[StackFrame]) -> bool:
    """Whether the patterns match the innermost frames. '...' stands for any number of frames: the nearest that fits is enough."""
    pattern = frame = 0
    retry: Optional[Tuple[int, int]] = None  # the pattern after the last '...', and the frame it is tried at next
    while pattern < len(patterns):
        if patterns[pattern] == "...":
            pattern += 1
            retry = (pattern, frame + 1)
        elif frame < len(frames) and _frame(patterns[pattern], frames[frame]):
            pattern, frame = pattern + 1, frame + 1
        elif retry and retry[1] <= len(frames):
            pattern, frame = retry
            retry = (pattern, frame + 1)
        else:
            return False
    return True


@lru_cache(maxsize=1 << 16)
def _frame(pattern: str, frame: StackFrame) -> bool:
    kind, _, text = pattern.partition(":")
    if kind == "fun":
        return any(map(_glob(SYMBOL_VERSION.sub("", text)).fullmatch, frame.names))
    wanted = _glob(text)
    if kind == "obj":
        return any(map(wanted.fullmatch, frame.objects)) or (text == "*" and not frame.objects)
    return any(map(wanted.fullmatch, _sources(frame)))


def _sources(frame: StackFrame) -> List[str]:
    files = {frame.file, frame.file.rpartition("/")[2]} if frame.file else set()
    return [*files, *(f"{file}:{frame.line}" for file in files)]


@lru_cache(maxsize=4096)
def _glob(text: str) -> Pattern[str]:
    """Memcheck's wildcards: * for any text, ? for one character."""
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in re.sub(r"\*+", "*", text)), re.DOTALL)


@lru_cache(maxsize=1 << 16)
def _lsan(pattern: str, frame: StackFrame) -> bool:
    wanted = _lsan_pattern(pattern)
    return any(map(wanted.search, filter(None, (*frame.names, *frame.objects, frame.file))))


@lru_cache(maxsize=4096)
def _lsan_pattern(text: str) -> Pattern[str]:
    """Part of a text, but for ^ at its start, $ at its end and * for any text between."""
    start, end = text.startswith("^"), text.find("$", 1)
    text = text[1:] if start else text
    body = text[:end - start] if end > 0 else text
    parts = ".*".join(map(re.escape, re.sub(r"\*+", "*", body).split("*")))
    return re.compile((r"\A" if start else "") + parts + (r"\Z" if end > 0 else ""), re.DOTALL)
