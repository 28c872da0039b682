"""The command line as values; every mistake in it is one sentence."""

import re
import shlex
import signal
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional

from report.errors import CrunchError
from report.words import printable

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SHORTEST_SECONDS, LONGEST_SECONDS = 0.01, 1e8
SNAPSHOTS_KEPT = 50
SNAPSHOT_SIGNALS = ("USR1", "USR2", "HUP", "INT", "QUIT", "TERM", "ALRM", "VTALRM", "PROF")
COMMANDS = {  # without a program; what each takes
    "--report": "--report <folder>", "--export": "--export <format> <folder>", "--compare": "--compare <old> <new>",
    "--snapshot": "--snapshot <process>", "--watch": "--watch <process>", "--list": "--list",
}
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True)
class Checks:
    """What the tracker does with blocks to find wrong accesses."""

    check: bool = False
    quarantine: Optional[int] = None  # bytes; None: the tracker's default
    fill: Optional[int] = None  # the byte; 256: none; None: the tracker's default
    guard: int = 0  # one block in so many; 0: none
    guard_below: bool = False


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
    checks: Checks
    max_errors: int
    abort_on_error: bool
    suppressions: List[str]  # files, each once
    print_suppressions: bool
    error_exitcode: int  # 0: the exit status is the program's, whatever was found
    debuginfod: Optional[int]  # seconds; None: no server is asked
    quiet: bool
    open: bool
    editor: str  # pattern of links to source lines; empty: none
    compare: Optional[str]  # --compare: the old run folder
    new: Optional[str]  # and the new one
    fail_if_grown: Optional[int]  # bytes
    snapshot: Optional[str]  # --snapshot: the process or run folder to ask
    snapshot_every: float  # seconds; 0: not
    snapshot_keep: Optional[int]  # how many of these stay; None: all
    snapshot_at_peak: bool
    snapshot_on: int  # the number of a signal; 0: none
    watch: Optional[str]
    list: bool
    typed: str = ""  # crunch's own options as they were typed, for the report

    @property
    def takes_snapshots(self) -> bool:
        return bool(self.snapshot_every or self.snapshot_at_peak or self.snapshot_on)


def from_docopt(values: Mapping[str, Any]) -> Options:
    """Options from docopt's dictionary."""
    limit = values["--heap-limit"]
    if values["--fail-if-grown"] is not None and not values["--compare"]:
        raise CrunchError("--fail-if-grown goes with --compare")
    if values["--snapshot-keep"] is not None and not values["--snapshot-every"]:
        raise CrunchError("--snapshot-keep goes with --snapshot-every")
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
        checks=checks(values),
        max_errors=number(values["--max-errors"], "--max-errors"),
        abort_on_error=values["--abort-on-error"],
        suppressions=list(dict.fromkeys(values["--suppressions"])),  # docopt gives some of them more than once
        print_suppressions=values["--print-suppressions"],
        error_exitcode=exit_status(values["--error-exitcode"], "--error-exitcode") if values["--error-exitcode"] is not None else 0,
        debuginfod=None if values["--debuginfod"] is None else number(values["--debuginfod"], "--debuginfod"),
        quiet=values["--quiet"],
        open=values["--open"],
        compare=values["--compare"],
        new=values["<new>"],
        fail_if_grown=None if values["--fail-if-grown"] is None else size(values["--fail-if-grown"], "--fail-if-grown"),
        snapshot=values["--snapshot"],
        snapshot_every=0.0 if values["--snapshot-every"] is None else seconds(values["--snapshot-every"], "--snapshot-every"),
        snapshot_keep=kept(values["--snapshot-keep"]),
        snapshot_at_peak=values["--snapshot-at-peak"],
        snapshot_on=0 if values["--snapshot-on"] is None else signal_number(values["--snapshot-on"], "--snapshot-on"),
        watch=values["--watch"],
        list=values["--list"],
        editor=editor(values["--editor"] or ""),
    )


def spelled_out(arguments: List[str], usage: str) -> List[str]:
    """`--guard` alone, as `--guard=1`: docopt knows options with a value and without, none with either.

    Only among crunch's own options, which end where one does not begin with a dash."""
    spelled = list(arguments)
    for at in _own(arguments, usage):
        if spelled[at] == "--guard":
            spelled[at] = "--guard=1"
    return spelled


def takes_folders(arguments: List[str], usage: str) -> bool:
    """Whether this is a command about finished runs, or about programs that run: nothing in it belongs to a program."""
    return any(arguments[at].split("=")[0] in COMMANDS for at in _own(arguments, usage))


def mistake(arguments: List[str], usage: str) -> str:
    """What is wrong with a command line that docopt refuses."""
    known = set(re.findall(r"^  (?:-\w )?(--[-\w]+)", usage, re.MULTILINE)) | set(re.findall(r"^  (-\w)", usage, re.MULTILINE))
    own = [arguments[at].split("=")[0] for at in _own(arguments, usage)]
    for name in own:
        long = name.startswith("--")
        meant = sum(option.startswith(name) for option in known) if long else name[:2] in known
        if not meant:
            return f"{printable(name)} is no option of crunch; 'crunch --help' lists them"
    form = next((COMMANDS[name] for name in own if name in COMMANDS), "[--] <program> [<arguments>...]")
    return f"usage: crunch [options] {form}; 'crunch --help' explains"


