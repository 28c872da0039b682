"""Suppressions applied to what a run found: which records are meant, and entries that would mean a record.

crunch's stacks begin at the caller of the allocation function; memcheck's and LSan's begin with that function, which it
replaces. So a frame for it is put in front before an entry is tried.
"""

import os
import re
from typing import TYPE_CHECKING, Dict, FrozenSet, Iterable, List, Sequence, Tuple

from .frames import is_main, is_starter, without_parameters, without_templates
from .suppressions import ADDRESS, FISHY, FREE, StackFrame
from .symbols import Frame
from .words import printable

if TYPE_CHECKING:
    from .run import Run

BELOW_MAIN = "(below main)"  # what memcheck calls the frames that start a program
MOST_FRAMES = 12  # as many as memcheck keeps of a stack, unless told otherwise

ALIGNED = ("memalign", "posix_memalign", "aligned_alloc", "valloc", "pvalloc")
NEW = ("operator new", "operator new(unsigned long)", "operator new(unsigned int)", "_Znwm", "_Znwj", "_ZnwmRKSt9nothrow_t",
       "_ZnwmSt11align_val_t", "_ZnwmSt11align_val_tRKSt9nothrow_t")
NEW_ARRAY = tuple(name.replace("new", "new[]").replace("_Znw", "_Zna") for name in NEW)
ALLOCATORS: Dict[str, Tuple[str, ...]] = {  # by the kind of a block (block_file.KINDS); realloc of nothing is malloc to memcheck
    "malloc": ("malloc",), "calloc": ("calloc",), "realloc": ("realloc", "malloc"), "aligned": ALIGNED, "new": NEW, "new[]": NEW_ARRAY,
    "zone": ("malloc_zone_malloc", "malloc_zone_calloc", "malloc_zone_realloc", "malloc_zone_memalign", "malloc_zone_valloc")}
PRINTED = {  # memcheck has one or two frames where a block is aligned, by its version
    "malloc": ("fun:malloc",), "calloc": ("fun:calloc",), "realloc": ("fun:*alloc",), "new": ("fun:_Znw*",), "new[]": ("fun:_Zna*",),
    "aligned": ("fun:*memalign", "..."), "zone": ("fun:malloc_zone_*",)}
ANY = ("fun:*",)
DELETE = ("operator delete", "operator delete(void*)", "operator delete(void*, unsigned long)", "_ZdlPv", "_ZdlPvm",
          "_ZdlPvRKSt9nothrow_t", "_ZdlPvSt11align_val_t", "_ZdlPvmSt11align_val_t")
DELETE_ARRAY = tuple(name.replace("delete", "delete[]").replace("_Zdl", "_Zda") for name in DELETE)
CXX = {"operator new": NEW, "operator new[]": NEW_ARRAY, "operator delete": DELETE, "operator delete[]": DELETE_ARRAY}
ERRORS = {  # what memcheck calls the errors of problems.KINDS
    "double-free": FREE, "free-inside": FREE, "free-stack": FREE, "free-static": FREE, "free-unmapped": FREE, "mismatch": FREE,
    "wrong-size": FREE, "wrong-alignment": FREE, "wrong-zone": FREE, "negative-size": FISHY, "overrun": ADDRESS, "underrun": ADDRESS,
    "write-after-free": ADDRESS, "out-of-bounds": ADDRESS, "use-after-free": ADDRESS, "guard-after": ADDRESS,
    "guard-before": ADDRESS, "guard-freed": ADDRESS}


C_LIBRARY = re.compile(r"(libc|libpthread|ld-linux|ld-musl|ld)[-.].*")
ALIAS = re.compile(r"^(_IO_|_+)")  # what only some of the names of a function in the C library begin with


class Writings:
    """How suppressions may write the frames of a run."""

    def __init__(self, run: "Run", frames: Iterable[Frame], mangled: bool) -> None:
        """frames: all that will be asked about; mangled: whether names as the linker has them are wanted."""
        self._cwd = run.cwd
        self._mangled: Dict[Frame, FrozenSet[str]] = run.symbols.mangled(frames) if mangled and run.stacks else {}
        self._known: Dict[Frame, StackFrame] = {}

    def mangled(self, frame: Frame) -> str:
        """The name as the linker has it, as far as that is known."""
        return min(self._mangled.get(frame, ()), default=frame.name)

    def of(self, frame: Frame) -> StackFrame:
        """Every way."""
        found = self._known.get(frame)
        if found is None:
            found = self._known[frame] = StackFrame(self._names(frame), self.objects(frame), frame.file, frame.line)
        return found

    def _names(self, frame: Frame) -> Tuple[str, ...]:
        if not frame.known:
            return ()
        names = [frame.name, without_parameters(frame.name)]
        names += [name for mangled in sorted(self._mangled.get(frame, ())) for name in (mangled, *_twins(mangled))]
        if frame.inlined:
            names += _inlined_names(frame.name)
        if _of_the_c_library(frame):
            names.append(ALIAS.sub("", frame.name))
        if is_starter(frame):
            names.append(BELOW_MAIN)
        return tuple(dict.fromkeys(names))

    def objects(self, frame: Frame) -> Tuple[str, ...]:
        """The file's path as it was loaded and, where that is another, without symbolic links, as memcheck has it."""
        if not frame.module:
            return ()
        path = os.path.join(self._cwd, frame.module)
        return tuple(dict.fromkeys((path, printable(os.path.realpath(path)))))


