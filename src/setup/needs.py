"""What crunch needs on a machine, and whether it is there. Looks only, changes nothing."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

ROOT = Path(__file__).resolve().parents[2]
VENV_PYTHON = ROOT / ".venv/bin/python3"
SYSTEM_PYTHON = "/usr/bin/python3"  # the one that the system's packages are for
MAC = sys.platform == "darwin"
FETCHED = ROOT / "build/uthash"  # a header that no package manager is there to bring


@dataclass(frozen=True)
class Need:
    """A program, header or Python module. Packages are names for apt-get and brew; empty: not to be had there."""

    name: str
    commands: Tuple[str, ...] = ()  # any of them will do
    header: str = ""
    module: str = ""
    debian: str = ""
    brew: str = ""
    required: bool = True  # else tests that want it are skipped


RUN = (
    Need("docopt", module="docopt", debian="python3-docopt"),
    Need("jinja2", module="jinja2", debian="python3-jinja2"),
)
BUILD = (
    Need("make", ("make",), debian="make"),
    Need("a C compiler", ("cc",), debian="gcc"),
    Need("the C library's headers", header="stdlib.h", debian="libc6-dev"),
    Need("uthash", header="uthash.h", debian="uthash-dev", brew="uthash"),
)
SYMBOLS = (Need("llvm-symbolizer or addr2line", ("llvm-symbolizer", "addr2line", "atos"), debian="binutils"),)
TEST = (
    Need("pytest", module="pytest", debian="python3-pytest"),
    Need("playwright", module="playwright", required=False),
    Need("axe-core", module="axe_playwright_python", required=False),
    Need("zig", module="ziglang", required=False),
    Need("jsonschema", module="jsonschema", debian="python3-jsonschema", required=False),
    Need("ValgrindCI", module="ValgrindCI", required=False),
    Need("gcc", ("gcc",), debian="gcc", required=False),
    Need("g++", ("g++",), debian="g++", required=False),
    Need("clang", ("clang",), debian="clang", required=False),
    Need("lld", ("lld",), debian="lld", required=False),
    Need("libunwind", header="libunwind.h", debian="libunwind-dev", required=False),
    Need("valgrind", ("valgrind",), debian="valgrind", required=False),
    Need("git", ("git",), debian="git", brew="git", required=False),
    Need("jq", ("jq",), debian="jq", brew="jq", required=False),
    Need("sqlite3", ("sqlite3",), debian="sqlite3", brew="sqlite", required=False),
    Need("xmllint", ("xmllint",), debian="libxml2-utils", brew="libxml2", required=False),
    Need("perl", ("perl",), debian="perl", brew="perl", required=False),
    Need("node", ("node",), debian="nodejs", brew="node", required=False),
    Need("redis-server", ("redis-server",), debian="redis-server", brew="redis", required=False),
    Need("redis-benchmark", ("redis-benchmark",), debian="redis-tools", brew="redis", required=False),
    Need("a compiler for aarch64", ("aarch64-linux-gnu-g++",), debian="g++-aarch64-linux-gnu", required=False),  # brings its C library
    Need("qemu-aarch64", ("qemu-aarch64",), debian="qemu-user", required=False),
    Need("go", ("go",), required=False),
    Need("rustc", ("rustc",), required=False),
    Need("pdftotext", ("pdftotext",), debian="poppler-utils", brew="poppler", required=False),
    Need("chromium", ("chromium", "chromium-browser", "google-chrome"), debian="chromium", required=False),
)
GOALS = {"demo": RUN + BUILD + SYMBOLS, "check": RUN + BUILD + SYMBOLS + TEST}


def header_folders() -> List[Path]:
    folders = [Path(os.environ[name]) for name in ("UTHASH_DIR",) if os.environ.get(name)]
    folders += [Path("/usr/include"), Path("/usr/local/include"), *Path("/usr/include").glob("*-linux-gnu*")]
    if MAC:
        folders += [Path("/opt/homebrew/include"), Path("/opt/local/include"), FETCHED]  # of Homebrew, of MacPorts
        for command in (["xcrun", "--show-sdk-path"], [brew(), "--prefix"]):
            said = output(command) if command[0] else ""
            folders += [Path(said, "usr/include"), Path(said, "include")] if said else []
    return folders


def brew() -> str:
    """Homebrew's command, which shells that are no login shells may not have in their PATH; empty: it is not here."""
    return next(filter(None, map(shutil.which, ("brew", "/opt/homebrew/bin/brew", "/usr/local/bin/brew"))), "")


def output(command: List[str]) -> str:
    """What a command prints, stripped; empty when it cannot run or fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              universal_newlines=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


# Both are asked of the python in question: its version, and which of the modules it lacks.
PROBE = ("import sys, importlib.util as u; assert sys.version_info >= (3, 9); "
         "print('lacks', *[m for m in sys.argv[1:] if not u.find_spec(m)])")


def lacking(python: str, modules: List[str]) -> Optional[List[str]]:
    """Of the modules, those the python cannot import; None when it is no Python 3.9 or newer."""
    said = output([python, "-c", PROBE, *modules])
    return said.split()[1:] if said.startswith("lacks") else None


def pythons() -> List[str]:
    """The pythons that may run crunch, in order of preference."""
    found = [str(VENV_PYTHON)] if VENV_PYTHON.exists() else []
    return list(dict.fromkeys(found + [p for p in (shutil.which("python3"), SYSTEM_PYTHON) if p]))


def best_python(needs: Tuple[Need, ...]) -> Tuple[str, List[str]]:
    """The python that lacks least of what is needed (required modules count first), and what it lacks."""
    required = {need.module for need in needs if need.module and need.required}
    modules = [need.module for need in needs if need.module]
    best = None
    for python in pythons():
        missing = lacking(python, modules)
        if missing is None:
            continue
        rank = (len(required.intersection(missing)), len(missing))
        if best is None or rank < best[0]:
            best = (rank, python, missing)
        if rank == (0, 0):
            break
    if best is None:
        raise SystemExit("setup: crunch needs Python 3.9 or newer, and none is found.")
    return best[1], best[2]


def missing(needs: Tuple[Need, ...]) -> List[Need]:
    """What of it is not here; of Python's modules, what the best python lacks."""
    _, modules = best_python(needs)
    folders = header_folders()

    def absent(need: Need) -> bool:
        if need.module:
            return need.module in modules
        if need.header:
            return not any((folder / need.header).exists() for folder in folders)
        return not any(shutil.which(command) for command in need.commands)

    return [need for need in needs if absent(need)]
