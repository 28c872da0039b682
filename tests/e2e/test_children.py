"""Child processes: each has a run folder of its own, and a vfork child touches nothing."""

import os
import re

import pytest

from harness import bare, crunch, preloaded, target, wait_until


def only_child(run):
    assert len(run.children) == 1
    return next(iter(run.children.values()))


@pytest.mark.parametrize("way", ["fork", "_Fork"])
def test_forked_child_has_its_own_numbers(way, folder):
    result, run = preloaded(folder, [target("children"), way])
    assert result.status == 4
    run.check()
    assert run.kinds() == [("malloc", 111)]

    child = run.children[result.stdout.decode().strip()]
    child.check()
    assert child.end == "exit 4" and child.kinds() == [("malloc", 333)]
    assert child.counts("pid", "ppid") == (int(result.stdout), run.count("pid"))
    assert child.counts("allocations", "frees", "bytes_allocated", "bytes_freed") == (2, 2, 555, 333)
    assert child.counts("inherited_bytes", "inherited_blocks") == (111, 1)
    assert child.counts("peak_bytes", "peak_blocks", "untracked_frees", "threads") == (666, 3, 0, 1)
    assert child.counts("heap_files", "heap_bytes") == (1, 333)


def test_child_that_crashes(folder):
    result, run = preloaded(folder, [target("children"), "crash"])
    assert result.status == 128 + 6 and run.end == "exit 134"
    child = only_child(run)
    assert child.end == "signal SIGABRT" and child.fatal.line == "SIGABRT aborted"


def test_the_terminal_tells_of_crashed_children_once(folder):
    result, run = crunch(folder, "sh", "-c", f"{target('crashes')} null_field; {target('crashes')} null_field >/dev/null; exit 3")
    assert result.status == 3 and len(run.children) == 2
    for child in run.children.values():
        assert child.end == "signal SIGSEGV"
        assert re.search(rf"^crunch: process {child.path.name} \(crashes\): SIGSEGV illegal access: address 0x18\n"
                         r"  a read of the field at offset 24 of a null pointer\n  in\n    follow \(\S*crashes\.c:\d+\)\n"
                         rf"(    .*\n)+  crash info written to {child.path}/fatal$", result.said, re.M)
    result, _ = crunch(folder, "--no-report", "sh", "-c", f"exec {target('crashes')} null_field")
    assert result.status == 128 + 11 and result.said.count("SIGSEGV") == 1, "what the program became is the program"


@pytest.mark.parametrize("way", ["exec", "vfork", "spawn", "system", "popen"])
def test_executed_child_is_what_it_became(way, folder):
    result, run = preloaded(folder, [target("children"), way])
    assert result.status == 4
    run.check()
    assert run.kinds() == [("malloc", 111)]
    child = only_child(run)
    child.check()
    assert child.recording.arguments[0] == "sh" and child.count("ppid") == run.count("pid")
    assert child.end == ("exit 0" if way == "popen" else "exit 4")
    assert child.counts("inherited_bytes", "inherited_blocks") == (0, 0)


@pytest.mark.parametrize("form", ["execl", "execlp", "execle", "execv", "execvp", "execve", "execvpe", "fexecve", "execveat"])
def test_every_exec_function(form, folder):
    result, run = preloaded(folder, [target("exec_forms"), form])
    assert result.status == 4
    run.check()
    assert run.end == "exec" and run.kinds() == [("malloc", 100)]
    child = run.children[str(run.count("pid"))]
    child.check()
    assert child.end == "exit 4" and child.recording.arguments == ("sh", "-c", "exit 4")


def test_spawned_by_name(folder):
    result, run = preloaded(folder, [target("exec_forms"), "posix_spawnp"])
    assert result.status == 4 and run.end == "exit 4" and only_child(run).end == "exit 4"


def test_fork_while_threads_use_the_heap(folder):
    result, run = preloaded(folder, [target("fork_busy"), "60"])
    assert result.status == 0
    run.check()
    assert len(run.children) == 60
    for child in run.children.values():
        child.check(with_blocks=False)
        assert child.end == "exit 4" and child.count("allocations") >= 2000
        near = child.count("live_blocks") - len(child.blocks)
        assert abs(near) <= 4, "each of the parent's other threads may have been between a block and its count"


