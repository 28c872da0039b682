"""Every way a process can end: the run folder is written once, complete and right, and the status is the program's."""

import signal

import pytest

import watch
from harness import bare, crunch, preloaded, target

ENDS = {
    "return": "exit 7", "exit": "exit 7", "_exit": "exit 7", "_Exit": "exit 7", "quick_exit": "exit 7",
    "thread_exit": "exit 9", "pthread_exit": "exit 0", "exec": "exec",
    "abort": "signal SIGABRT", "segv": "signal SIGSEGV", "noncanonical": "signal SIGSEGV", "overflow": "signal SIGSEGV",
    "bus": "signal SIGBUS", "ill": "signal SIGILL", "fpe": "signal SIGFPE", "trap": "signal SIGTRAP",
    "pipe": "signal SIGPIPE",
}
KILLS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU",
         "SIGXFSZ", "SIGPIPE", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"]
THREADED = ("thread_exit", "pthread_exit")


def check_numbers(run, end):
    """What ends.c did to the heap before its end; stdio's and pthread's blocks are the runtime's."""
    run.check()
    if end == "bus":
        return
    assert run.kinds() == [("malloc", 100), ("realloc", 250)]
    if end in THREADED:
        return
    assert run.counts("allocations", "frees", "reallocations") == (3, 1, 1)
    assert run.counts("bytes_allocated", "bytes_freed") == (1300 + 250, 1000 + 200)
    assert run.counts("peak_bytes", "peak_blocks") == (1300, 3)
    assert run.counts("live_bytes", "live_blocks", "untracked_frees", "threads") == (350, 2, 0, 1)
    assert run.counts("heap_files", "heap_bytes", "heap_left_out_files") == (2, 350, 0)


@pytest.mark.parametrize("end", ENDS)
def test_writes_the_folder_once_at_end(end, folder):
    program = [target("ends"), end]
    with watch.renames(folder) as renamed:
        result, run = preloaded(folder, program)
    assert result == bare(program)
    assert renamed.count("stats") == 1
    assert run.end == ENDS[end]
    check_numbers(run, end)
    assert (run.fatal is not None) == ENDS[end].startswith("signal")


@pytest.mark.parametrize("name", KILLS)
def test_default_action_of_a_sent_signal(name, folder):
    number = int(getattr(signal, name))
    with watch.renames(folder) as renamed:
        result, run = preloaded(folder, [target("ends"), str(number)])
    assert result.status == -number
    assert renamed.count("stats") == 1
    assert run.end == f"signal {name}"
    check_numbers(run, name)
    fatal = run.fatal
    assert fatal.line.startswith(name + " ") and "address" not in fatal.line
    assert fatal.values["number"] == str(number) and fatal.values["cause"] == "sent by a process"
    assert fatal.values["sender"] == fatal.values["pid"] == str(run.count("pid"))


@pytest.mark.parametrize("end, line, cause", [
    ("segv", "SIGSEGV illegal access: address 0x10", "address not mapped"),
    ("noncanonical", "SIGSEGV illegal access: address unknown", "general protection fault: the address is not canonical"),
    ("bus", "SIGBUS bus error: address 0x", "no memory behind the address"),
    ("ill", "SIGILL illegal instruction: address 0x", "illegal operand"),
    ("fpe", "SIGFPE arithmetic error: address 0x", "integer division by zero"),
    ("abort", "SIGABRT aborted", "sent by a process"),
    ("overflow", "SIGSEGV illegal access: address 0x7", "address not mapped"),
])
def test_fatal_tells_cause_and_address(end, line, cause, folder):
    _, run = preloaded(folder, [target("ends"), end])
    assert run.fatal.line.startswith(line)
    assert run.fatal.values["cause"].startswith(cause)
    assert int(run.fatal.values["thread"]) == int(run.fatal.values["pid"]) == run.count("pid")


def test_failed_exec_goes_on_and_is_written_again(folder):
    program = [target("ends"), "failed_exec"]
    with watch.renames(folder) as renamed:
        result, run = preloaded(folder, program)
    assert result == bare(program) and result.status == 8
    assert renamed.count("stats") == 2
    assert run.end == "exit 8"
    check_numbers(run, "failed_exec")


def test_exec_keeps_the_old_image_and_records_the_new(folder):
    result, run = preloaded(folder, [target("ends"), "exec"])
    assert result.status == 0
    child = run.children[str(run.count("pid"))]
    assert child.end == "exit 0" and child.recording.facts["exe"].endswith("true")
    child.check()


@pytest.mark.parametrize("end, status", [("exit_group", 7), (str(int(signal.SIGKILL)), -9)])
def test_unseen_end_is_completed_from_the_recording(end, status, tmp_path):
    result, run = preloaded(tmp_path / "direct", [target("ends"), end])
    assert result.status == status and not (run.path / "stats").exists()

    result, run = crunch(tmp_path / "out", target("ends"), end)
    assert result.status == (7 if status == 7 else 137)
    assert run.end == ("exit 7" if status == 7 else "signal SIGKILL")
    run.check(with_blocks=False)
    assert run.counts("allocations", "frees", "reallocations", "live_bytes", "peak_bytes") == (3, 1, 1, 350, 1300)
    assert (run.path / "report.html").exists() and not (run.path / "blocks").exists()
    assert (run.fatal is not None) == (status == -9)


@pytest.mark.parametrize("end", ["return", "abort", "15", "9", "exit_group", "overflow"])
def test_launcher_has_the_programs_status(end, folder):
    expected = bare([target("ends"), end]).status
    result, _ = crunch(folder, target("ends"), end, options=["-n", "-q"])
    assert result.status == (128 - expected if expected < 0 else expected)


def test_stack_overflow_in_a_core_limited_process_still_has_its_blocks(folder):
    _, run = preloaded(folder, [target("ends"), "overflow"])
    assert run.heap_files and len(run.blocks) == 2
