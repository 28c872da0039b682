"""Which blocks are lost: every verdict, and a twin of each that is not; who holds a block; what the terminal says."""

import json
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from harness import CRUNCH, bare, crunch, preloaded, target
from report import run as runs
from report.words import size

DEFINITE, INDIRECT, POSSIBLE, REACHABLE = "definite", "indirect", "possible", "reachable"
CASES = {  # classes by the blocks' sizes: of the defect, of its twin
    "lost": ({1001: DEFINITE}, {1001: REACHABLE}),
    "tree": ({1001: DEFINITE, 1002: INDIRECT, 1003: INDIRECT, 1004: INDIRECT}, dict.fromkeys((1001, 1002, 1003, 1004), REACHABLE)),
    "circle": ({1001: DEFINITE, 1002: INDIRECT, 1003: INDIRECT}, dict.fromkeys((1001, 1002, 1003), REACHABLE)),
    "inside": ({1001: POSSIBLE, 1002: POSSIBLE}, dict.fromkeys((1001, 1002), REACHABLE)),
    "end": ({1001: DEFINITE}, {1001: POSSIBLE}),
    "mapped": ({1001: DEFINITE}, {1001: REACHABLE}),
    "sparse": ({1001: DEFINITE}, {1001: REACHABLE}),
    "unreadable": ({1001: DEFINITE}, {1001: REACHABLE}),
    "thread": (dict.fromkeys((1001, 1002, 1003), DEFINITE), dict.fromkeys((1001, 1002, 1003), REACHABLE)),
    "deaf": (dict.fromkeys((1001, 1002, 1003), DEFINITE), dict.fromkeys((1001, 1002, 1003), REACHABLE)),
}
LEAK_KINDS = ("", REACHABLE, POSSIBLE, INDIRECT, DEFINITE)


def classes(folder):
    return {block.size: LEAK_KINDS[block.leak] for block in folder.own_blocks if 1000 < block.size < 1100}


@pytest.mark.parametrize("how", ("exit", "_exit", "crash"))
@pytest.mark.parametrize("case", CASES)
def test_classes(case, how, tmp_path):
    for word, expected in zip(("gone", "kept"), CASES[case]):
        _, folder = preloaded(tmp_path / word, [target("leaks", "-pthread"), case, word, how])
        assert classes(folder) == expected
        folder.check()


def test_sums_agree(tmp_path):
    _, folder = preloaded(tmp_path, [target("leaks", "-pthread"), "tree", "gone"])
    assert folder.counts("definitely_lost_blocks", "definitely_lost_bytes") == (1, 1001)
    assert folder.counts("indirectly_lost_blocks", "indirectly_lost_bytes") == (3, 1002 + 1003 + 1004)
    found = runs.load(tmp_path).leaks
    assert [(record.kind, record.blocks, record.bytes, record.indirect_blocks) for record in found.lost] == [(DEFINITE, 1, 1001, 3)]
    for kind, total in found.totals.items():
        records = found.of(kind)
        assert (sum(record.blocks for record in records), sum(record.bytes for record in records)) == (total.blocks, total.bytes)
    assert found.kinds(found.lost[0]) == {"malloc"}
    assert [frame.name for frame in found.frames(found.lost[0])][:3] == ["make", "tree", "main"]


def path_of(folder, size):
    run = runs.load(folder)
    number = next(number for number in range(len(run.blocks)) if run.blocks[number].size == size)
    return [step.text for step in run.leaks.path(number)]


def test_retention_path(tmp_path):
    preloaded(tmp_path / "tree", [target("leaks", "-pthread"), "tree", "kept"])
    path = path_of(tmp_path / "tree", 1003)
    assert [step.rpartition("of ")[2] for step in path[:3]] == ["1,003 bytes", "1,002 bytes", "1,001 bytes"]
    assert path[3].startswith("kept in leaks")
    preloaded(tmp_path / "lost", [target("leaks", "-pthread"), "tree", "gone"])
    assert path_of(tmp_path / "lost", 1003)[-1].endswith("1,001 bytes"), "a lost tree ends at its root"
    preloaded(tmp_path / "thread", [target("leaks", "-pthread"), "thread", "kept"])
    assert "in holds (tests/targets/leaks.c:" in path_of(tmp_path / "thread", 1001)[-1]


