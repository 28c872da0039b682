"""Definite leaks that crunch and memcheck find in programs of the distribution, compared call stack by call stack.

usage: python3 tests/compare/leaks.py [program…]     writes docs/leaks-compared.md; of some programs it only prints the rows

Memcheck writes a suppression for each leak it finds, and crunch reads these: a definite leak of crunch's that none of them matches
is one that memcheck does not report, and an entry for one that matches nothing is a leak that crunch does not report.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

import memcheck  # noqa: E402 (found through the line above)
import programs  # noqa: E402
from programs import Program  # noqa: E402
from report import problems  # noqa: E402
from report import leaks as crunchs  # noqa: E402
from report import run as runs  # noqa: E402
from report import suppressions  # noqa: E402
from report.leaks import Leaks  # noqa: E402
from report.suppressions import DEFINITE, POSSIBLE, Suppression, Suppressions  # noqa: E402
from report.words import size  # noqa: E402

DOCUMENT = ROOT / "docs" / "leaks-compared.md"
WHY = (  # why numbers differ, where they do; what differs is in the table
    "git, redis-server: glibc's `tsearch`, with which `setenv` remembers values, keeps a bit of its own in the pointers to a node, so its nodes seem to be "
    "pointed into. memcheck does not see them: it lets glibc free its own memory (`--run-libc-freeres`) before it looks. crunch calls them possibly "
    "lost, and its built-in suppressions hold them back.",
    "redis-server: it uses jemalloc, whose caches, in mappings of its own, still hold addresses of blocks it has handed out; some of redis's strings, to "
    "which only pointers behind their header exist, seem reachable so. Under memcheck there is no jemalloc.",
    "clang, node: in a large heap a word that only looks like an address keeps a block reachable, or possibly lost, and addresses of freed "
    "blocks still lie in stacks and in reused memory. Which do depends on where the system puts things, which differs from run to run: crunch "
    "finds 18 to 24 possibly lost blocks in clang. Under memcheck addresses do not change, and freed blocks are reused later.",
    "node: memcheck's one block is a thread's table of modules (dtv), which belongs to the loader; to crunch it is the runtime's own.",
    "perl, gcc: what they leave is theirs; both tools find the same lost blocks. perl frees nothing at its end unless PERL_DESTRUCT_LEVEL says so; it keeps four "
    "possibly lost blocks for each variable of its environment, and has not the same ones under both tools.",
)


@dataclass(frozen=True)
class Compared:
    """One program under both."""

    command: List[str]
    memcheck: memcheck.Found
    crunch: Leaks  # all of them
    only_crunch: List[str]  # definite leaks that memcheck does not report, in words
    only_memcheck: List[str]  # entries for definite leaks that crunch does not report
    errors: List[str]  # of crunch's


def compare(program: Program, folder: Path) -> Optional[Compared]:
    """Runs a program under both; None where it is not installed."""
    work = folder / "work"
    work.mkdir()
    command = program.make(work)
    if command is None:
        return None
    found = memcheck.run(command, folder)
    shutil.rmtree(work)  # everything as it was
    work.mkdir()
    program.make(work)
    entries = Suppressions(suppressions.parse(found.suppressions, "memcheck"))
    done = subprocess.run([sys.executable, str(ROOT / "crunch.py"), "-q", "--no-heap", "--no-children", "--out", str(folder / "run"), *command],
                          cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.stderr:
        raise RuntimeError(done.stderr.decode())
    run = runs.load(folder / "run", suppressions=entries)
    assert run.leaks is not None and run.findings.leaks is not None
    return Compared(
        command, found, run.leaks, [f"{crunchs.amount(record)}: {' < '.join(frame.name for frame in run.leaks.frames(record))}"
                                    for record in run.findings.leaks.of(DEFINITE)],
        [", ".join(entry.patterns) for entry in entries.unused if entry.kinds == {DEFINITE} and not known(folder / "run", entry)],
        [problem.headline for problem in problems.read(run)])


def known(folder: Path, entry: Suppression) -> bool:
    """Whether an entry means a leak of a run when no other entry does."""
    return bool(runs.load(folder, suppressions=Suppressions([entry])).findings.suppressed)


def row(name: str, found: Compared) -> str:
    """A line of the table."""
    cells = [name]
    for kind in (DEFINITE, POSSIBLE):
        total = found.crunch.totals[kind]
        cells += [amount(found.memcheck.blocks[kind], found.memcheck.bytes[kind]), amount(total.blocks, total.bytes)]
    cells += [str(len(found.only_crunch)), str(len(found.only_memcheck)), str(len(found.errors))]
    return f"| {' | '.join(cells)} |"


def amount(blocks: int, byte_count: int) -> str:
    return f"{blocks:,} ({size(byte_count)})" if blocks else "–"


HEAD = """\
| program | definitely lost: memcheck | crunch | possibly lost: memcheck | crunch | definite leaks only crunch has | only memcheck has | errors of crunch's |
|---|---|---|---|---|---|---|---|"""


def document(rows: List[str], valgrind: str) -> str:
    return f"""# Leaks: crunch and memcheck on the same programs

What the programs of the distribution leave behind, under crunch and under memcheck (`--leak-check=full --show-leak-kinds=all`). What is definitely lost
is compared stack by stack: memcheck writes a suppression for each of its leaks, and crunch reads these; a leak of crunch's that none of them matches would
be one that memcheck does not report. There must be none, and no error, since every one would be false or a discovery.

Blocks, and their bytes; indirectly lost ones are not in them. Each program runs once under each tool, with the same command; its children
are not looked at. Made by `tests/compare/leaks.py` with {valgrind}; `tests/e2e/test_leaks_compared.py` runs the cheap ones in every check.

{HEAD}
""" + "\n".join(rows) + "\n\n## Why numbers differ\n\n" + "".join(f"* {why}\n" for why in WHY)


def main(names: List[str]) -> int:
    rows: Dict[str, str] = {}
    for program in programs.PROGRAMS:
        if names and program.name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = compare(program, Path(folder))
        if found is None:
            print(f"{program.name} is not installed")
            continue
        rows[program.name] = row(program.name, found)
        print(rows[program.name], *found.only_crunch, *found.only_memcheck, *found.errors, sep="\n    ", flush=True)
    if not names:
        valgrind = subprocess.run(["valgrind", "--version"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        DOCUMENT.write_text(document(list(rows.values()), valgrind), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