def _own(arguments: List[str], usage: str) -> List[int]:
    """Where crunch's own options stand before the first word that is none and no value of one."""
    found, at = [], 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "--":
        found.append(at)
        at += _words(arguments[at], usage)
    return found


def _words(option: str, usage: str) -> int:
    """How many words an option takes on the command line, itself included."""
    return 2 if option in re.findall(r"^  (?:-\w )?(-[-\w]+) <", usage, re.MULTILINE) else 1


def typed(arguments: List[str], usage: str) -> str:
    """Crunch's own options, as a shell takes them."""
    own = _own(arguments, usage)
    words = arguments[:own[-1] + _words(arguments[own[-1]], usage)] if own else []
    return " ".join(map(shlex.quote, words))


def checks(values: Mapping[str, Any]) -> Checks:
    """--check, --guard and what goes with them."""
    for option in ("--quarantine", "--fill"):
        if values[option] is not None and not values["--check"]:
            raise CrunchError(f"{option} goes with --check")
    guard = values["--guard"]
    if values["--guard-below"] and guard is None:
        raise CrunchError("--guard-below goes with --guard")
    every = 0 if guard is None else number(guard, "--guard")
    if guard is not None and every == 0:
        raise CrunchError("--guard takes a number from 1 on: one block in so many is guarded")
    return Checks(
        check=values["--check"],
        quarantine=None if values["--quarantine"] is None else size(values["--quarantine"], "--quarantine"),
        fill=None if values["--fill"] is None else byte(values["--fill"], "--fill"),
        guard=every,
        guard_below=values["--guard-below"],
    )


def byte(text: str, option: str) -> int:
    """A byte from '0xcd' or '205'; 256 for 'none'."""
    if text == "none":
        return 256
    match = re.fullmatch(r"0[xX]([0-9a-fA-F]{1,2})|(\d{1,3})", text, re.ASCII)
    value = (int(match[1], 16) if match[1] else int(match[2])) if match else 256
    if value > 255:
        raise CrunchError(f"{option} takes a byte like 0xcd or 205, or none, not '{printable(text)}'")
    return value


def editor(pattern: str) -> str:
    """A pattern of links to source lines; CrunchError if links like that cannot open a file, or run code."""
    scheme = re.match(r"[a-z][a-z0-9+.-]*(?=:)", pattern.lower())
    if pattern and (not scheme or "{file}" not in pattern or scheme[0] in ("javascript", "data", "vbscript", "blob")):
        raise CrunchError(f"--editor {printable(pattern)} is no address with {{file}} in it, such as vscode://file/{{file}}:{{line}}")
    return pattern


def size(text: str, option: str) -> int:
    """Bytes from '64k', '256M', '1G' (units of 1,024)."""
    match = re.fullmatch(r"(\d{1,18})([kmgt]?)(i?b)?", text, re.IGNORECASE | re.ASCII)
    value = int(match[1]) * UNITS[match[2].lower()] if match else -1
    if not 0 <= value < 2**63:
        raise CrunchError(f"{option} takes a size like 64k, 256M or 1G, not '{printable(text)}'")
    return value


def seconds(text: str, option: str) -> float:
    """Seconds from '10', '0.5s', '200ms', '5m', '1h'."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)?", text, re.ASCII)
    value = float(match[1]) * SECONDS[match[2] or "s"] if match else 0.0
    if not SHORTEST_SECONDS <= value <= LONGEST_SECONDS:
        raise CrunchError(f"{option} takes a time like 200ms, 10s, 5m or 1h, from 10ms to 3 years, not '{printable(text)}'")
    return value


def kept(text: Optional[str]) -> Optional[int]:
    """How many snapshots stay, from '2' on; None for 'all'."""
    if text == "all":
        return None
    if text is not None and (not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < 2):
        raise CrunchError(f"--snapshot-keep takes a number from 2 on, or all, not '{printable(text)}'")
    return SNAPSHOTS_KEPT if text is None else int(text)


def signal_number(text: str, option: str) -> int:
    """The number of a signal that ends a program unless it is handled, from 'USR1', 'SIGUSR1' or its number."""
    word = text.upper()
    for name in SNAPSHOT_SIGNALS:
        if word in (name, f"SIG{name}", str(int(getattr(signal, f"SIG{name}")))):
            return int(getattr(signal, f"SIG{name}"))
    raise CrunchError(f"{option} takes one of {', '.join(SNAPSHOT_SIGNALS)}, not '{printable(text)}'")


def exit_status(text: str, option: str) -> int:
    """A status that tells a failure."""
    status = int(text) if re.fullmatch(r"\d{1,3}", text, re.ASCII) else 0
    if not 1 <= status <= 255:
        raise CrunchError(f"{option} takes an exit status from 1 to 255, not '{printable(text)}'")
    return status


def number(text: str, option: str) -> int:
    """A count."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        limit = " below 1,000,000,000" if text.isdigit() else ""
        raise CrunchError(f"{option} takes a number{limit}, not '{printable(text)}'")
    return int(text)