@pytest.mark.parametrize("way", ["vfork_exit", "failed_vfork"])
def test_vfork_child_touches_nothing(way, folder):
    result, run = preloaded(folder, [target("children"), way])
    assert result.status == 4
    run.check()
    assert run.end == "exit 4" and run.children == {} and run.kinds() == [("malloc", 111)]


def test_daemon_outlives_its_parents(tmp_path):
    said = tmp_path / "pid"
    result, run = crunch(tmp_path / "out", target("children"), "daemon", str(said))
    assert result.status == 4 and not said.exists()
    pid = wait_until(lambda: said.exists() and said.read_text().strip())
    wait_until(lambda: (run.children[pid].path / "stats").exists())
    assert len(run.children) == 2
    daemon = run.children[pid]
    daemon.check()
    assert daemon.end == "exit 0" and daemon.count("inherited_blocks") == 1


def test_thousand_forks(folder):
    result, run = preloaded(folder, [target("children"), "many", "1000"], seconds=120)
    assert result.status == 4
    run.check()
    assert len(run.children) == 1000
    for child in run.children.values():
        assert child.counts("allocations", "frees", "live_bytes") == (2, 2, 333)


@pytest.mark.parametrize("way", ["busy_parent", "_busy_parent"])
def test_children_inherit_what_was_live_at_the_fork(way, folder):
    result, run = preloaded(folder, [target("children"), way])
    assert result.status == 4 and len(run.children) == 50
    for child in run.children.values():
        child.check()
    blocks = sorted(child.count("inherited_blocks") for child in run.children.values())
    assert blocks == [1 + 100 * i for i in range(50)]


def test_report_of_a_run_with_many_children(folder):
    result, run = crunch(folder, target("children"), "many", "50")
    assert result.status == 4 and f"50 child processes recorded in {folder}/children" in result.said
    assert (run.path / "report.html").exists()


def test_budget_of_contents_is_shared(folder):
    result, run = preloaded(folder, [target("children"), "contents"], env={"CRUNCH_HEAP_LIMIT": "1000"})
    assert result.status == 4
    kept = [child.count("heap_bytes") for child in run.children.values()]
    assert sorted(kept) == [0, 0, 333, 333, 333], "three of 333 bytes fit into 1,000"
    assert run.counts("heap_bytes", "heap_left_out_files") == (0, 1)
    for child in run.children.values():
        child.check()


def test_children_of_children(folder):
    script = f"'{target('ends')}' return; sh -c \"'{target('ends')}' abort\" 2>&1; (exit 5)"
    result, run = preloaded(folder, ["sh", "-c", script])
    assert result.status == 5
    ends = sorted(child.end for child in run.children.values())
    assert "exit 7" in ends and "signal SIGABRT" in ends
    for child in run.children.values():
        child.check()
        assert child.children == {}, "folders of descendants lie side by side"


def test_environment_of_children_is_complete(tmp_path):
    expected = bare(["env"], env={"SOME": "thing"}).stdout
    result, _ = crunch(tmp_path / "out", "env", env={"SOME": "thing"})
    added = set(result.stdout.splitlines()) - set(expected.splitlines())
    assert set(expected.splitlines()) <= set(result.stdout.splitlines())
    assert sorted(line.split(b"=")[0] for line in added) == [b"CRUNCH_HEAP_LIMIT", b"CRUNCH_OPTIONS", b"CRUNCH_OUT", b"LD_PRELOAD"]


def test_preloaded_library_of_the_user_is_kept(tmp_path):
    library = target("fail_map", "-shared")
    result, _ = crunch(tmp_path / "out", "env", env={"LD_PRELOAD": library})
    line = next(line for line in result.stdout.decode().splitlines() if line.startswith("LD_PRELOAD="))
    assert line.endswith(f"libcrunch.so:{library}")


def test_crunch_under_crunch(tmp_path):
    from harness import CRUNCH, Folder

    inner = Folder(tmp_path / "inner")
    result, run = crunch(tmp_path / "outer", *CRUNCH, "--out", str(inner.path), target("ends"), "return")
    assert result.status == 7
    assert result.said.count("=== crunch ===") == 2
    inner.check()
    assert inner.kinds() == [("malloc", 100), ("realloc", 250)] and inner.end == "exit 7"
    assert run.end == "exit 7" and run.recording.facts["exe"] != inner.recording.facts["exe"]
    assert os.listdir(run.path)
