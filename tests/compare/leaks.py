"""Definite leaks that crunch and memcheck find in programs of the distribution, compared call stack by call stack.

usage: python3 tests/compare/leaks.py [program…]     writes docs/leaks-compared.md, or of some programs only prints what differs

Memcheck writes a suppression for each leak it finds, and crunch reads these: a leak of crunch's that none of them matches is one
that memcheck does not know, and an entry that matches none of crunch's is one that crunch does not know.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

import memcheck  # noqa: E402 (found through the line above)
from programs import PROGRAMS, Program  # noqa: E402
from report import run as runs  # noqa: E402
from report import suppressions  # noqa: E402
from report.run import Run  # noqa: E402
from report.words import size  # noqa: E402

DOCUMENT = ROOT / "docs" / "leaks-compared.md"


@dataclass(frozen=True)
class Compared:
    """One program under both."""

    program: Program
    version: str
    memcheck: memcheck.Found
    run: Run  # of crunch, with memcheck's definite leaks suppressed
    told: List[str]  # crunch's definite leaks that memcheck has not, in words
    unseen: List[str]  # entries of memcheck's for definite leaks that crunch has not
    errors: int  # of crunch's


def compare(program: Program, folder: Path) -> Optional[Compared]:
    """Runs a program under both; None where it is not installed."""
