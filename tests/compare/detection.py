"""Which defects crunch, memcheck and ASan with LSan find: every case of the targets below, and its twin without the defect.

usage: python3 tests/compare/detection.py [source…]     writes docs/errors.md, or of it the tables of some sources; needs gcc, clang and
valgrind, and takes some minutes

A target takes the name of a case and, as its second argument, "twin" or another word; its cases stand in its source as {"name", function} or
CASE(name).
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

import memcheck  # noqa: E402 (found through the line above)
from report import crash, problems, summary  # noqa: E402
from report import run as runs  # noqa: E402
from report.suppressions import DEFINITE, INDIRECT, POSSIBLE  # noqa: E402

CASE = r'\{"([^"]+)", \w+\}|CASE\((\w+)\);|!strcmp\(name, "(\w+)"\)'
TARGETS = ROOT / "tests" / "targets"
DOCUMENT = ROOT / "docs" / "errors.md"
NOTHING = "–"
SECONDS = 120
OPTIONS = ("-g", "-O0", "-w", "-fno-builtin", "-pthread")


@dataclass(frozen=True)
class Target:
    """A source of cases. `modes`: crunch's options, a column for each, by what it is called."""

    source: str
    title: str
    modes: Tuple[Tuple[str, ...], ...] = ((),)
    leaks: bool = False  # leaks are its subject; else they are left out
    crashes: bool = False  # so are crashes, told in words
    harmless: Tuple[str, ...] = ()  # cases without a defect
    other: Tuple[str, ...] = ()  # cases that show something else
    words: Tuple[str, str] = ("", "twin")  # the second argument that asks for the defect, and for the twin

    @property
    def cases(self) -> List[str]:
        found = re.findall(CASE, (TARGETS / self.source).read_text())
        return [case for case in map("".join, found) if case not in self.other]

    def arguments(self, case: str) -> Tuple[List[str], List[str]]:
        """Of the defect, and of its twin."""
        defect, twin = ([case, word] if word else [case] for word in self.words)
        return defect, twin

    def build(self, folder: Path, compiler: str, *options: str) -> Path:
        """The target as a program in `folder`."""
        program = folder / "-".join([compiler, *(option.strip("-").replace("=", "-") for option in options)]) / Path(self.source).stem
        program.parent.mkdir(exist_ok=True)
        if not program.exists():
            cxx = self.source.endswith(".cpp")
            command = {"gcc": "g++", "clang": "clang++"}.get(compiler, compiler) if cxx else compiler
            standard = ["-std=c++17", *(["-fsized-deallocation"] if compiler == "clang" else [])] if cxx else ["-std=gnu11"]
            subprocess.run([command, *standard, *OPTIONS, *options, str(TARGETS / self.source), "-o",
                            str(program), "-ldl"], check=True)
        return program


TARGETS_COMPARED = (
    Target("wrong_frees.c", "Wrong frees", harmless=("merely-large",), other=("many", "in-child", "then-waits")),
    Target("wrong_deletes.cpp", "Wrong deletes", harmless=("wide", "own")),
    Target("check.cpp", "Writes and reads that go wrong", modes=((), ("--check",), ("--guard",), ("--guard", "--guard-below")),
           harmless=("usable", "glibc", "resize")),
    Target("leaks.c", "Leaks", leaks=True, other=("end",), words=("gone", "kept")),  # the twin of "end" is possibly lost
    Target("crashes.c", "Crashes", crashes=True, other=("before_mapped", "on_and_on", "ruined_tables", "library", "others")),
)
SYMBOLS = threading.Lock()  # the tool for names is one process, which answers one question at a time
Tool = Callable[[Target, Path, List[str]], List[str]]  # what it finds in a case


def run(command: Sequence[str], folder: Path, env: Optional[Dict[str, str]] = None) -> "subprocess.CompletedProcess[str]":
    """In `folder`, where some cases leave files."""
    return subprocess.run(list(command), cwd=folder, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, errors="replace", timeout=SECONDS, check=False)


def crunch(*options: str) -> Tool:
    """crunch with these options."""

    def tool(target: Target, folder: Path, arguments: List[str]) -> List[str]:
        program = target.build(folder, "gcc")
        with tempfile.TemporaryDirectory(dir=folder) as out:
            done = run([sys.executable, str(ROOT / "crunch.py"), "-q", "--no-heap", "--out", f"{out}/run", *options, str(program), *arguments],
                       folder)
            if "crunch:" in done.stderr:
                raise RuntimeError(done.stderr)
            return found_by_crunch(Path(out) / "run", target)

    return tool


def found_by_crunch(folder: Path, target: Target) -> List[str]:
    """What a finished run found, in crunch's words."""
    with SYMBOLS:
        summary.complete(folder)
        found = runs.load(folder)
        assert found.recording is not None
        if target.leaks:
            assert found.leaks is not None
            return [kind for kind in (DEFINITE, POSSIBLE, INDIRECT) if found.leaks.totals[kind].blocks]
        kinds = sorted({problems.KINDS[error.kind] for error in problems.errors(found.recording, str(folder))})
        crashed = crash.read(found)
    if crashed and target.crashes:
        return [generally(crashed.sentence)]
    return kinds + [str(found.signal)] * bool(crashed)


