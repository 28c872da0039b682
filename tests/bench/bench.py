"""What crunch costs: CPU time of programs under crunch, heaptrack, massif and memcheck against the bare program.

    bench.py [--quick] [--runs N] [--only WORD]

Runs are interleaved (bare, crunch, peer, bare, ...), so that a noisy moment of the machine hits all alike. A figure is the median
of the runs' ratios to the median bare run, with the smallest in brackets. CPU time is user + system of the program and, for
tools that work in further processes, of these too. Crunch is the tracker alone, as the launcher starts it, with
--no-heap; what launcher and report add is measured on a program that does nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "build" / "libcrunch.so"
CHECK_LIBRARY = ROOT / "build" / "libcrunch-check.so"
UNTIMED_LIBRARY = ROOT / "build" / "untimed" / "libcrunch.so"
UNLIVED_LIBRARY = ROOT / "build" / "unlived" / "libcrunch.so"
WORK = ROOT / "build" / "bench"
SCAN_TARGET = 2  # seconds
TIMELINE_TARGET = 1.03  # of the library without it


@dataclass(frozen=True)
class Workload:
    """A program to run. pairs: of malloc and free in it, where the cost of one is of interest; peers: measured too."""

    name: str
    command: list[str]
    pairs: int = 0
    stdin: Path | None = None
    peers: bool = True


@dataclass
class Result:
    """CPU seconds of each run, by tool."""

    workload: Workload
    seconds: dict[str, list[float]] = field(default_factory=dict)
    recording_bytes: int = 0


def build(source: str, *flags: str) -> str:
    target = WORK / Path(source).stem
    path = ROOT / "tests" / "bench" / source
    if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-g", "-fomit-frame-pointer", "-pthread", *flags, "-o", target, path], check=True)
    return str(target)


def make_once(name: str, write) -> Path:
    """An input file, written by write(stream) unless it is there already."""
    path = WORK / name
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=WORK, delete=False) as part:
            write(part)
        os.replace(part.name, path)
    return path


def write_json(out) -> None:
    out.write("[")
    out.write(",".join(f'{{"id":{i},"name":"item {i}","tags":["a{i % 97}","b"],"value":{i * 0.5}}}' for i in range(270_000)))
    out.write("]")


def write_xml(out) -> None:
    out.write("<list>")
    for i in range(300_000):
        out.write(f'<item id="{i}" kind="k{i % 13}"><name>item {i}</name><text>some text &amp; more {i}</text></item>')
    out.write("</list>")


def write_cpp(out) -> None:
    out.write("#include <regex>\n#include <map>\n#include <iostream>\n")
    out.write("int main() { std::map<int, std::string> m; std::regex r(\"a+\"); std::cout << m.size(); }\n")


SQL = """create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
insert into t select i, 'row ' || i, i * 0.5 from n;
create index x on t(b);
select count(*) from t;
"""


def workloads(quick: bool) -> list[Workload]:
    pair, bignum = build("pair.c"), build("bignum.c", "-lm")
    few = 2_000_000 if quick else 5_000_000
    work = [
        Workload("malloc+free, depth 10", [pair, str(few), "10", "1", "0"], few),
        Workload("malloc+free, depth 40", [pair, str(few), "40", "1", "0"], few),
        Workload("the same, 2 threads, depth 10", [pair, str(few // 2), "10", "2", "0"], few, peers=False),
        Workload("the same, 8 threads, depth 10", [pair, str(few // 8), "10", "8", "0"], few, peers=False),
        Workload("the same, 64 threads, depth 10", [pair, str(few // 64), "10", "64", "0"], few, peers=False),
        Workload("1,000 live blocks, depth 10", [pair, str(few), "10", "1", "1000"], few, peers=False),
        Workload("1,000,000 live blocks, depth 10", [pair, str(few), "10", "1", "1000000"], few, peers=False),
        Workload("big numbers", [bignum]),
    ]
    if shutil.which("jq"):
        work.append(Workload("jq, sum over JSON", ["jq", "[.[].value]|add", str(make_once("items.json", write_json))]))
    if shutil.which("xmllint"):
        work.append(Workload("xmllint", ["xmllint", "--noout", str(make_once("items.xml", write_xml))]))
    if shutil.which("sqlite3"):
        sql = make_once("insert.sql", lambda out: out.write(SQL.format(rows=600_000)))
        work.append(Workload("sqlite3, inserts and an index", ["sqlite3", ":memory:"], stdin=sql))
    if shutil.which("clang++"):
        source = str(make_once("regex.cpp", write_cpp))
        work.append(Workload("clang -cc1, <regex>", ["clang++", "-fintegrated-cc1", "-fsyntax-only", source]))
    return work


MODES = {  # of crunch: settings that the launcher would make
    "crunch": {},
    "--check": {"CRUNCH_CHECK": "1"},
    "--guard=1000": {"CRUNCH_GUARD": "1000"},
}
UNTIMED, UNLIVED = "without timeline", "without timeline and histograms"
LIBRARIES = {"--check": [LIBRARY, CHECK_LIBRARY], UNTIMED: [UNTIMED_LIBRARY], UNLIVED: [UNLIVED_LIBRARY]}


def tools(quick: bool, peers: bool) -> dict[str, list[str]]:
    """Command prefixes; of the peers only those that are installed."""
    found: dict[str, list[str]] = {"bare": [], **{mode: [] for mode in MODES if mode == "crunch" or not quick}}
    if peers and shutil.which("heaptrack"):
        found["heaptrack"] = ["heaptrack", "-o", str(WORK / "heaptrack")]
    if peers and shutil.which("valgrind"):
        found["massif"] = ["valgrind", "-q", "--tool=massif", f"--massif-out-file={WORK / 'massif.out'}"]
        found["memcheck"] = ["valgrind", "-q", "--tool=memcheck", "--leak-check=full", f"--log-file={WORK / 'memcheck.log'}"]
    return found


def cpu_seconds(tool: str, prefix: list[str], workload: Workload) -> float:
    """Runs a workload under a tool; its CPU time with all its children's."""
    environment = dict(os.environ)
    if tool in MODES or tool in LIBRARIES:
        shutil.rmtree(WORK / "run", ignore_errors=True)
        (WORK / "run").mkdir()
        libraries = ":".join(map(str, LIBRARIES.get(tool, [LIBRARY])))
        environment |= {"LD_PRELOAD": libraries, "CRUNCH_OUT": str(WORK / "run"), "CRUNCH_HEAP_LIMIT": "0", **MODES.get(tool, {})}
    with open(workload.stdin or os.devnull, "rb") as stdin:
        process = subprocess.Popen(
            prefix + workload.command, env=environment, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench: {workload.name} under {tool} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def measure(workload: Workload, runs: int, quick: bool) -> Result:
    result = Result(workload)
    for _ in range(runs):
        for tool, prefix in tools(quick, workload.peers and not quick).items():
            result.seconds.setdefault(tool, []).append(cpu_seconds(tool, prefix, workload))
            if tool == "crunch":
                result.recording_bytes = (WORK / "run" / "recording").stat().st_size
    return result


def row(result: Result, names: list[str]) -> str:
    bare = statistics.median(result.seconds["bare"])
    cells = [result.workload.name, f"{bare:.2f} s"]
    for name in names[1:]:
        seconds = result.seconds.get(name)
        cells.append(f"{statistics.median(seconds) / bare:.2f}x ({min(seconds) / bare:.2f})" if seconds else "–")
    extra = (statistics.median(result.seconds["crunch"]) - bare) / result.workload.pairs * 1e9 if result.workload.pairs else 0
    cells.append(f"{extra:.0f} ns" if extra else "")
    cells.append(f"{result.recording_bytes / 1024:,.0f} KiB")
    return "| " + " | ".join(cells) + " |"


def against_crunch(results: list[Result]) -> str:
    """What the modes add to crunch's own cost: the largest ratio of smallest times, and where."""
    said = []
    for mode in MODES:
        ratios = [(min(r.seconds[mode]) / min(r.seconds["crunch"]), r.workload.name) for r in results if mode in r.seconds]
        programs = [(ratio, name) for ratio, name in ratios if "depth" not in name]
        if mode != "crunch" and ratios:
            said.append(f"{mode} against crunch: " + ", ".join(f"{ratio:.2f}x {name}" for ratio, name in programs or ratios))
    return "\n".join(said)


def timeline_cost(work: list[Workload], runs: int) -> str:
    """What the timeline costs, against the target, and what histograms cost with it: ratios of smallest times to those of libraries without."""
    lines = [f"the timeline on against off, target {TIMELINE_TARGET}x; in brackets with the histograms of lifetimes and sizes; least of {runs} runs each:"]
    for workload in work:
        seconds: dict[str, list[float]] = {"crunch": [], UNTIMED: [], UNLIVED: []}
        for i in range(runs):
            for tool in [*seconds][::-1 if i % 2 else 1]:
                seconds[tool].append(cpu_seconds(tool, [], workload))
        crunch, untimed, unlived = (min(found) for found in seconds.values())
        missed = ", MISSED" if crunch / untimed > TIMELINE_TARGET else ""
        lines.append(f"  {crunch / untimed:.3f}x ({crunch / unlived:.3f}x) {workload.name}{missed}")
    return "\n".join(lines)


def launcher_seconds(runs: int) -> tuple[float, float]:
    """Wall time of a program that does nothing, bare and under the whole of crunch."""

    def wall(command: list[str]) -> float:
        start = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.monotonic() - start

    out = ["--out", str(WORK / "crunch_out")]
    pairs = [(wall(["true"]), wall([sys.executable, str(ROOT / "crunch.py"), *out, "true"])) for _ in range(runs)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def start_up_seconds(runs: int) -> float:
    """What the tracker alone adds to the start and end of a program."""
    nothing = Workload("true", ["true"])
    times: dict[str, list[float]] = {"bare": [], "crunch": []}
    for _ in range(runs):
        for tool in times:
            times[tool].append(cpu_seconds(tool, [], nothing))
    return statistics.median(times["crunch"]) - statistics.median(times["bare"])


def end_seconds(tool: str, command: list[str]) -> float:
    """Wall time from what tests/bench/leaks.c prints, just before its end, to its end."""
    environment = dict(os.environ)
    if tool == "crunch":
        shutil.rmtree(WORK / "run", ignore_errors=True)
        (WORK / "run").mkdir()
        environment |= {"LD_PRELOAD": str(LIBRARY), "CRUNCH_OUT": str(WORK / "run"), "CRUNCH_HEAP_LIMIT": "0"}
    with open(WORK / "leaks.out", "w+", encoding="ascii") as said:
        process = subprocess.Popen(command, env=environment, stdout=said)
        status = process.wait()
        ended = time.monotonic_ns()
        said.seek(0)
        began = said.read()
    if status:
        sys.exit(f"bench: {command[0]} under {tool} ended with {status}")
    return (ended - int(began)) / 1e9


def scan_seconds(runs: int, pointers: int) -> list[float]:
    """What the end of a program with 1,000,000 live blocks, 1 GB, takes longer under crunch, run by run: looking for leaks, and the file `blocks`."""
    command = [build("leaks.c"), "1000000", "1016", str(pointers)]
    return [end_seconds("crunch", command) - end_seconds("bare", command) for _ in range(runs)]


def leak_scan(runs: int) -> str:
    """In words, against the target. The time without pointers is what is no search."""
    linked, apart = (scan_seconds(runs, pointers) for pointers in (16, 0))
    median = statistics.median(linked)
    return (f"at the end of a program with 1,000,000 live blocks, 1 GB, crunch adds {median:.2f} s ({min(linked):.2f}); "
            f"{statistics.median(apart):.2f} s where they hold no pointers; the target of {SCAN_TARGET} s is {'met' if median <= SCAN_TARGET else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description="what crunch costs, against the bare program and against its peers")
    parser.add_argument("--quick", action="store_true", help="under a minute: crunch alone, no modes, no peers, fewer rounds")
    parser.add_argument("--runs", type=int, default=0, help="of each tool (default 5, quick 3)")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    arguments = parser.parse_args()
    runs = arguments.runs or (3 if arguments.quick else 5)
    WORK.mkdir(parents=True, exist_ok=True)
    for library in (LIBRARY,) if arguments.quick else (LIBRARY, CHECK_LIBRARY, UNTIMED_LIBRARY, UNLIVED_LIBRARY):
        if not library.exists():
            sys.exit(f"bench: {library.relative_to(ROOT)} is missing; run make {library.relative_to(ROOT)}")

    names = list(tools(arguments.quick, not arguments.quick))
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, {' '.join(platform.libc_ver())}, {runs} runs\n")
    print("| workload | " + " | ".join(["bare", *names[1:]]) + " | crunch adds, a pair | recording |")
    print("|---" * (len(names) + 3) + "|")
    results: list[Result] = []
    work = [workload for workload in workloads(arguments.quick) if arguments.only in workload.name]
    for workload in work:
        results.append(measure(workload, runs, arguments.quick))
        print(row(results[-1], names), flush=True)
    if not arguments.quick:
        print("\n" + against_crunch(results))
        print(timeline_cost(work, 2 * runs + 1))
    bare, whole = launcher_seconds(runs)
    print(f"\nlauncher and report add {whole - bare:.2f} s to a program that does nothing;", end=" ")
    print(f"the tracker alone {start_up_seconds(3 * runs) * 1000:.1f} ms of CPU time;")
    print(leak_scan(1 if arguments.quick else runs))


if __name__ == "__main__":
    main()
