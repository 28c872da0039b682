"""Frames as people read them: which ones matter, and how one is written; pure functions."""

import os
import re

from .symbols import Frame
from .words import plural, size

SYSTEM = ("/usr/lib/", "/usr/lib32/", "/usr/lib64/", "/usr/libexec/", "/usr/include/", "/usr/local/include/", "/lib/", "/lib32/",
          "/lib64/", "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/rustc/", "/System/", "/Library/Developer/",
          "/Applications/Xcode.app/", "linux-vdso.so")
RUST_LIBRARY = "/rustlib/src/rust/library/"
STANDARD_NAME = re.compile(r"(?:[\w ]+[&*]* )?<?(?:std|__gnu_cxx)::")
STANDARD_RUST_NAME = re.compile(r"[<&]*(?:dyn )?(?:alloc|core)::")  # names that a C++ program may use, too


def is_own(frame: Frame, program: str) -> bool:
    """Whether a frame is code that the program's author may have written: with a name, not of a system's library or header, not of
    the C++ or Rust library; in a program that is itself the system's (`program` is the path of the executable), code with a source line."""
    if not frame.known or frame.name == "_start" or frame.file.startswith(SYSTEM) or RUST_LIBRARY in frame.file:
        return False
    if STANDARD_NAME.match(frame.name) or (not frame.line and STANDARD_RUST_NAME.match(frame.name)):
        return False
    return not frame.module.startswith(SYSTEM) or (frame.module == program and frame.line > 0)


def is_main(frame: Frame) -> bool:
    """Whether what lies outside of a frame is only how programs start."""
    return re.fullmatch(r"main|\w+::main", frame.name) is not None


def where(frame: Frame, folder: str = "") -> str:
    """'table.c:44', with the path below `folder` where it lies there; else the module's name; else nothing."""
    if not frame.file:
        return os.path.basename(frame.module) if frame.known else ""
    inside = os.path.normpath(frame.file)
    file = inside[len(folder) + 1:] if folder and inside.startswith(folder + "/") else os.path.basename(frame.file)
    return f"{file}:{frame.line}" if frame.line else file


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
    for opening, closing, instead in (("(", ")", ""), ("<", ">", "<…>")):
        name = re.sub(r" const$", "", _without(name, opening, closing, instead))
        if len(name) <= width:
            return name
    return name[:width - 1] + "…"


def _without(name: str, opening: str, closing: str, instead: str) -> str:
    """Leaves out what stands between brackets, outermost ones only; operator() and operator< are names, not brackets."""
    kept, depth = [], 0
    protected = {at for match in re.finditer(r"operator(?:\(\)|<=>|<<=?|>>=?|->\*?|<=?|>=?)|\(anonymous namespace\)|->", name)
                 for at in range(*match.span())}
    for position, char in enumerate(name):
        if char == opening and position not in protected:
            depth += 1
            if depth == 1:
                kept.append(instead)
        elif char == closing and position not in protected and depth:
            depth -= 1
        elif not depth:
            kept.append(char)
    return "".join(kept)


def amount(byte_count: int, blocks: int) -> str:
    """'1.2 MiB in 300 blocks'."""
    return f"{size(byte_count)} in {plural(blocks, 'block')}"