def test_terminal(tmp_path):
    result, _ = crunch(tmp_path / "out", target("leaks", "-pthread"), "tree", "gone")
    assert f"definitely lost  {size(1001)} in 1 block\n" in result.said
    assert f"  definitely lost: {size(1001)} in 1 block, and {size(3009)} in 3 blocks through it\n    make (" in result.said
    assert result.status == 0
    result, _ = crunch(tmp_path / "kept", target("leaks", "-pthread"), "tree", "kept")
    assert "nothing is lost: all remaining blocks are still reachable\n" in result.said


def test_exports_have_the_leaks(tmp_path):
    _, folder = crunch(tmp_path / "out", target("leaks", "-pthread"), "tree", "gone")
    xml = ElementTree.fromstring(bare([*CRUNCH, "--export", "xml", str(folder.path)]).stdout)
    found = {error.findtext("kind"): error for error in xml.findall("error")}
    lost = found["Leak_DefinitelyLost"]
    assert (lost.findtext("xwhat/leakedbytes"), lost.findtext("xwhat/leakedblocks")) == (str(1001 + 1002 + 1003 + 1004), "4")
    assert "tree" in [frame.findtext("fn") for frame in lost.findall("stack/frame")] and "Leak_IndirectlyLost" in found
    model = json.loads(bare([*CRUNCH, "--export", "json", str(folder.path)]).stdout)
    assert sum(record["bytes"] for record in model["leaks"] if record["kind"] == "definitely lost") == 1001


def test_language_heuristics(tmp_path):
    _, folder = preloaded(tmp_path, [target("leaks_cxx")])
    assert folder.count("definitely_lost_blocks") == folder.count("possibly_lost_blocks") == 0


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not here")
@pytest.mark.parametrize("case", [case for case in CASES if case not in ("sparse", "unreadable", "thread", "deaf")])
def test_as_memcheck(case, tmp_path):
    for word in ("gone", "kept"):
        command = [target("leaks", "-pthread"), case, word]
        said = subprocess.run(["valgrind", "--leak-check=full", "--show-leak-kinds=all", "--leak-check-heuristics=all", *command],
                              stderr=subprocess.PIPE, universal_newlines=True, check=True).stderr
        _, folder = preloaded(tmp_path / word, command)
        for key, text in (("definitely_lost", "definitely lost"), ("indirectly_lost", "indirectly lost"),
                          ("possibly_lost", "possibly lost"), ("still_reachable", "still reachable")):
            expected = f"{text}: {folder.count(key + '_bytes'):,} bytes in {folder.count(key + '_blocks'):,} blocks"
            assert expected in said or (not folder.count(key + "_blocks") and "no leaks are possible" in said), said


@pytest.mark.parametrize("compiler", ("gcc", "clang"))
def test_program_tells(compiler, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not here")
    program = target("said", "-Wall", "-Wextra", "-Werror", compiler=compiler)
    assert bare([program]).status == 0, "without crunch the functions do nothing"
    result, folder = preloaded(tmp_path, [program, "crunch"])
    assert result.status == 0
    assert classes(folder) == {1001: REACHABLE, 1002: REACHABLE, 1003: DEFINITE, 1004: DEFINITE}
    folder.check()


def test_program_tells_in_cxx(tmp_path):
    program = target("said_cxx", "-Wall", "-Wextra", "-Werror")
    assert bare([program]).status == 0
    assert preloaded(tmp_path, [program])[0].status == 1


def test_fork_while_another_thread_looks(folder):
    program = [target("fork_and_look"), "30"]
    expected = bare(program)
    assert expected.status == 0
    result, _ = preloaded(folder, program)
    assert result == expected, "the child sees no signal handler, and its own look does not wait for the parent's"
