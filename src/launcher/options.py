"""The command line as values; every mistake in it is one sentence."""

import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional

from report.errors import CrunchError
from report.words import printable

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True)
class Options:
    """What `crunch --help` describes."""

    program: Optional[str]
    arguments: List[str]
    report_folder: Optional[str]  # --report: make the report of a finished run again
    export: Optional[str]  # --export: the format
    value: str
    folder: Optional[str]  # of --export
    no_report: bool
    stdin: Optional[str]
    stdout: Optional[str]
    out: str
    heap_limit: int  # bytes; 0: no contents
    heap_limit_text: str
    children: bool
    max_listed: int
    stacks: Optional[int]  # whole call stacks on the terminal; None: the usual few, shortened
    suppressions: List[str]  # files, each once
    print_suppressions: bool
    error_exitcode: int  # 0: the exit status is the program's, whatever was found
    debuginfod: Optional[int]  # seconds; None: no server is asked
    quiet: bool
    open: bool


def from_docopt(values: Mapping[str, Any]) -> Options:
    """Options from docopt's dictionary."""
    limit = values["--heap-limit"]
    return Options(
        program=values["<program>"],
        arguments=values["<arguments>"],
        report_folder=values["--report"],
        export=values["--export"],
        value=values["--value"],
        folder=values["<folder>"],
        no_report=values["--no-report"],
        stdin=values["-i"],
        stdout=values["-o"],
        out=values["--out"],
        heap_limit=0 if values["--no-heap"] else size(limit, "--heap-limit"),
        heap_limit_text=limit,
        children=not values["--no-children"],
        max_listed=number(values["--max-listed"], "--max-listed"),
        stacks=None if values["--stacks"] is None else number(values["--stacks"], "--stacks"),
        suppressions=list(dict.fromkeys(values["--suppressions"])),  # docopt gives some of them more than once
        print_suppressions=values["--print-suppressions"],
        error_exitcode=exit_status(values["--error-exitcode"], "--error-exitcode") if values["--error-exitcode"] is not None else 0,
        debuginfod=None if values["--debuginfod"] is None else number(values["--debuginfod"], "--debuginfod"),
        quiet=values["--quiet"],
        open=values["--open"],
    )


def size(text: str, option: str) -> int:
    """Bytes from '64k', '256M', '1G' (units of 1,024)."""
    match = re.fullmatch(r"(\d{1,18})([kmgt]?)(i?b)?", text, re.IGNORECASE | re.ASCII)
    value = int(match[1]) * UNITS[match[2].lower()] if match else -1
    if not 0 <= value < 2**63:
        raise CrunchError(f"{option} takes a size like 64k, 256M or 1G, not '{printable(text)}'")
    return value


def exit_status(text: str, option: str) -> int:
    """A status that tells a failure."""
    status = int(text) if re.fullmatch(r"\d{1,3}", text, re.ASCII) else 0
    if not 1 <= status <= 255:
        raise CrunchError(f"{option} takes an exit status from 1 to 255, not '{printable(text)}'")
    return status


def number(text: str, option: str) -> int:
    """A count."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise CrunchError(f"{option} takes a number, not '{printable(text)}'")
    return int(text)
