"""Ends in awkward places: while the allocator is busy, while others end too, with a damaged heap."""

import platform
import sys

import pytest

import watch
from harness import bare, crunch, preloaded, target

CORNERS = {
    "corrupt": "signal SIGABRT",
    "term_while_busy": "signal SIGTERM", "exit_while_busy": "exit 5", "crash_together": "signal SIGSEGV",
    "exit_together": "exit 5", "leave_handler": "exit 12", "atexit": "exit 5", "protected": "exit 5", "chdir": "exit 5",
    "clearenv": "exit 5",
}
BUSY = ("term_while_busy", "exit_while_busy", "leave_handler")  # other threads go on while the files are written


@pytest.mark.parametrize("corner", CORNERS)
def test_folder_is_written_once(corner, folder):
    program = [target("corners"), corner]
    expected = bare(program)
    with watch.renames(folder) as renamed:
        result, run = preloaded(folder, program)
    assert result == expected
    assert run.end == CORNERS[corner] and renamed.count("stats") == 1
    if corner not in BUSY:
        run.check()


def test_blocks_made_by_exit_handlers_are_seen(folder):
    _, run = preloaded(folder, [target("corners"), "atexit"])
    assert ("malloc", 200) in run.kinds()


def test_block_that_cannot_be_read_is_left_out(folder):
    _, run = preloaded(folder, [target("corners"), "protected"])
    assert run.kinds() == [("aligned", 8192), ("malloc", 100)]
    assert run.counts("heap_files", "heap_bytes", "heap_left_out_files", "heap_left_out_bytes") == (1, 100, 1, 8192)


def test_nothing_is_different_at_the_start(folder):
    program = [target("corners"), "at_start"]
    assert bare(program).stdout == b"errno 0, dlerror none, 0 signals blocked\n"
    result, _ = preloaded(folder, program)
    assert result == bare(program)


@pytest.mark.parametrize("corner", ["term_while_busy", "exit_while_busy"])
def test_report_of_a_program_whose_threads_went_on(corner, folder):
    result, run = crunch(folder, target("corners"), corner)
    assert "=== crunch ===" in result.said and (run.path / "report.html").exists()
    assert run.blocks is not None


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform == "darwin", reason="the vdso's function has this name on x86_64 Linux")
def test_a_vdso_that_is_linked_for_another_address(folder):
    """As gVisor's is. The clock is its function where it lies, not where it was linked."""
    far = "-Wl,-Ttext-segment=0xffffffffff700000,-z,noseparate-code,-z,norelro,--build-id=none"
    vdso = target("other_vdso", "-shared", "-DVDSO", "-nostdlib", "-s", far)
    result, run = preloaded(folder, [target("counts")], before=[target("other_vdso", "-shared")], env={"OTHER_VDSO": vdso})
    assert result.status == 0 and b"asked" in result.stderr
    run.check()
    assert run.counts("allocations", "frees") == (1501, 1491)
