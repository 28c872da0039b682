"""The tree of processes, against run folders made by hand."""

import folders
from report import processes, run, summary

START = folders.DEFAULTS["start_wall_ns"]


def made(path, pid, ppid, start, size=0, end="exit 0"):
    """A run folder of a process that leaves one block."""
    folders.run_folder(path, [(0x10, size, 0)] if size else [], pid=pid, ppid=ppid, end=end)
    (path / "recording").write_bytes(folders.recording([folders.slot(allocations=1, bytes_allocated=size)], pid=pid, ppid=ppid,
                                                       start_wall_ns=START + start))
    return path


def tree(out):
    others = [(child, run.load(child), "") if summary.complete(child) else (child, None, "still running") for child in run.children(out)]
    return processes.tree(run.load(out), others)


def shape(root):
    return [(depth, process.folder.name, process.became) for depth, process in root.walk()]


def test_a_shell_that_execs_make_that_starts_compilers(tmp_path):
    out = made(tmp_path / "out", 100, 1, 0, 5, end="exec")
    made(out / "children/100", 100, 1, 10, 10)  # make
    made(out / "children/101", 101, 100, 20, 20, end="exec")  # sh -c, then the compiler
    made(out / "children/101.2", 101, 100, 30, 30)
    made(out / "children/102", 102, 101, 40, 40)  # the compiler's own child
    made(out / "children/99", 99, 100, 50, 50)
    root = tree(out)
    assert shape(root) == [(0, "out", False), (1, "100", True), (2, "101", False), (3, "101.2", True), (4, "102", False), (2, "99", False)]
    assert (root.processes, root.remaining_bytes, root.remaining_blocks) == (6, 155, 6)
    assert [(process.processes, process.remaining_bytes) for _, process in root.walk()] == [
        (6, 155), (5, 150), (3, 90), (2, 70), (1, 40), (1, 50)]


def test_a_number_that_serves_again(tmp_path):
    out = made(tmp_path / "out", 1000, 1, 0)
    made(out / "children/5", 5, 1000, 10)
    made(out / "children/6", 6, 5, 20)
    made(out / "children/5.2", 5, 1000, 30)  # another process: the first 5 did not exec
    made(out / "children/7", 7, 5, 40)
    assert shape(tree(out)) == [(0, "out", False), (1, "5", False), (2, "6", False), (1, "5.2", False), (2, "7", False)]


def test_unknown_parents_hang_under_the_first(tmp_path):
    out = made(tmp_path / "out", 1000, 1, 0)
    made(out / "children/5", 5, 4, 10, 7)  # started by a process that could not be recorded
    made(out / "children/6", 6, 6, 20)  # nonsense
    running = out / "children/8"
    running.mkdir()
    root = tree(out)
    assert sorted(shape(root)) == [(0, "out", False), (1, "5", False), (1, "6", False), (1, "8", False)]
    assert root.processes == 4 and root.remaining_bytes == 7
    assert next(process.state for _, process in root.walk() if process.folder == running) == "still running"


def test_a_chain(tmp_path):
    first = run.load(made(tmp_path / "out", 1000, 1, 0))
    others = []
    for level in range(3):
        folder = made(tmp_path / f"out/children/{1001 + level}", 1001 + level, 1000 + level, level + 1, 1)
        others.append((folder, run.load(folder), ""))
    assert [depth for depth, _ in processes.tree(first, others).walk()] == [0, 1, 2, 3]
