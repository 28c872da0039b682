#!/usr/bin/env python3
"""crunch runs a program and tells what its heap did.

Usage:
  crunch [options] [--suppressions <file>]... [--] <program> [<arguments>...]
  crunch [options] [--suppressions <file>]... --report <folder>
  crunch [options] [--suppressions <file>]... --export <format> <folder>
  crunch [options] --compare <old> <new>
  crunch [options] --snapshot <process>
  crunch [options] --watch <process>
  crunch --list
  crunch --help | --version

Everything after the program's name belongs to the program. The exit status is
the program's, 128 + n after signal n; 125 means that crunch itself failed, 126
that the program cannot be executed, 127 that there is none.

Options:
  -n --no-report        Only the summary on the terminal; no output folder is
                        written.
  -i <file>             Read the program's standard input from a file.
  -o <file>             Write the program's standard output to a file.
  --out <folder>        Where the results go [default: crunch_out].
  --no-heap             Keep no contents of blocks: they may hold secrets.
  --heap-limit <size>   Contents kept in all, in at most 10,000 files
                        [default: 256M].
  --no-children         Do not record the program's child processes.
  --max-listed <n>      Remaining blocks named on the terminal [default: 10].
  --stacks <n>          Show n whole call stacks on the terminal, 0 for none;
                        without it, 3 in short.
  --check               Find writes around blocks and into freed ones, and mem*
                        and str* calls that leave their block.
  --quarantine <size>   With --check, freed blocks kept from being used again;
                        64M unless given.
  --fill <byte>         With --check, what new blocks are filled with, or none;
                        0xcd unless given.
  --guard=<n>           Put one block in n, plain --guard: each, against an
                        unreachable page: wrong accesses fault.
  --guard-below         With --guard, the unreachable page is before the block
                        instead of behind it.
  --max-errors <n>      Errors told on the terminal while the program runs
                        [default: 20].
  --abort-on-error      End the program at its first error, by SIGABRT.
  --suppressions <file>
                        Leave out the leaks and errors that this file means, in
                        memcheck's or LSan's format; repeatable.
  --print-suppressions  Print entries for the leaks and errors found, in
                        memcheck's format.
  --error-exitcode <n>  End with status n instead of the program's if there is
                        an error or a definite leak.
  -q --quiet            Print nothing but crunch's own failures.
  --open                Open the report in the browser.
  --editor <pattern>    Source lines in the report open by this address, such as
                        vscode://file/{file}:{line}.
  --report <folder>     Make the report of a finished run again.
  --export <format>     Write a finished run for another program, to standard
                        output or -o: folded, speedscope, pprof, massif, dhat,
                        xml (valgrind's), csv or json.
  --value <what>        Of the export: live, peak, bytes, allocations or
                        temporary [default: live].
  --debuginfod <s>      Ask the servers of DEBUGINFOD_URLS for debug information
                        that is missing, for s seconds in all.
  --compare <old>       Compare two run folders or snapshots by call stack.
  --fail-if-grown <size>
                        Of the comparison: exit status 1 if more has come to
                        live than this.
  --snapshot-every <time>
                        Take a snapshot every 10s, 5m …
  --snapshot-keep <n>   Of these let n stay, spread over the whole run, or all;
                        50 unless given.
  --snapshot-at-peak    Take one at every peak that is 10 % above the last.
  --snapshot-on <signal>
                        Take one whenever the program gets this signal (USR1 …).
  --snapshot <process>  Have a running program take one now; by number or
                        folder.
  --watch <process>     Show a running program on the whole terminal.
  --list                Show the programs that run under crunch.
  -h --help             Show this text.
  --version             Show the version.
"""

import dataclasses
import gc
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import List, Optional, Tuple

VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "src"))
gc.set_threshold(100_000)  # there are hardly any cycles, and looking for them took a tenth of the time

from launcher import (commands, crashes, folder, inject, live, losses, options, program, progress, resident, run,  # noqa: E402
                      sites, suppressed, telling, terminal, timed)  # (found through the line above)
from report import debuginfod, findings, problem_text, reader  # noqa: E402
from report import run as runs  # noqa: E402
from report import snapshots, summary, suppressions  # noqa: E402
from report.errors import EXIT_FAILED, CrunchError  # noqa: E402
from report.words import printable, size  # noqa: E402