def leak_stacks(frames: Sequence[StackFrame], kinds: Iterable[str]) -> List[List[StackFrame]]:
    """An allocation's stack as memcheck and LSan see it; kinds: of the blocks (block_file.KINDS), none if that is not known."""
    known = list(kinds) or list(ALLOCATORS)
    first = StackFrame(tuple(name for kind in known for name in ALLOCATORS[kind]))
    stacks = [[first, *frames]]
    if "aligned" in known:  # memcheck's posix_memalign calls its memalign
        stacks.append([StackFrame(ALIGNED), StackFrame(ALIGNED), *frames])
    return stacks


def error_stacks(frames: Sequence[StackFrame], function: str) -> List[List[StackFrame]]:
    """The stack of an error met in a call of `function` or, where that is empty, in the program's own code."""
    return [[StackFrame(CXX.get(function, (function,))), *frames]] if function else [list(frames)]


def leak_entry(name: str, leak_kind: str, kinds: Sequence[str], frames: Sequence[Frame], writings: Writings) -> str:
    """An entry for a leak of this kind (of suppressions.LEAK_KINDS), in memcheck's format and fit for memcheck too."""
    first = PRINTED.get(kinds[0], ANY) if len(kinds) == 1 else ANY
    return _entry(name, "Leak", [f"match-leak-kinds: {leak_kind}", *first], frames, writings)


def error_entry(name: str, kind: str, function: str, frames: Sequence[Frame], writings: Writings) -> str:
    """An entry for an error of this kind (of ERRORS). Memcheck knows an access by its size: 1 stands for any."""
    called = f"fun:{CXX[function][3][:6]}*" if function in CXX else f"fun:{function}"
    what = {ADDRESS: f"{ADDRESS}1", FISHY: f"{FISHY}\n   {function}(size)"}.get(ERRORS[kind], ERRORS[kind])
    return _entry(name, what, [called] if function else [], frames, writings)


def _entry(name: str, kind: str, first: Sequence[str], frames: Sequence[Frame], writings: Writings) -> str:
    body = list(first)
    for frame in frames:
        line = _line(frame, writings)
        if line != "..." or body[-1:] != ["..."]:
            body.append(line)
        if is_main(frame) or is_starter(frame) or len(body) > MOST_FRAMES:
            break
    text = printable(name).lstrip("#{} ") or kind
    return "\n   ".join(["{", text, f"Memcheck:{kind}", *body]) + "\n}\n"


def _line(frame: Frame, writings: Writings) -> str:
    if is_starter(frame):
        return "..."
    if frame.inlined and frame.known:  # memcheck has the name without its scope here
        return f"fun:*{own_name(frame.name)}*"
    if frame.known and _of_the_c_library(frame) and ALIAS.match(frame.name):
        return f"fun:*{ALIAS.sub('', frame.name)}"
    if frame.known:
        return f"fun:{writings.mangled(frame)}"
    objects = writings.objects(frame)
    return f"obj:{objects[-1]}" if objects else "obj:*"


def _of_the_c_library(frame: Frame) -> bool:
    """There one function has several names (newlocale and __newlocale), and each tool picks its own."""
    return C_LIBRARY.fullmatch(os.path.basename(frame.module)) is not None


def _twins(mangled: str) -> List[str]:
    """A constructor of a whole object and that of a base are often one function with two names (C1, C2), and so are destructors."""
    return [re.sub(r"([CD])[12](?=[EI])", rf"\g<1>{number}", mangled) for number in (1, 2)] if re.search(r"[CD][12][EI]", mangled) else []


def _inlined_names(name: str) -> List[str]:
    """What memcheck may call a function that was inlined: as DWARF does, without its scope and perhaps without template arguments."""
    own = own_name(name)
    whole = without_parameters(name)
    ends = (whole[match.start():] for match in re.finditer(rf"(?<!\w){re.escape(own)}<", whole))
    template = [end for end in ends if without_templates(end) == own]
    return [own, own + "<>", *template] if template else [own]


def own_name(name: str) -> str:
    """'grow' of 'void ns::Table::grow<int>(int) const'."""
    last = without_templates(without_parameters(name)).rpartition("::")[2]
    return last[last.index("operator"):] if "operator" in last else last.rpartition(" ")[2]
