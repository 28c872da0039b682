"""Frames as people read them: which ones matter, and how one is written; pure functions."""

import os
import re
from typing import Iterator, List, Sequence

from .symbols import MISSING_WORDS, SECTION_WORDS, Frame
from .words import plural, size

SYSTEM = ("/usr/lib/", "/usr/lib32/", "/usr/lib64/", "/usr/libexec/", "/usr/include/", "/usr/local/include/", "/lib/", "/lib32/",
          "/lib64/", "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/rustc/", "/System/", "/Library/Developer/",
          "/Applications/Xcode.app/", "linux-vdso.so")
CHAIN = 8
CLOSED_BY = {"(": ")", "<": ">"}
PARTS = re.compile(r"(operator(?:\(\)|<=>|<<=?|>>=?|->\*?|[<>]=?)|\(anonymous namespace\)|->|[()<>])")  # names and brackets
RUST_LIBRARY = "/rustlib/src/rust/library/"
STANDARD_NAME = re.compile(r"(?:[\w ]+[&*]* )?<?(?:std|__gnu_cxx)::")
RUNTIME_MODULE = re.compile(r"(lib(c|m|pthread|stdc\+\+|gcc_s|c\+\+|c\+\+abi|dl|rt|System|dyld|system_\w+|objc)|ld-linux[-\w]*|dyld)[-.\d]*(?:[A-Z]\.)?(so|dylib|tbd|$)")
GO_GLUE = re.compile(r"runtime\.(?:asm)?cgocall\b|_cgo_\w+_C\w*_|[\w./]+\._C\w*_")  # what a call of C goes through
GO_RUNTIME = re.compile(r"runtime\.(?!part|isra|constprop|cold|llvm|lto_priv)\w")  # not a C function that is called runtime, and a part of it
STANDARD_RUST_NAME = re.compile(r"[<&]*(?:dyn )?(?:alloc|core)::")  # names that a C++ program may use, too


def is_own(frame: Frame, program: str) -> bool:
    """Whether a frame is code that the program's author may have written: with a name, not of a system's library or header, not of
    the C++ or Rust library; in a program that is itself the system's (`program` is the path of the executable), code with a source line."""
    if not frame.known or frame.name == "_start" or frame.file.startswith(SYSTEM) or RUST_LIBRARY in frame.file:
        return False
    if STANDARD_NAME.match(frame.name) or is_go_runtime(frame):
        return False
    if not frame.line and STANDARD_RUST_NAME.match(frame.name):
        return False
    return not frame.module.startswith(SYSTEM) or (frame.module == program and frame.line > 0)


def is_glue(frame: Frame) -> bool:
    """Whether a frame only leads from Go to C."""
    return GO_GLUE.match(frame.name) is not None


def is_go_runtime(frame: Frame) -> bool:
    """Whether a frame belongs to what every Go program stands on."""
    return GO_RUNTIME.match(frame.name) is not None or is_glue(frame)


def is_runtime(frame: Frame) -> bool:
    """Whether a frame belongs to what every program of its language stands on: C library, loader, C++ or Rust library, Go's runtime."""
    if is_starter(frame) or is_go_runtime(frame) or STANDARD_NAME.match(frame.name) or RUST_LIBRARY in frame.file or \
            STANDARD_RUST_NAME.match(frame.name):
        return True
    return RUNTIME_MODULE.match(os.path.basename(frame.module)) is not None


def is_main(frame: Frame) -> bool:
    """Whether what lies outside of a frame is only how programs start."""
    return re.fullmatch(r"main|\w+::main|main\.main", frame.name) is not None


def is_section(frame: Frame) -> bool:
    """Whether it is no frame but a name that the program has given to a part of its run (crunch_section)."""
    return not frame.known and frame.name.startswith(SECTION_WORDS)


def is_missing(frame: Frame) -> bool:
    """Whether it is no frame but stands for missing ones, with the reason."""
    return not frame.known and frame.name.startswith(MISSING_WORDS)


def is_starter(frame: Frame) -> bool:
    """Whether a frame, and all outside of it, is only how programs and threads start."""
    return frame.name in ("__libc_start_call_main", "__libc_start_main", "_start", "start_thread", "_pthread_start", "start", "clone", "clone3",
                          "thread_start", "runtime.main", "runtime.goexit")


def where(frame: Frame, folder: str = "") -> str:
    """'table.c:44', with the path below `folder` where it lies there; else the module's name; else nothing."""
    if not frame.file:
        return os.path.basename(frame.module) if frame.known else ""
    inside = os.path.normpath(frame.file)
    file = inside[len(folder) + 1:] if folder and inside.startswith(folder + "/") else os.path.basename(frame.file)
    return f"{file}:{frame.line}" if frame.line else file


def chain(stack: Sequence[Frame], program: str, folder: str = "", width: int = 0) -> str:
    """A call stack in one line of at most `width` columns, or with CHAIN frames: 'grow (table.c:44) < fill (table.c:9) < main (a.c:3)'.

    Of the program's own frames from the innermost on, ending with main; where it has none, as in a system's program, of all that have a name."""
    inside = [*_before_starters(stack)]
    shown = [frame for frame in inside if is_own(frame, program)] or [frame for frame in inside if frame.known] or stack[:1]
    text, module = "", program
    for frame in shown[:CHAIN]:
        place = where(frame, folder) if frame.line or frame.module != module else ""
        piece = frame.name + (f" ({place})" if place else "")
        if not text:
            text = line(frame, folder, width) if width and len(piece) > width else piece
        elif width and len(text) + 3 + len(piece) > width:
            break
        else:
            text += f" < {piece}"
        module = frame.module
    return text or "?"


def _before_starters(stack: Sequence[Frame]) -> Iterator[Frame]:
    for frame in stack:
        if is_starter(frame):
            return
        yield frame
        if is_main(frame):
            return


def line(frame: Frame, folder: str = "", width: int = 0) -> str:
    """'make_table (table.c:44)'; the name is shortened to fit `width` columns, if one is given."""
    behind = where(frame, folder)
    behind = f" ({behind})" if behind else ""
    name = shortened(frame.name, max(20, width - len(behind))) if width else frame.name
    return name + behind


def shortened(name: str, width: int) -> str:
    """A C++ or Rust name in at most `width` characters: without its parameters, then without template arguments, then cut."""
    if len(name) <= width:
        return name
    for shorter in (without_parameters(name), without_parameters(without_templates(name, "<…>"))):
        if len(shorter) <= width:
            return shorter
    return shorter[:width - 1] + "…"


def without_parameters(name: str) -> str:
    """'ns::f<int>' of 'ns::f<int>(char) const'."""
    return re.sub(r" const$", "", _without(name, "(", ")", ""))


def without_templates(name: str, instead: str = "") -> str:
    """'ns::f(char)' of 'ns::f<int>(char)'."""
    return _without(name, "<", ">", instead)


def _without(name: str, opening: str, closing: str, instead: str) -> str:
    """Leaves out what stands between brackets that are not themselves inside of others."""
    kept: List[str] = []
    awaited: List[str] = []  # the closing brackets
    for part in PARTS.split(name):
        if part in CLOSED_BY:
            awaited.append(CLOSED_BY[part])
            if len(awaited) == 1 and part == opening:
                kept.append(instead)
        if awaited[:1] != [closing]:
            kept.append(part)
        if awaited and part == awaited[-1]:
            awaited.pop()
    return "".join(kept)


def amount(byte_count: int, blocks: int) -> str:
    """'1.2 MiB in 300 blocks'."""
    return f"{size(byte_count)} in {plural(blocks, 'block')}"