def main(arguments: List[str]) -> int:
    """Runs crunch; returns its exit status."""
    try:
        chosen = parse(arguments)
        if chosen.export:
            return export(chosen)
        if chosen.compare:
            return compared(chosen)
        if chosen.list or chosen.snapshot or chosen.watch:
            return asked(chosen)
        return remake(chosen) if chosen.report_folder else record(chosen)
    except CrunchError as error:
        say([f"crunch: {error.message}"])
        return error.exit_status
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except OSError as error:  # of the system crunch runs on, not of the program: no room for temporary files, say
        say([f"crunch: {printable(str(error))}"])
        return EXIT_FAILED
    except KeyboardInterrupt:
        say(["crunch: interrupted; 'crunch --report <folder>' makes the report of a run that is complete"])
        return 130


def parse(arguments: List[str]) -> options.Options:
    """The command line; CrunchError if it is none."""
    docopt = needed("docopt")
    try:
        spelled = options.spelled_out(arguments, __doc__)
        first = not options.takes_folders(spelled, __doc__)  # else options may stand behind the folders, too
        chosen = options.from_docopt(docopt.docopt(__doc__, spelled, version=f"crunch {VERSION}", options_first=first))
        return dataclasses.replace(chosen, typed=options.typed(arguments, __doc__))
    except docopt.DocoptExit:
        raise CrunchError(options.mistake(arguments, __doc__)) from None


def record(chosen: options.Options) -> int:
    """Runs the program under the tracker and reports."""
    if chosen.no_report and chosen.takes_snapshots:
        raise CrunchError("snapshots are kept in the output folder, and with --no-report there is none")
    libraries = inject.libraries(ROOT, chosen.checks.check)
    entries = read_suppressions(chosen)
    path = program.find(chosen.program or "", os.environ)
    program.check(path, os.environ)
    if not chosen.no_report:
        needed("jinja2", only_look=True)
    streams = [run.open_stream(name, flags) if name else None for name, flags in (
        (chosen.stdin, os.O_RDONLY), (chosen.stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))]
    claimed = folder.temporary() if chosen.no_report else folder.claim(chosen.out)
    try:
        with inject.preloadable(libraries) as names, live.registered(claimed.path):
            limit = 0 if chosen.no_report else chosen.heap_limit
            environment = inject.environment(os.environ, names, claimed.path, limit, chosen.children, chosen.checks,
                                             chosen.snapshot_at_peak, chosen.snapshot_on, chosen.abort_on_error, chosen.typed)
            typed = path if path.startswith("./") else chosen.program or path
            samples = resident.Samples(claimed.path)
            teller = telling.Teller(claimed.path, chosen.max_errors, entries, say)
            every = [run.Every(resident.SECONDS, samples.take)]
            if chosen.snapshot_every:
                every.append(run.Every(chosen.snapshot_every, timed.Timed(claimed.path, chosen.snapshot_keep).ask))
            if not chosen.quiet:
                every.append(run.Every(telling.SECONDS, teller.look))
            ended = run.run(path, [typed, *chosen.arguments], environment, *streams, every)
            samples.write()
            if not chosen.quiet:
                teller.finish()
        failed = False
        try:
            failed = report(chosen, claimed.path, ended, entries)
        except CrunchError as error:  # the program has run, so its exit status stands
            say([f"crunch: {error.message}"])
    finally:
        claimed.give_back() if chosen.no_report else claimed.keep()
    return chosen.error_exitcode if failed and chosen.error_exitcode and not ended.end.signal else ended.exit_status


def read_suppressions(chosen: options.Options) -> suppressions.Suppressions:
    """The user's and crunch's own, before anything runs."""
    return suppressions.read(chosen.suppressions, suppressions.RUNTIMES)


def servers(chosen: options.Options, told: Optional[progress.Bar]) -> Optional[debuginfod.Debuginfod]:
    """Who is asked for debug information; None: nobody."""
    if chosen.debuginfod is None:
        return None
    return debuginfod.Debuginfod(os.environ.get("DEBUGINFOD_URLS", ""), chosen.debuginfod, told.fetching if told else None)


