"""--check and --guard: each defect is found where it is said to be, its twin without it is silent, and ordinary programs are not disturbed."""

import re
import signal
import subprocess

import pytest

from harness import ROOT, TARGETS, Folder, bare, crunch, needs, preloaded, target
from report import problems, run

SOURCE = (TARGETS / "check.cpp").read_text().splitlines()


def tagged(tag: str, case: str) -> int:
    """The line that `tag: case` stands in; 0: nowhere."""
    return next((number for number, line in enumerate(SOURCE, 1) if re.search(rf"// {tag}: {case}$", line)), 0)


def found(folder: Folder):
    return problems.read(run.load(folder.path))


def lines(problem, title: str):
    """Lines of check.cpp in one of the problem's stacks, innermost first."""
    stacks = [frames for name, frames in problem.stacks if name.startswith(title)]
    return [frame.line for frame in (stacks[0] if stacks else []) if frame.file and frame.file.endswith("check.cpp")]


CHECKED = [("overrun", "overrun"), ("underrun", "underrun"), ("overrun_realloc", "overrun"), ("overrun_exit", "overrun"),
           ("write_after_free", "write-after-free"), ("cxx", "overrun"), ("aligned", "overrun"), ("threads", "overrun")]


@pytest.mark.parametrize("case, kind", CHECKED)
def test_check_finds(case, kind, folder):
    result, run_folder = crunch(folder, target("check"), case, options=["--check"])
    assert result.status == 0
    problem, = found(run_folder)
    assert problem.kind == kind
    line = tagged("found", case)
    if line:
        assert line in lines(problem, "here")
    assert any(name.startswith("allocated") and frames for name, frames in problem.stacks)
    assert any(name.startswith("freed") for name, _ in problem.stacks) == (kind == "write-after-free")
    run_folder.check(errors=None)


CALLS = ["by_memcpy", "by_memcpy_source", "by_memset_freed", "by_strcpy", "by_strcat", "by_strncpy", "by_sprintf",
         "by_snprintf", "by_read", "by_recv", "by_fgets", "by_fortified"]


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """All errors of functions that are given too little memory, by the line of their call."""
    out = tmp_path_factory.mktemp("calls") / "out"
    out.parent.mkdir(exist_ok=True)
    result, run_folder = crunch(out, "sh", "-c", "; ".join(f"{target('check')} {case}" for case in CALLS), options=["--check"])
    assert result.status == 0
    return {lines(problem, "here")[0]: problem for child in run_folder.children.values() for problem in found(child)
            if problem.kind in ("out-of-bounds", "use-after-free")}


@pytest.mark.parametrize("case", CALLS)
def test_calls_that_leave_their_block_are_found_at_the_call(case, calls):
    problem = calls[tagged("line", case)]
    freed = case == "by_memset_freed"
    assert problem.kind == ("use-after-free" if freed else "out-of-bounds")
    assert [name.split()[0] for name, _ in problem.stacks] == ["here", "allocated"] + ["freed"] * freed
    assert problem.error.function in ("strcpy" if case == "by_fortified" else case.split("_")[1])


def test_nothing_is_preloaded_for_calls_without_check(folder):
    for options, libraries in (([], 1), (["--guard"], 1), (["--check"], 2)):
        result, _ = crunch(folder, "sh", "-c", "echo $LD_PRELOAD", options=["-q", *options])
        assert len([name for name in result.stdout.decode().strip().split(":") if "libcrunch" in name]) == libraries


@pytest.mark.parametrize("options", [["--check"], ["--guard"], ["--guard", "--guard-below"], ["--check", "--guard=2"],
                                     ["--check", "--quarantine", "0", "--fill", "none"]])
def test_twins_without_the_defect_are_silent(options, folder):
    plain = bare([target("check"), "all", "good"])
    result, run_folder = crunch(folder, target("check"), "all", "good", options=options)
    assert (result.status, result.stdout) == (plain.status, plain.stdout) == (0, plain.stdout)
    assert found(run_folder) == []
    run_folder.check(errors=None)


@pytest.mark.parametrize("case, options, kind, words", [
    ("write_after_free", [], "guard-freed", "a write to an address 5 bytes inside a freed block of 40 bytes"),
    ("read_after_free", [], "guard-freed", "a read from an address 5 bytes inside a freed block of 40 bytes"),
    ("far_overrun", [], "guard-after", "a write to an address 8 bytes after a live block of 24 bytes"),
    ("underrun", ["--guard-below"], "guard-before", "a write to an address 1 byte before a live block of 24 bytes"),
])
def test_guard_stops_at_the_instruction(case, options, kind, words, folder):
    result, run_folder = crunch(folder, target("check"), case, options=["--guard", *options])
    assert result.status == 128 + signal.SIGSEGV
    problem, = found(run_folder)
    assert problem.kind == kind and lines(problem, "here")[0] == tagged("line", case)
    assert any(name.startswith("freed") for name, _ in problem.stacks) == (kind == "guard-freed")
    assert words in (folder / "fatal").read_text()


