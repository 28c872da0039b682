"""Poor surroundings: closed descriptors, no space, no rights, no memory. The program is never harmed, and what is lost is said."""

import os
import resource
import subprocess
from contextlib import contextmanager

import pytest

from harness import bare, crunch, own_lines, preloaded, target


def limited(which, value):
    """A preexec_fn that sets a resource limit."""
    return lambda: resource.setrlimit(which, (value, value))


# ---- descriptors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [["0"], ["1"], ["2"], ["0", "1", "2"], ["all"]])
def test_program_that_closes_descriptors(closed, folder):
    program = [target("descriptors"), *closed]
    result, run = preloaded(folder, program)
    assert result == bare(program) and result.status == 3
    run.check()
    assert run.kinds() == [("malloc", 123)]


def test_program_sees_no_descriptor_of_the_tracker(folder):
    program = [target("descriptors"), "list"]
    result, _ = preloaded(folder, program)
    assert result == bare(program)


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_descriptors_that_were_closed_before(redirection, folder):
    script = f'exec "$@" {redirection}'
    program = ["sh", "-c", script, "sh", target("descriptors"), "list"]
    result, _ = preloaded(folder, program)
    assert result == bare(program)


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_launcher_with_closed_descriptors(redirection, folder):
    from harness import CRUNCH

    result = bare(["sh", "-c", f'exec "$@" {redirection}', "sh", *CRUNCH, "--out", str(folder), target("descriptors")])
    assert result.status == 3
    from harness import Folder

    assert Folder(folder).kinds() == [("malloc", 123)]


def test_no_descriptor_left_at_the_end(folder):
    result, run = crunch(folder, target("descriptors"), "none-left")
    assert result.status == 3 and result.stdout == b""
    assert "crunch: cannot write all of heap/: too many open files" in own_lines(result.stderr)
    run.check(with_blocks=False)
    assert run.counts("allocations", "live_bytes") == (1, 123)


# ---- space -----------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(path, size):
    """A tmpfs, which only root can have."""
    path.mkdir(exist_ok=True)
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)],
                                          stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("size", ["4k", "12k", "20k", "24k", "28k", "40k", "64k"])
def test_full_disk_never_harms_the_program(size, tmp_path):
    program = [target("busy")]
    with small_disk(tmp_path / "disk", size) as disk:
        result, _ = preloaded(disk / "out", program)
        assert result.stdout == bare(program).stdout and result.status == 0
        assert len(result.said.splitlines()) <= 2, "at most one line per process"


def test_full_disk_is_said_by_the_launcher(tmp_path):
    with small_disk(tmp_path / "disk", "128k") as disk:
        result, _ = crunch(disk / "out", target("contents"), "2000")
        assert result.status == 0
        heap, page = [line for line in own_lines(result.stderr) if "no space left on" in line.lower()]
        assert heap.startswith("crunch: cannot write all of heap/") and "report.html cannot be written" in page
        assert "definitely lost    195 KiB in 2,000 blocks" in result.said, "there is room for what does not take much"


def test_contents_that_fill_the_disk_make_room_for_the_rest(tmp_path):
    """2,000 blocks of contents are 8 MB on this disk: without them there is room for everything else."""
    with small_disk(tmp_path / "disk", "3m") as disk:
        result, run = crunch(disk / "out", target("contents"), "2000")
        assert result.status == 0 and "cannot write all of heap/: no space left on the disk" in result.said
        run.check()
        assert len(run.blocks) >= 2000 and not (disk / "out" / "heap").exists() and (disk / "out" / "report.html").exists()
        assert run.count("heap_left_out_files") >= 2000 and run.recording.heap_files_left == 10_000


def test_no_file_may_grow(folder):
    program = [target("busy")]
    poor = limited(resource.RLIMIT_FSIZE, 0)
    result, _ = preloaded(folder, program, preexec_fn=poor)
    assert result.status == 0 and result.stdout == bare(program).stdout
    assert len(result.said.splitlines()) <= 2


@pytest.mark.parametrize("bytes_most", [4096, 8192, 40000])
def test_files_may_grow_a_little(bytes_most, folder):
    result, _ = preloaded(folder, [target("contents"), "2000"], preexec_fn=limited(resource.RLIMIT_FSIZE, bytes_most))
    assert result.status == 0 and len(result.said.splitlines()) <= 1


def test_folder_that_cannot_be_written(tmp_path):
    if os.getuid() == 0:
        out = tmp_path / "disk"
        with small_disk(out, "1m"):
            subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
            check_unwritable(out)
    else:
        out = tmp_path / "closed"
        out.mkdir(0o500)
        check_unwritable(out)


def check_unwritable(out):
    result = bare([target("contents")], env={**_environment(out)})
    assert result.status == 0 and len(result.said.splitlines()) <= 1
    result, _ = crunch(out / "run", target("contents"))
    assert result.status == 125 and "cannot be prepared" in result.said


def _environment(out):
    from harness import preload_environment

    return preload_environment(out)


def test_run_folder_that_disappears(tmp_path):
    out = tmp_path / "out"
    result, _ = preloaded(out, ["sh", "-c", f"rm -r '{out}'; exit 5"])
    assert result.status == 5 and result.stdout == b"" and len(result.said.splitlines()) <= 1


# ---- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mib", [12, 16, 24, 32, 64, 256])
def test_little_address_space(mib, folder):
    program = [target("counts")]
    poor = limited(resource.RLIMIT_AS, mib << 20)
    expected = bare(program, preexec_fn=poor)
    if expected.status:
        pytest.skip(f"the program itself does not run in {mib} MiB")
    result, run = preloaded(folder, program, preexec_fn=poor)
    assert (result.status, result.stdout) == (expected.status, expected.stdout)
    if run.stats["tracking"] == "complete":
        run.check()
        assert run.counts("allocations", "frees", "reallocations") == (1501, 1491, 1000)


def test_small_thread_stacks(folder):
    result, run = preloaded(folder, [target("thread_ends")], preexec_fn=limited(resource.RLIMIT_STACK, 128 << 10))
    assert result.status == 0
    run.check()