def report(chosen: options.Options, path: Path, ended: run.Ended, entries: suppressions.Suppressions) -> bool:
    """Completes the run folder, prints the summary and writes the page; returns whether the program, or one it started, is wrong."""
    if not summary.complete(path, ended.end, ended.max_rss):
        say([f"crunch: {printable(chosen.program or '')} was not recorded: the tracker did not start in it"])
        return False
    for process in (path, *runs.children(path)):
        snapshots.settle(process)
    if chosen.snapshot_every:
        timed.Timed(path, chosen.snapshot_keep).thin()
    with progress.bar(sys.stderr, chosen.quiet) as told:
        started = runs.load(path, told, entries, servers(chosen, told))
        last = runs.became(started, ended.end, ended.max_rss) or started
        failure = "" if chosen.no_report else written_page(started, chosen.editor)
        below, failed_below = look_below(started, entries, bool(chosen.error_exitcode))
        why, riddle = ([], "") if chosen.quiet else explained(last)
        crashed = [] if chosen.quiet else crashes.below(path, last.folder, not chosen.no_report)
        (lost, shown), trouble = ((losses.Told(), []), "") if chosen.quiet else call_stacks(last, chosen)
    taken, *below_it = (len(snapshots.folders(process)) for process in (path, *runs.children(path)))
    gone, dropped = (sum(map(count, (path, *runs.children(path)))) for count in (snapshots.gone, snapshots.dropped))
    kept = terminal.Kept(path, not chosen.no_report, chosen.heap_limit_text if chosen.heap_limit else "",
                         chosen.max_listed, len(runs.children(path)), shown, suppressed.lines(last), why, crashed, lost, snapshots=taken,
                         snapshots_below=sum(below_it), snapshots_gone=gone, snapshots_dropped=dropped, remaining_below=runs.remaining_below(path),
                         errors_below=below)
    if not chosen.quiet:
        say(terminal.lines(started, last, kept))
    print_suppressions(chosen, last)
    if failure or riddle or trouble:
        say([f"crunch: {failure or riddle or trouble}"])
    elif chosen.open and not chosen.no_report:
        show(path)
    return last.findings.failed or failed_below


def look_below(recorded: runs.Run, entries: suppressions.Suppressions, leaks: bool) -> Tuple[int, bool]:
    """Writes the file `errors` of a run and of the processes below it; returns how many errors these have together, and whether one of
    them is found to be wrong. leaks: it may be for them alone."""
    problem_text.write(recorded)
    errors, failed = 0, False
    for child in runs.children(recorded.folder):
        erred = reader.count_errors(child) > 0 and (child / "stats").exists()
        if erred or (leaks and not failed and runs.lost_in(child)):
            loaded = runs.load(child, None, entries)
            if erred:
                problem_text.write(loaded)
            errors += len(loaded.findings.problems)
            failed = failed or loaded.findings.failed
    return errors, failed


def print_suppressions(chosen: options.Options, recorded: runs.Run) -> None:
    """Entries for what was found, if they are wanted; also where nothing else is to be printed."""
    if chosen.print_suppressions:
        say([entry.rstrip("\n") for entry in findings.printed(recorded)])


def compared(chosen: options.Options) -> int:
    """Compares two runs; 1 if the new one has grown by more than is allowed."""
    from report import compare

    folders = [Path(os.path.abspath(given or "")) for given in (chosen.compare, chosen.new)]
    with progress.bar(sys.stderr, chosen.quiet) as told:
        loaded = []
        for path in folders:
            summary.complete(path)
            loaded.append(runs.load(path, told))
        found = compare.compare(*loaded)
    told_of = [] if chosen.quiet else commands.comparison(found, chosen.max_listed)
    if not chosen.no_report:
        needed("jinja2")
        from report import compare_page

        page = Path(chosen.stdout) if chosen.stdout else folders[1] / compare_page.PAGE
        compare_page.write(found, page, ROOT / "templates", f"crunch {VERSION}", chosen.editor)
        told_of += [] if chosen.quiet else [f"comparison written to {printable(str(page))}"]
    grown = chosen.fail_if_grown is not None and found.bytes > chosen.fail_if_grown
    if grown and not chosen.quiet:
        told_of.append(f"failed: it has grown by more than {size(chosen.fail_if_grown)}")
    answer(told_of)
    return int(grown)


