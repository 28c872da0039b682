"""Runs the tests and ends with one line: N passed, N failed, N skipped.

usage: run.py [unit | e2e | report | darwin | setup]...      all of them when none is named

Unit tests are the programs that make built from tests/unit, one process each, and speak TAP; the others are pytest
folders. A suite in which nothing is found counts as one failure, and so does one that outlasts the time for all.
"""

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
PYTEST_SUITES = ("e2e", "report", "darwin", "setup")
UNIT_FLAVOURS = ("plain", "asan", "tsan")
ALL_SECONDS = 780  # with the build before it, 15 minutes
PROGRAM_SECONDS = 120


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def finish(command: List[str], seconds: float, stdout: Optional[int]) -> Tuple[Optional[int], str]:
    """Status (None when time ran out) and output of a command; nothing that it started in its group outlives it."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stdout,
                               stderr=subprocess.STDOUT if stdout else None, start_new_session=True,
                               universal_newlines=True, errors="replace")
    try:
        said, _ = process.communicate(timeout=max(seconds, 1))
        return process.returncode, said or ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return None, said or ""
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise


# ---- unit tests ------------------------------------------------------------------------------------------------------


def read_tap(text: str, status: Optional[int]) -> Tuple[Count, str]:
    """What a TAP program proved, and what is wrong with the program itself (empty when nothing)."""
    results = re.findall(r"^(?:not )?ok\b.*$", text, re.MULTILINE)
    failed = sum(1 for line in results if line.startswith("not"))
    skipped = sum(1 for line in results if line.startswith("ok") and "# SKIP" in line)
    count = Count(len(results) - failed - skipped, failed, skipped)
    plan = re.search(r"^1\.\.(\d+)$", text, re.MULTILINE)
    if status is None:
        return count, f"not done after {PROGRAM_SECONDS} s"
    if plan is None or int(plan.group(1)) != len(results) or not results:
        return count, f"ended with status {status} before its last test"
    if (status != 0) != (failed > 0):
        return count, f"status {status} does not go with {failed} failed tests"
    return count, ""


def run_unit(deadline: float) -> Count:
    total = Count()
    programs = [path for flavour in UNIT_FLAVOURS for path in sorted((BUILD / flavour / "unit").glob("test_*"))
                if path.suffix == ""]
    for path in programs:
        left = min(PROGRAM_SECONDS, deadline - time.monotonic())
        status, text = finish([str(path)], left, subprocess.PIPE)
        count, wrong = read_tap(text, status)
        if wrong:
            count.failed += 1
        print(f"  {path.relative_to(BUILD)}: {count}{' - ' + wrong if wrong else ''}", flush=True)
        if count.failed:
            print("\n".join("    " + line for line in text.splitlines() if not line.startswith("ok ")))
        total += count
    return total


# ---- pytest ----------------------------------------------------------------------------------------------------------


def read_junit(path: Path) -> Count:
    count = Count()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        count += Count(tests - skipped - failed, failed, skipped)
    return count


def run_pytest(suite: str, deadline: float) -> Count:
    report = BUILD / "tests" / f"{suite}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    status, _ = finish([sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider",
                        f"--junit-xml={report}", f"tests/{suite}"], deadline - time.monotonic(), None)
    if not report.exists():
        print(f"{suite}: {'time ran out' if status is None else f'pytest ended with status {status}'}")
        return Count(failed=1)
    count = read_junit(report)
    if status not in (0, 1, 5) and not count.failed:
        count.failed += 1
    return count


# ---- all of it -------------------------------------------------------------------------------------------------------


def hear_signals() -> None:
    """What runs in the background or under nohup ignores the terminal's signals, and so would every program under test."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTOU):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def main(suites: List[str]) -> int:
    known = ("unit", *PYTEST_SUITES)
    if not set(suites) <= set(known):
        print(__doc__, file=sys.stderr)
        return 2
    hear_signals()
    deadline = time.monotonic() + ALL_SECONDS
    total = Count()
    for suite in suites or known:
        print(f"== {suite}", flush=True)
        count = run_unit(deadline) if suite == "unit" else run_pytest(suite, deadline)
        if count == Count():
            print(f"{suite}: no test found")
            count.failed = 1
        total += count
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
