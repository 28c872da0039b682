"""The command line: what each option does, and the exit status."""

import os
import stat
import sys

import pytest

from harness import Folder, crunch, needs, target

ECHO = [sys.executable, "-c", "import sys; print(sys.argv[1:])"]


def test_status_is_the_programs(folder):
    result, run = crunch(folder, "sh", "-c", "exit 42")
    assert result.status == 42 and run.end == "exit 42"


@pytest.mark.parametrize("name, content, mode, status, words", [
    ("missing", None, 0, 127, "neither in PATH nor in this folder"),
    ("./missing", None, 0, 127, "does not exist"),
    ("plain.txt", b"text", 0o644, 126, "not executable"),
    ("folder/", None, 0, 126, "is a directory"),
    ("./bytes", b"\0\1\2", 0o755, 126, "it is neither a program nor a script"),
    ("bad_interpreter", b"#!/nonexistent/interpreter\n", 0o755, 127, "is a script, and"),
])
def test_statuses_of_programs_that_cannot_be_started(name, content, mode, status, words, tmp_path):
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(mode)
    result, _ = crunch(None, name, cwd=tmp_path)
    assert result.status == status
    assert result.said.count("\n") == 1 and result.said.startswith("crunch: ") and words in result.said
    assert not (tmp_path / "crunch_out").exists()


@pytest.mark.parametrize("options", [["--unknown"], ["--heap-limit", "much"], ["--max-listed", "all"], ["-i", "missing"],
                                     ["--snapshot-every", "999999h"], ["--max-listed", "99999999999"]])
def test_own_failures_are_125_and_one_sentence(options, tmp_path):
    result, _ = crunch(None, "true", options=options, cwd=tmp_path)
    assert result.status == 125 and result.said.count("\n") == 1 and result.said.startswith("crunch: ")
    assert not (tmp_path / "crunch_out").exists()


def test_no_report_leaves_nothing(tmp_path):
    result, _ = crunch(None, target("contents"), options=["-n"], cwd=tmp_path)
    assert result.status == 0 and os.listdir(tmp_path) == []
    assert "1 remaining heap allocations\n" in result.said and " : 9 bytes\n" in result.said
    assert "written to" not in result.said


def test_no_report_does_not_touch_an_older_run(tmp_path):
    crunch(None, target("contents"), cwd=tmp_path)
    before = (tmp_path / "crunch_out" / "stats").read_bytes()
    crunch(None, "true", options=["-n"], cwd=tmp_path)
    assert (tmp_path / "crunch_out" / "stats").read_bytes() == before


def test_input_and_output_files(tmp_path):
    (tmp_path / "in").write_text("some text")
    result, _ = crunch(None, "cat", options=["-i", "in", "-o", "result"], cwd=tmp_path)
    assert result.status == 0 and result.stdout == b""
    assert (tmp_path / "result").read_text() == "some text"


def test_standard_input_is_the_programs(folder):
    result, _ = crunch(folder, "cat", stdin=b"typed")
    assert result.stdout == b"typed"


def test_out_names_the_folder(tmp_path):
    result, run = crunch(tmp_path / "deep" / "er", target("contents"), cwd=tmp_path)
    assert result.status == 0 and f"report written to {tmp_path}/deep/er/report.html" in result.said
    run.check()
    assert not (tmp_path / "crunch_out").exists()


def test_no_heap_keeps_no_contents(folder):
    result, run = crunch(folder, target("contents"), "3", options=["--no-heap"])
    assert run.heap_files == [] and run.counts("heap_left_out_files", "heap_left_out_bytes") == (4, 309)
    assert "left out: --no-heap\n" in result.said and "heap contents written" not in result.said
    for file in run.path.rglob("*"):
        assert file.is_dir() or file.name == "report.html" or b"contents!" not in file.read_bytes()
    page = (run.path / "report.html").read_text()
    assert 'id="pack-blocks"' in page and 'id="pack-contents"' not in page, "the word is in the page's source lines, its bytes are not"


def test_heap_limit_keeps_the_largest_that_fit(folder):
    result, run = crunch(folder, target("contents"), "5", options=["--heap-limit", "350"])
    run.check()
    sizes = sorted((run.path / "heap" / name).stat().st_size for name in run.heap_files)
    assert sizes == [9, 100, 100, 100]
    assert run.counts("heap_left_out_files", "heap_left_out_bytes") == (2, 200)
    assert "heap contents of 2 blocks (200 bytes) left out: --heap-limit 350, at most 10,000 files\n" in result.said


def test_at_most_ten_thousand_contents(folder):
    _, run = crunch(folder, target("contents"), "10100", options=["-q"])
    run.check()
    assert len(run.heap_files) == 10000 and run.counts("heap_left_out_files") == (101,)