def asked(chosen: options.Options) -> int:
    """The commands about programs that run."""
    if chosen.watch:
        from launcher import watch

        lines = watch.watch(chosen.watch)
    else:
        lines = commands.listed() if chosen.list else [commands.snapshot(chosen.snapshot or "")]
    answer(lines)
    return 0


def remake(chosen: options.Options) -> int:
    """Makes `stats` and the report of a finished run again."""
    path = Path(os.path.abspath(chosen.report_folder or ""))
    summary.complete(path)
    with progress.bar(sys.stderr, chosen.quiet) as told:
        entries = read_suppressions(chosen)
        recorded = runs.load(path, told, entries, servers(chosen, told))
        write_page(recorded, chosen.editor)
        look_below(recorded, entries, False)
    if not chosen.quiet:
        say([f"crunch report written to {printable(str(path / 'report.html'))}", *suppressed.lines(recorded)])
    print_suppressions(chosen, recorded)
    if chosen.open:
        show(path)
    return 0


def export(chosen: options.Options) -> int:
    """Writes a finished run for other programs."""
    from report import exports

    path = Path(os.path.abspath(chosen.folder or ""))
    summary.complete(path)
    with progress.bar(sys.stderr) as told:
        recorded = runs.load(path, told, read_suppressions(chosen), servers(chosen, told))
        data = exports.render(recorded, chosen.export or "", chosen.value, f"crunch {VERSION}")
    try:
        if chosen.stdout:
            Path(chosen.stdout).write_bytes(data)
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except OSError as error:
        raise CrunchError(f"{printable(chosen.stdout or 'standard output')} cannot be written: {error.strerror}") from None
    return 0


def call_stacks(recorded: runs.Run, chosen: options.Options) -> Tuple[Tuple[losses.Told, List[str]], str]:
    """What the terminal says of leaks and of call stacks, and why it cannot, so that the summary is printed all the same."""
    try:
        lost = losses.told(recorded)
        return (lost, sites.lines(recorded, sites.wanted(chosen.stacks), lost.stacks)), ""
    except CrunchError as error:
        return (losses.Told(), []), error.message


def explained(recorded: runs.Run) -> Tuple[List[str], str]:
    """What the terminal says of a crash, and why it cannot."""
    try:
        return crashes.lines(recorded), ""
    except CrunchError as error:
        return [], error.message


def written_page(recorded: runs.Run, editor: str) -> str:
    """Writes the page; returns why it could not, so that the summary is printed all the same."""
    try:
        write_page(recorded, editor)
        return ""
    except CrunchError as error:
        return error.message


def write_page(recorded: runs.Run, editor: str) -> None:
    """Writes report.html, for a run and its children."""
    needed("jinja2")
    from report import build

    build.reports(recorded, ROOT / "templates", f"crunch {VERSION}", editor)


def show(path: Path) -> None:
    """Opens the report in the browser."""
    import webbrowser

    webbrowser.open((path / "report.html").as_uri())


def answer(lines: List[str]) -> None:
    """Prints to standard output, now: a pipe that nobody reads any more is noticed here."""
    sys.stdout.write("".join(line + "\n" for line in lines))
    sys.stdout.flush()


def say(lines: List[str]) -> None:
    """Prints to standard error, which may be closed."""
    try:
        sys.stderr.write("".join(line + "\n" for line in lines))
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass


def needed(module: str, only_look: bool = False) -> Optional[object]:
    """Imports one of the two packages crunch needs, if need be with the Python of its own .venv."""
    import importlib
    import importlib.util

    try:
        if only_look and importlib.util.find_spec(module):
            return None
        with warnings.catch_warnings():  # docopt's old string literals are no concern of crunch's users
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError:
        own = ROOT / ".venv"
        if (own / "bin" / "python3").exists() and Path(sys.prefix).resolve() != own.resolve():
            os.execv(own / "bin" / "python3", [str(own / "bin" / "python3"), str(ROOT / "crunch.py"), *sys.argv[1:]])
        raise CrunchError(f"the Python package {module} is missing; install it with 'python3 -m pip install {module}', or "
                          f"run 'python3 {ROOT / 'install.py'}'") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
