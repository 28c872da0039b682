"""Which file is meant, and whether it can be recorded: everything that can be said before the program starts."""

import mmap
import os
import platform
import stat
import sys
from typing import List, Mapping, Optional

from report.errors import EXIT_FAILED, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, CrunchError
from report.words import printable

from . import elf

SCRIPT_DEPTH = 5  # as many interpreters of interpreters as the kernel follows
OWN_BUILD = "record a program of your own, or one from Homebrew"
MACOS = sys.platform == "darwin"


def find(name: str, environment: Mapping[str, str]) -> str:
    """The path a shell would start for `name`; `a.out` also finds ./a.out when PATH has none."""
    if "/" in name:
        return name
    unusable: Optional[str] = None
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        candidate = os.path.join(folder, name) if folder else f"./{name}"
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            unusable = unusable or candidate
    if name and os.path.lexists(name) and (unusable is None or os.access(name, os.X_OK)):
        return f"./{name}"
    if unusable:
        return unusable
    if not name:
        raise CrunchError("the program's name is empty", EXIT_NOT_FOUND)
    raise CrunchError(f"{printable(name)} is neither in PATH nor in this folder", EXIT_NOT_FOUND)


def check(path: str, environment: Mapping[str, str]) -> None:
    """Raises CrunchError, with the way out, if the program at `path` cannot be started or not be recorded."""
    _check(path, environment, SCRIPT_DEPTH)


def _check(path: str, environment: Mapping[str, str], depth: int) -> None:
    name = printable(path)
    status = _status(path, name)
    head = _head(path)
    if head is None:
        return  # may be run but not read: the kernel's business, and preloading works
    if head[:2] == b"#!":
        _check_script(head, name, environment, depth)
    elif head[:4] == elf.MAGIC:
        _check_elf(path, name)
    elif head[:4] in _macho_magics():
        _check_macho(path, name)
    if not MACOS and head[:2] != b"#!":
        _check_privileges(path, name, status)


def _status(path: str, name: str) -> os.stat_result:
    try:
        status = os.stat(path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        text = f"{name} does not exist" if missing else f"{name} cannot be reached: {error.strerror}"
        raise CrunchError(text, EXIT_NOT_FOUND if missing else EXIT_NOT_EXECUTABLE) from None
    if stat.S_ISDIR(status.st_mode):
        raise CrunchError(f"{name} is a directory, not a program", EXIT_NOT_EXECUTABLE)
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.X_OK):
        raise CrunchError(f"{name} is not executable; if it is a program, 'chmod +x' makes it so", EXIT_NOT_EXECUTABLE)
    return status