def test_guard_finds_what_lies_between_block_and_page(folder):
    """24 bytes lie 8 bytes before the page, for their alignment."""
    result, run_folder = crunch(folder, target("check"), "overrun", options=["--guard"])
    assert result.status == 0
    problem, = found(run_folder)
    assert problem.kind == "overrun" and tagged("found", "overrun") in lines(problem, "here")


SQL = ("create table t(a integer primary key, b text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) "
       "insert into t select i, 'row ' || i from n; create index x on t(b); select count(*), max(b) from t;")
PROGRAMS = [
    ["jq", "-n", "[range(20000) | {id: ., name: \"item \\(.)\"}] | map(.name) | join(\",\") | length"],
    ["sqlite3", ":memory:", SQL],
    ["python3", "-c", "import json, decimal, subprocess; print(len(json.dumps([list(range(n)) for n in range(300)])), subprocess.run(['true']))"],
    ["perl", "-e", "my %h; $h{$_} = [$_ x 3] for 1 .. 20000; print join(',', (sort keys %h)[0 .. 9])"],
    ["git", "-C", str(ROOT), "log", "--stat", "-3"],
    ["gcc", "-O1", "-S", "-o", "-", str(ROOT / "tests/targets/example.c")],
    ["clang", "-O1", "-w", "-S", "-o", "-", str(ROOT / "tests/targets/example.c")],
    ["node", "-e", "const a = []; for (let i = 0; i < 50000; i++) a.push({i, s: 'x' + i}); console.log(JSON.stringify(a).length)"],
    ["xmllint", "--html", "--noout", str(ROOT / "templates" / "report.html")],
    ["bash", "-c", "for i in 1 2 3; do echo $i; done; x=$(seq 1000 | sort -n | tail -1); echo $x"],
    ["tar", "cf", "/dev/null", "-C", str(ROOT), "src", "--totals"],
]


@pytest.mark.parametrize("options", [["--check"], ["--guard=1000"]])
@pytest.mark.parametrize("command", PROGRAMS, ids=[command[0] for command in PROGRAMS])
def test_distribution_programs_have_no_errors(command, options, folder):
    env = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0"}
    needs(command[0])
    plain = bare(command, env=env)
    result, run_folder = crunch(folder, *command, options=["-q", "--no-heap", *options], env=env)
    said = re.sub(rb" \([^)]*/s\)", b"", result.stderr), re.sub(rb" \([^)]*/s\)", b"", plain.stderr)  # tar tells how fast it was
    assert (result.status, result.stdout) == (plain.status, plain.stdout) and said[0] == said[1]
    assert [problem.headline for one in (run_folder, *run_folder.children.values()) for problem in found(one)] == []


def test_program_asks(folder):
    result, run_folder = crunch(folder, target("check"), "asked", options=["--check"])
    assert result.status == 0 and result.stdout == b"added: 1\n" and [problem.kind for problem in found(run_folder)] == ["overrun", "overrun"]


def test_usable_size_is_the_requested_one(folder):
    for options in (["--check"], ["--guard"]):
        result, run_folder = crunch(folder, target("check"), "usable", options=options)
        assert result.status == 0 and found(run_folder) == []


def test_new_blocks_are_filled(folder, tmp_path):
    source = tmp_path / "fill.c"
    source.write_text("#include <stdio.h>\n#include <stdlib.h>\nint main(void) { unsigned char *block = malloc(100);"
                      " printf(\"%02x%02x %d\\n\", block[0], block[99], *(char *)calloc(1, 1)); }")
    subprocess.run(["cc", "-w", "-O0", str(source), "-o", str(tmp_path / "fill")], check=True)
    for options, byte in (([], "cd"), (["--fill", "0xAB"], "ab"), (["--fill", "7"], "07")):
        result, _ = crunch(folder, str(tmp_path / "fill"), options=["--check", *options])
        assert result.stdout == f"{byte}{byte} 0\n".encode()


@pytest.mark.parametrize("options, words", [
    (["--quarantine", "1M"], "goes with --check"), (["--fill", "none"], "goes with --check"),
    (["--guard-below"], "goes with --guard"), (["--guard=0"], "takes a number"), (["--guard=some"], "takes a number"),
    (["--check", "--fill", "256"], "takes a byte"), (["--check", "--quarantine", "much"], "takes a size"),
])
def test_options_that_make_no_sense(options, words, tmp_path):
    result, _ = crunch(None, "true", options=options, cwd=tmp_path)
    assert result.status == 125 and words in result.said and result.said.count("\n") == 1


def test_guard_alone_takes_no_argument(folder):
    result, run_folder = crunch(folder, "sh", "-c", "echo --guard", options=["-q", "--guard"])
    assert result.stdout == b"--guard\n" and run_folder.end == "exit 0"


def test_what_another_thread_freed_before_leaves_the_quarantine_before(folder):
    result, run_folder = preloaded(folder, [target("quarantine_turn")], env={"CRUNCH_CHECK": "1"})
    assert result.status == 0 and result.stdout == b"went on\n"
    assert [problem.kind for problem in found(run_folder)] == ["write-after-free"]