@pytest.mark.parametrize("options, listed, more", [([], 10, 41), (["--max-listed", "3"], 3, 48), (["--max-listed", "0"], 0, 51)])
def test_remaining_blocks_are_listed_largest_first(options, listed, more, folder):
    result, _ = crunch(folder, target("contents"), "50", options=options)
    sizes = [line.split(" : ")[1] for line in result.said.splitlines() if line.startswith("  0x")]
    assert "51 remaining heap allocations\n" in result.said
    assert sizes == ["100 bytes"] * listed
    assert f"  … and {more} more in report.html\n" in result.said


def test_quiet_says_nothing(folder):
    result, run = crunch(folder, target("ends"), "abort", options=["-q"])
    assert (result.status, result.stderr) == (134, b"")
    run.check()


def test_no_children_records_the_program_alone(folder):
    result, run = crunch(folder, target("children"), "exec", options=["--no-children"])
    assert result.status == 4 and run.children == {}
    run.check()
    assert run.kinds() == [("malloc", 111)]


def test_options_behind_the_program_are_its_own(folder):
    result, _ = crunch(folder, *ECHO, "-n", "--out", "x", "--help", "--", "-q")
    assert result.stdout == b"['-n', '--out', 'x', '--help', '--', '-q']\n"


def test_two_dashes_end_the_options(tmp_path):
    (tmp_path / "-n").symlink_to(needs("true"))
    result, _ = crunch(tmp_path / "out", "--", "-n", cwd=tmp_path)
    assert result.status == 0 and "=== crunch ===" in result.said
    result, _ = crunch(tmp_path / "out", "--", *ECHO, "--", "x")
    assert result.stdout == b"['--', 'x']\n"


def test_a_program_in_path_wins_over_one_here(tmp_path):
    (tmp_path / "true").symlink_to(needs("false"))
    result, _ = crunch(None, "true", cwd=tmp_path)
    assert result.status == 0
    result, _ = crunch(None, "./true", cwd=tmp_path)
    assert result.status == 1


def test_script_runs_its_interpreter_under_crunch(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env -S sh -e\necho \"$0 $1\"\nexit 3\n")
    script.chmod(0o755)
    result, run = crunch(None, "./script", "word", cwd=tmp_path)
    assert (result.status, result.stdout) == (3, b"./script word\n")
    assert "by exec; what follows is" in result.said
    child = run.children[str(run.count("pid"))]
    assert child.recording.facts["exe"].endswith(os.path.realpath(needs("sh")))


def test_script_without_interpreter_line_is_the_shells(tmp_path):
    script = tmp_path / "script"
    script.write_text("echo $1; exit 3\n")
    script.chmod(0o755)
    result, _ = crunch(None, "./script", "word", cwd=tmp_path)
    assert (result.status, result.stdout) == (3, b"word\n")


def test_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "crunch_out").mkdir()
    (tmp_path / "crunch_out" / "thesis.txt").write_text("years of work")
    result, _ = crunch(None, "true", cwd=tmp_path)
    assert result.status == 125 and "stays as it is" in result.said
    assert (tmp_path / "crunch_out" / "thesis.txt").read_text() == "years of work"


def test_second_run_replaces_the_first(tmp_path):
    crunch(None, target("ends"), "abort", cwd=tmp_path)
    _, run = crunch(None, target("contents"), cwd=tmp_path)
    assert run.fatal is None and run.kinds() == [("malloc", 9)]
    assert os.listdir(tmp_path) == ["crunch_out"]
    run.check()


def test_failed_start_keeps_the_old_run(tmp_path):
    crunch(None, target("contents"), cwd=tmp_path)
    result, _ = crunch(None, "missing", cwd=tmp_path)
    assert result.status == 127
    Folder(tmp_path / "crunch_out").check()


def test_help_and_version(tmp_path):
    result, _ = crunch(None, options=["--help"], cwd=tmp_path)
    assert result.status == 0 and b"--heap-limit <size>" in result.stdout
    result, _ = crunch(None, options=["--version"], cwd=tmp_path)
    assert result.status == 0 and result.stdout.startswith(b"crunch ")


@pytest.mark.parametrize("kind, words", [("static", "statically linked"), ("own_malloc", "defines its own malloc"),
                                         ("setuid", "cp ./program program.copy && crunch ./program.copy")])
def test_programs_that_cannot_be_recorded_are_explained(kind, words, tmp_path):
    program = tmp_path / "program"
    if kind == "static":
        program.symlink_to(target("contents", "-static"))
    elif kind == "own_malloc":
        program.symlink_to(target("own_malloc"))
    else:
        if os.getuid() != 0:
            pytest.skip("only root can give a file to another user")
        program.write_bytes(open(target("contents"), "rb").read())
        os.chown(program, 65534, 65534)
        program.chmod(0o4755 | stat.S_IXOTH)
    result, _ = crunch(None, "./program", cwd=tmp_path)
    assert result.status == 125
    assert result.said.startswith("crunch: ./program ") and words in result.said and result.said.count("\n") == 1