def _head(path: str) -> Optional[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except OSError:
        return None


def interpreter_words(head: bytes) -> List[str]:
    """The interpreter of a `#!` line and its one argument, split as the kernel does."""
    line = os.fsdecode(head[2:].split(b"\n")[0].split(b"\0")[0]).strip(" \t\r")
    return line.replace("\t", " ").split(" ", 1) if line else []


def env_program(argument: str) -> Optional[str]:
    """The program in a `#!/usr/bin/env …` line; None if there is none to be seen."""
    words = argument.split()
    if words and words[0].startswith(("-S", "--split-string")):
        words = [words[0].replace("--split-string=", "").replace("--split-string", "").replace("-S", "", 1)] + words[1:]
    return next((word for word in words if word and not word.startswith("-") and "=" not in word), None)


def _check_script(head: bytes, name: str, environment: Mapping[str, str], depth: int) -> None:
    words = interpreter_words(head)
    if not words or depth == 0:
        return
    interpreters = [words[0]]
    wanted = env_program(words[1]) if len(words) > 1 and os.path.basename(words[0]) == "env" else None
    try:
        if wanted:
            interpreters.append(find(wanted, environment))
        for interpreter in interpreters:
            _check(interpreter, environment, depth - 1)
    except CrunchError as error:
        raise CrunchError(f"{name} is a script, and {error.message}", error.exit_status) from None


def _check_elf(path: str, name: str) -> None:
    facts = _parsed(path, elf.parse)
    if facts is None:
        return
    if MACOS:
        raise CrunchError(f"{name} is a Linux program; build it for macOS", EXIT_NOT_EXECUTABLE)
    check_elf_facts(facts, name, platform.machine())


def check_elf_facts(facts: elf.Elf, name: str, machine: str) -> None:
    """Raises CrunchError if a program with these facts cannot be recorded on such a machine."""
    if facts.bits != 64 or facts.machine != elf.MACHINES.get(machine, facts.machine):
        kind = "a 32-bit program" if facts.bits == 32 else "built for another architecture"
        raise CrunchError(f"{name} is {kind}; build it for {machine}, which this crunch records", EXIT_NOT_EXECUTABLE)
    if facts.loader is None:
        if not (facts.soname or "").startswith("ld"):  # the loader itself, started as `ld.so program`, obeys LD_PRELOAD
            raise CrunchError(f"{name} is statically linked, so nothing can be preloaded into it; link it without -static")
        return
    if os.path.basename(facts.loader).startswith("ld-musl"):
        raise CrunchError(f"{name} is linked with musl, and this crunch is built for glibc; build the program with glibc")
    if not os.path.exists(facts.loader):
        raise CrunchError(f"{name} needs the loader {printable(facts.loader)}, which is not installed", EXIT_NOT_FOUND)
    if facts.defines_malloc:
        raise CrunchError(f"{name} defines its own malloc, which crunch cannot see; build it without its allocator")


def _check_privileges(path: str, name: str, status: os.stat_result) -> None:
    """Programs that gain rights at their start get no preloaded library from the kernel's and the loader's side."""
    if os.statvfs(path).f_flag & os.ST_NOSUID:
        return
    kind = gains_rights(status.st_mode, status.st_uid, status.st_gid, _has_capabilities(path))
    if kind:
        copy = f"{os.path.basename(name)}.copy"
        way_out = f"record a copy of it: cp {name} {copy} && crunch ./{copy}"
        raise CrunchError(f"{name} is {kind}, so the loader ignores preloaded libraries; {way_out}", EXIT_FAILED)


def gains_rights(mode: int, owner: int, group: int, capabilities: bool) -> Optional[str]:
    """'setuid', 'setgid' or 'has file capabilities' where the kernel would start the program with more rights than ours."""
    if mode & stat.S_ISUID and owner != os.getuid():
        return f"setuid to {'root' if owner == 0 else 'another user'}"
    if mode & stat.S_ISGID and mode & stat.S_IXGRP and group != os.getgid():
        return "setgid to another group"
    return "given rights by file capabilities" if capabilities and os.getuid() != 0 else None


def _has_capabilities(path: str) -> bool:
    if not hasattr(os, "getxattr"):  # macOS, which has none
        return False
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def _macho_magics() -> tuple:
    from . import macho

    return macho.MAGICS


def _check_macho(path: str, name: str) -> None:
    from . import macho

    slices = _parsed(path, macho.parse)
    if not MACOS:
        if slices:
            raise CrunchError(f"{name} is a macOS program; build it for Linux", EXIT_NOT_EXECUTABLE)
        return
    check_macho_facts(slices, name, os.path.realpath(path), platform.machine())


def check_macho_facts(slices: list, name: str, real_path: str, machine: str) -> None:
    """Raises CrunchError if a program with these slices, at this place, cannot be recorded on such a machine."""
    from . import macho

    if macho.protected(real_path):
        raise CrunchError(f"{name} is protected by the system, which keeps every library out of it; {OWN_BUILD}")
    cpu = macho.CPU_ARM64 if machine == "arm64" else macho.CPU_X86_64
    native = [piece for piece in slices if piece.cpu == cpu]
    usable = native or [piece for piece in slices if machine == "arm64" and piece.cpu == macho.CPU_X86_64]
    if not usable:
        raise CrunchError(f"{name} is built for another architecture; build it for {machine}", EXIT_NOT_EXECUTABLE)
    plain = [piece for piece in usable if not piece.arm64e]
    if not plain:
        raise CrunchError(f"{name} is an arm64e program, and only Apple can sign libraries for those; {OWN_BUILD}")
    if not plain[0].dynamic:
        raise CrunchError(f"{name} is statically linked, so nothing can be inserted into it; link it without -static")
    if plain[0].refuses_libraries:
        raise CrunchError(f"{name} has the hardened runtime, which keeps libraries out; sign a copy of it with "
                          f"'codesign --force --sign - <copy>' and record that")


def _parsed(path: str, parse):
    """`parse` of the file's bytes, without reading more of them than it looks at."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return parse(data)
