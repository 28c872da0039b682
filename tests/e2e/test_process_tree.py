"""Trees of processes as their runs leave them: who started whom, and what became of whom."""

from harness import crunch, needs, target
from report import processes
from report import run as runs
from report import summary
from report.words import size


def tree(folder):
    first = runs.load(folder)
    others = [(child, runs.load(child), "") for child in runs.children(folder) if summary.complete(child)]
    return processes.tree(first, others)


def names(process):
    return [(depth, each.run.name, each.became) for depth, each in process.walk()]


def sums_hold(root):
    everyone = [process for _, process in root.walk()]
    assert root.processes == len(everyone)
    assert root.remaining_bytes == sum(process.run.remaining_bytes for process in everyone)
    assert root.allocated_bytes == sum(process.run.count("bytes_allocated") for process in everyone)


def test_shell(folder):
    """A command of its own, one in a subshell, one by exec at the end."""
    sh = needs("sh")
    result, run = crunch(folder, sh, "-c", "ls >/dev/null; (sort /dev/null; true); exec cat /dev/null")
    assert result.status == 0
    root = tree(folder)
    assert names(root) == [(0, "sh", False), (1, "ls", False), (1, "sh", False), (2, "sort", False), (1, "cat", True)]
    sums_hold(root)
    assert f"4 child processes recorded in {folder}/children" in result.said


def test_make(folder, tmp_path):
    make = needs("make")
    (tmp_path / "Makefile").write_text("all: a b c d e f g h\na b c d e f g h:\n\t@sort /dev/null; ls >/dev/null\n")
    result, _ = crunch(folder, make, "-j8", "-C", str(tmp_path), options=["--no-heap"])
    assert result.status == 0
    root = tree(folder)
    assert names(root)[0] == (0, "make", False) and len(root.children) == 8
    for shell in root.children:
        assert [(depth, name) for depth, name, _ in names(shell)] == [(0, "sh"), (1, "sort"), (1, "ls")]
    sums_hold(root)
    page = (folder / "report.html").read_text()
    assert "Table of processes" in page and ">make -j8 -C " in page and ">sort /dev/null</td>" in page
    assert f">{size(root.allocated_bytes)}</data>" in page and f">{size(root.remaining_bytes)}</data>" in page


def test_prefork(folder):
    forks = 8
    result, _ = crunch(folder, target("fork_busy"), str(forks), options=["--no-heap"])
    assert result.status == 0
    root = tree(folder)
    assert len(root.children) == forks and all(not child.became and not child.children for child in root.children)
    sums_hold(root)
