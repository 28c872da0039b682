"""The rules of C and C++ allocation, what is counted, and which function a block is said to come from."""

import sys

import pytest

from harness import Path, bare, crunch, needs, preloaded, tagged_blocks, target

JEMALLOC = "libjemalloc.so.2"


def jemalloc():
    found = [str(path) for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
             for path in Path(folder).glob(JEMALLOC)]
    return found[0] if found else pytest.skip(f"{JEMALLOC} is not installed")


def test_counts_are_what_the_program_did(folder):
    _, run = preloaded(folder, [target("counts")])
    run.check()
    assert run.counts("allocations", "frees", "reallocations") == (1501, 1491, 1000)
    assert run.counts("bytes_allocated", "bytes_freed") == (64000 + 50000 + 10000 + 32000, 64000 + 50000 + 10000 + 990 * 32)
    assert run.counts("peak_bytes", "peak_blocks") == (64000 + 50000 + 10000, 1501)
    assert run.counts("live_bytes", "live_blocks", "untracked_frees", "threads") == (320, 10, 0, 1)
    assert run.kinds() == [("realloc", 32)] * 10


HUGE = {"rules": 3, "rules_cxx": 10, "custom_new": 0}  # allocations of a size that looks negative, as these programs make them


@pytest.mark.parametrize("name", ["rules", "rules_cxx", "custom_new"])
def test_rules_are_those_without_crunch(name, folder):
    expected = bare([target(name)])
    result, run = preloaded(folder, [target(name)])
    assert expected.stdout.count(b"\n") > 0 and result == expected
    run.check(errors=HUGE[name])
    assert run.count("untracked_frees") == 0


@pytest.mark.parametrize("name", ["kinds", "kinds_cxx", "rules_cxx", "custom_new"])
def test_remaining_blocks_have_their_kind_and_size(name, folder):
    _, run = preloaded(folder, [target(name)])
    run.check(errors=HUGE.get(name, 0))
    assert run.kinds() == tagged_blocks(name)


def test_every_delete_is_counted_once(folder):
    _, run = preloaded(folder, [target("kinds_cxx")])
    own = len(tagged_blocks("kinds_cxx"))
    assert run.count("frees") == 12 and run.count("untracked_frees") == 0
    assert run.count("allocations") - run.count("runtime_blocks") == own + 12


def test_contents_are_the_blocks_bytes(folder):
    _, run = preloaded(folder, [target("contents"), "2"])
    texts = sorted((run.path / "heap" / name).read_bytes() for name in run.heap_files)
    assert texts == [b"contents!", b"x" * 100, b"x" * 100]


def test_cxx_plugin_of_a_c_program(folder):
    command = [target("plugin_host"), target("plugin", "-shared")]
    assert bare(command).status == 42
    result, run = preloaded(folder, command)
    assert (result.status, result.stderr) == (42, b"")
    run.check()
    assert set(tagged_blocks("plugin")) <= set(run.kinds())


def test_runtime_that_a_plugin_brings_along_is_apart(folder):
    _, run = preloaded(folder, [target("plugin_host"), target("plugin", "-shared")])
    assert run.kinds() == tagged_blocks("plugin")


def test_runtimes_blocks_are_apart(folder):
    result, run = crunch(folder, target("hello"))
    assert result.stdout == b"hello1000\nhello\n"
    assert "\n0 remaining heap allocations\n  and " in result.said and " of the runtime's own\n" in result.said
    run.check()
    assert run.count("runtime_blocks") == run.count("live_blocks") > 0
    assert run.heap_files == []


def test_counts_do_not_depend_on_where_stdout_goes(tmp_path):
    _, run = preloaded(tmp_path / "out", [target("rules")], stdout=open("/dev/null", "w"))
    run.check(errors=HUGE["rules"])
    assert run.own_blocks and all(block.size < 100 for block in run.own_blocks)


def test_another_allocator_below_crunch(folder):
    result, run = preloaded(folder, [target("small_blocks")], after=[jemalloc()])
    assert result.status == 0 and int(result.stderr) >= 400, "jemalloc gives addresses that are a multiple of 8 only"
    run.check()
    assert run.kinds() == [("malloc", 8)] * 500
    assert any(block.address % 16 == 8 for block in run.blocks)


@pytest.mark.parametrize("name", ["kinds", "kinds_cxx", "counts"])
def test_kinds_with_another_allocator(name, folder):
    result, run = preloaded(folder, [target(name)], after=[jemalloc()])
    assert result.status == 0
    run.check()
    if name == "counts":
        assert run.count("allocations") - run.count("runtime_blocks") == 1501
        assert run.counts("frees", "reallocations") == (1491, 1000)
    else:
        assert run.kinds() == tagged_blocks(name)


def test_ten_million_live_blocks(folder):
    _, run = preloaded(folder, [target("many_blocks"), "10000000"])
    assert run.counts("allocations", "frees") == (10000001, 10000000 - 5 + 1)
    assert run.counts("peak_blocks", "peak_bytes") == (10000001, 240000000)
    assert run.kinds() == [("malloc", 16)] * 5
    assert run.count("max_rss") < 10000000 * (32 + 8 + 60), "at most 60 bytes per block beside the block itself"


@pytest.mark.skipif(sys.platform == "darwin", reason="operator new is hooked on Linux only")
def test_an_operator_new_whose_blocks_are_close(folder):
    """Closer than glibc's malloc would have them: each has a place of its own in the table of blocks nevertheless."""
    needs("g++")
    result, run = preloaded(folder, [target("pool_new")], after=[target("pool_new", "-shared", "-DPOOL")])
    assert result.status == 0 and result.stdout == b"999\n"
    assert run.kinds().count(("new", 8)) == 1000
