"""The README's example, word for word but for addresses and paths; behind it, where the block was allocated."""

import re

from harness import crunch, target

EXPECTED = """\
crunch: SIGSEGV illegal access: address 0x{fault}
  a write to an address 16777205 bytes after a live block of 10 bytes, where nothing is mapped
  in
    main (example.c:7)
  the block 0x{block} was allocated in
    main (example.c:6)

writing crash info...
crash info written to {out}/fatal

=== crunch ===
1 remaining heap allocations
  0x{block} : 10 bytes

dumping heap...
heap contents written to {out}/heap
crunch report written to {out}/report.html
"""
CALL_STACKS = """
nothing is lost: all remaining blocks are still reachable

still allocated, by call stack
  10 bytes in 1 block
    main (example.c:6)
"""


def test_example(tmp_path):
    program = tmp_path / "a.out"
    program.symlink_to(target("example"))
    result, run = crunch(None, "a.out", cwd=tmp_path)

    assert result.status == 139 and result.stdout == b""
    fault, block, _ = re.findall(r"0x([0-9a-f]+)", result.said)
    assert result.said == EXPECTED.format(fault=fault, block=block, out=tmp_path / "crunch_out") + CALL_STACKS
    assert int(fault, 16) - int(block, 16) == 0xffffff
    assert run.heap_files == [f"0x{block}"]
    assert run.fatal.line == f"SIGSEGV illegal access: address 0x{fault}"
    run.check()
    assert f"0x{block}" in (run.path / "report.html").read_text()