def generally(sentence: str) -> str:
    """A sentence about a crash without what differs from run to run."""
    sentence = re.sub(r"0x[0-9a-f]{6,}", "0x…", sentence)
    sentence = re.sub(r"\br[a-z0-9]{2}\b", "a register", sentence)
    sentence = re.sub(r"\d+\.\d MiB", "n MiB", sentence)
    sentence = re.sub(r"#\d+", "#n", re.sub(r"(\w\.c):\d+", r"\1:n", sentence))
    return re.sub(r"(?:/[^/\s]+)*/([^/\s]+)", r"\1", sentence).replace("|", "\\|")


def under_memcheck(target: Target, folder: Path, arguments: List[str]) -> List[str]:
    """memcheck."""
    program = target.build(folder, "gcc")
    with tempfile.TemporaryDirectory(dir=folder) as out:
        found = memcheck.run([str(program), *arguments], Path(out), seconds=SECONDS)
    if target.leaks:
        return [kind for kind in (DEFINITE, POSSIBLE, INDIRECT) if found.blocks[kind]]
    return sorted({error.split(":")[0] for error in found.errors}) + ([found.signal] if found.signal else [])


def under_asan(compiler: str) -> Tool:
    """ASan with LSan, as this compiler brings them."""

    def tool(target: Target, folder: Path, arguments: List[str]) -> List[str]:
        program = target.build(folder, compiler, "-fsanitize=address")
        done = run([str(program), *arguments], folder, {"ASAN_OPTIONS": f"detect_leaks={int(target.leaks)}:detect_stack_use_after_return=0"})
        if target.leaks:
            return ["leak"] * ("LeakSanitizer: detected memory leaks" in done.stderr)
        return sorted(set(re.findall(r"^SUMMARY: AddressSanitizer: ([\w-]+)", done.stderr, re.MULTILINE)))

    return tool


@dataclass
class Row:
    """A case: by tool what is found in it, and in its twin."""

    case: str
    defect: Dict[str, List[str]] = field(default_factory=dict)
    twin: Dict[str, List[str]] = field(default_factory=dict)


def tools_for(target: Target) -> Dict[str, Tool]:
    own = {" ".join(["crunch", *mode]): crunch(*mode) for mode in target.modes}
    return {**own, "memcheck": under_memcheck, "ASan (gcc)": under_asan("gcc"), "ASan (clang)": under_asan("clang")}


def compare(target: Target, folder: Path, tools: Dict[str, Tool]) -> List[Row]:
    """Runs every case under every tool."""
    rows = [Row(case) for case in target.cases]

    def one(row: Row, name: str) -> None:
        defect, twin = target.arguments(row.case)
        row.defect[name] = tools[name](target, folder, defect)
        row.twin[name] = tools[name](target, folder, twin)

    for tool in tools.values():  # one at a time, so that two threads do not build one file
        tool(target, folder, target.arguments(rows[0].case)[1])
    with ThreadPoolExecutor(max_workers=2) as pool:
        for job in [pool.submit(one, row, name) for row in rows for name in tools]:
            job.result()
    return rows


def table(target: Target, rows: List[Row], names: Sequence[str]) -> str:
    """One target's part of the document; names: of the tools."""
    lines = [f"## {target.title}", "", f"`tests/targets/{target.source}`", "", f"| case | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in rows:
        case = row.case + (" (no defect)" if row.case in target.harmless else "")
        lines.append(f"| {case} | {' | '.join(cell(row.defect[name], row.twin[name]) for name in names)} |")
    found = {name: sum(bool(row.defect[name]) and not row.twin[name] for row in rows if row.case not in target.harmless) for name in names}
    all_rows = sum(row.case not in target.harmless for row in rows)
    lines.append(f"| **found, of {all_rows}** | {' | '.join(f'**{found[name]}**' for name in names)} |")
    return "\n".join(lines) + "\n"


def cell(defect: List[str], twin: List[str]) -> str:
    """What a tool says of a case."""
    said = ", ".join(defect) or NOTHING
    return said + (f" (twin: {', '.join(twin)})" if twin else "")


def document(parts: Sequence[str], versions: str) -> str:
    return f"""# What is found, and by whom

Every defect that crunch knows, as a small program, under crunch, valgrind's memcheck, and AddressSanitizer with LeakSanitizer of gcc and
clang. Each case has a twin that does the same rightly; whatever is said of a twin is a false alarm and stands in the table as `(twin: …)`. A
cell names what the tool calls the defect; {NOTHING} means that it found nothing. Leaks count only where they are the subject. ASan stops at the first
error and sees only what was compiled with it; the others run the program as it is. What differs from run to run is left out of crunch's sentences.

Made by `tests/compare/detection.py` with {versions}. `tests/e2e/test_detection.py` compares crunch's columns with what crunch finds.

""" + "\n".join(parts)


def version(command: str) -> str:
    return run([command, "--version"], ROOT).stdout.splitlines()[0]


def main(sources: List[str]) -> int:
    parts = written() if sources else {}
    with tempfile.TemporaryDirectory() as folder:
        for target in TARGETS_COMPARED:
            if not sources or target.source in sources:
                print(target.source, flush=True)
                tools = tools_for(target)
                parts[target.source] = table(target, compare(target, Path(folder), tools), list(tools))
    DOCUMENT.write_text(document([parts[target.source] for target in TARGETS_COMPARED], ", ".join(map(version, ("valgrind", "gcc", "clang")))), "utf-8")
    return 0


def written() -> Dict[str, str]:
    """The tables as they stand in the document, by source."""
    parts = DOCUMENT.read_text("utf-8").split("\n## ")[1:]
    return {part.split("`")[1].rpartition("/")[2]: f"## {part.rstrip()}\n" for part in parts}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
