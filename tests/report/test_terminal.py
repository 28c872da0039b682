"""What is printed after the program's end."""

import dataclasses

import folders
from launcher import losses, terminal
from report import block_file, run

FATAL = "SIGSEGV illegal access: address 0x7f828b402aef\nsignal SIGSEGV\nnumber 11\n"


def kept(folder, **values):
    (folder / "report.html").write_text("")
    return dataclasses.replace(terminal.Kept(folder, True, "256M", 20, 0), **values)


def text(folder, **values):
    loaded = run.load(folder)
    return "\n".join(terminal.lines(loaded, loaded, kept(folder, **values)))


def test_the_example_of_the_readme_word_for_word(tmp_path):
    out = folders.run_folder(tmp_path / "crunch_out", [(0x7F828A402AF0, 10, 0)], {0x7F828A402AF0: b"0123456789"}, FATAL,
                             end="signal SIGSEGV")
    assert text(out) == f"""\
crunch: SIGSEGV illegal access: address 0x7f828b402aef

writing crash info...
crash info written to {out}/fatal

=== crunch ===
1 remaining heap allocations
  0x7f828a402af0 : 10 bytes

dumping heap...
heap contents written to {out}/heap
crunch report written to {out}/report.html"""


def test_without_a_crash_it_begins_with_the_summary(tmp_path):
    out = folders.run_folder(tmp_path / "out")
    assert text(out) == f"=== crunch ===\n0 remaining heap allocations\n\ncrunch report written to {out}/report.html"


def test_the_runtimes_own_are_counted_apart(tmp_path):
    own = block_file.BLOCK_RUNTIME
    out = folders.run_folder(tmp_path / "out", [(0x10, 1, 0), (0x20, 72704, own), (0x30, 4096, own)])
    assert "1 remaining heap allocations\n  0x10 : 1 byte\n  and 2 of the runtime's own\n" in text(out)


def test_the_largest_are_listed_and_the_rest_counted(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x10 * n, n, 0) for n in range(1, 6)])
    assert "5 remaining heap allocations\n  0x50 : 5 bytes\n  0x40 : 4 bytes\n  … and 3 more in report.html\n" in text(out, max_listed=2)


def test_without_a_report_nothing_is_said_to_be_written(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x10, 3, 0)], fatal=FATAL, end="signal SIGSEGV")
    assert text(out, report=False) == ("crunch: SIGSEGV illegal access: address 0x7f828b402aef\n\n=== crunch ===\n"
                                       "1 remaining heap allocations\n  0x10 : 3 bytes")


def test_a_signal_that_is_no_crash_is_one_line(tmp_path):
    out = folders.run_folder(tmp_path / "out", fatal="SIGTERM\nsignal SIGTERM\nsender 77\n", end="signal SIGTERM")
    assert text(out).startswith("crunch: ended by SIGTERM, sent by process 77\n\n=== crunch ===\n")


def test_after_a_kill_it_says_what_is_missing_and_why(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x10, 2048, 0)], fatal="SIGKILL\nsignal SIGKILL\n", end="signal SIGKILL",
                             heap_left_out_files=1)
    (out / "blocks").unlink()
    said = text(out)
    assert "1 remaining heap allocations\n  2.0 KiB in all, the runtime's own included; SIGKILL leaves a program no time" in said
    assert "left out" not in said


def test_what_could_not_be_written_is_not_said_to_have_lacked_time(tmp_path):
    """A disk that is full, or a program that is another user now."""
    out = folders.run_folder(tmp_path / "out", [(0x10, 2048, 0)], heap_left_out_files=1, heap_left_out_bytes=2048,
                             message=b"cannot write all of heap/: no space left on the disk")
    assert "heap contents of 1 block (2.0 KiB) left out: they could not be written\n" in text(out)
    (out / "blocks").unlink()
    assert "own included; the list of its blocks could not be written, and their contents are not kept" in text(out)


def test_contents_left_out_are_counted(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x10, 8, 0)], heap_left_out_files=3, heap_left_out_bytes=4096)
    assert "heap contents of 3 blocks (4.0 KiB) left out: --heap-limit 256M, at most 10,000 files" in text(out)
    assert "left out: --no-heap" in text(out, heap_limit="")


def test_children_are_counted(tmp_path):
    out = folders.run_folder(tmp_path / "out")
    assert f"1 child process recorded in {out}/children" in text(out, children=1)
    assert "2,000 child processes recorded" in text(out, children=2000)


def test_it_says_where_the_snapshots_are(tmp_path):
    out = folders.run_folder(tmp_path / "out")
    assert f"\n1 snapshot in {out}/snapshots\n" in text(out, snapshots=1)
    assert f"\n2 snapshots in {out}/children/*/snapshots\n" in text(out, children=1, snapshots_below=2)
    both = text(out, children=1, snapshots=1, snapshots_below=2, snapshots_gone=1234)
    assert f"\n3 snapshots in {out}/snapshots and {out}/children/*/snapshots; 1,234 more made room for later ones, --snapshot-keep" in both


def test_dropped_snapshots_are_counted(tmp_path):
    out = folders.run_folder(tmp_path / "out")
    assert "\n1 snapshot dropped: " in text(out, snapshots_dropped=1)
    assert f"\n1 snapshot in {out}/snapshots\n2 snapshots dropped: " in text(out, snapshots=1, snapshots_dropped=2)


def test_contents_left_out_of_several_processes_share_a_limit(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x10, 10, 0)], heap_left_out_files=1, heap_left_out_bytes=10)
    left = "heap contents of 1 block (10 bytes) left out: --heap-limit 256M, at most 10,000 files"
    assert left + "\n" in text(out) and left + " for all processes together\n" in text(out, children=2)


def test_what_is_lost_stands_before_the_list_of_blocks(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x10, 3, 0)])
    lost = losses.Told(lost=["definitely lost  3 bytes in 1 block"])
    assert text(out, leaks=lost).startswith("=== crunch ===\ndefinitely lost  3 bytes in 1 block\n\n1 remaining heap allocations\n")
    assert text(out, leaks=losses.Told(nothing=["nothing is lost"])).endswith("report.html\n\nnothing is lost")


def test_what_the_tracker_has_to_say_is_printed(tmp_path):
    out = folders.run_folder(tmp_path / "out", message=b"the disk is full\x1b[2J")
    assert "crunch: the disk is full\\x1b[2J\n" in text(out)


def test_after_exec_the_last_programs_heap_is_shown(tmp_path):
    out = folders.run_folder(tmp_path / "out", end="exec", arguments=[b"env", b"a.out"])
    last = folders.run_folder(out / "children" / str(folders.LIVE), [(0x99, 5, 0)], arguments=[b"./a.out"])
    said = "\n".join(terminal.lines(run.load(out), run.load(last), kept(out, children=1)))
    assert "crunch: env became a.out by exec; what follows is a.out's heap" in said and "0x99 : 5 bytes" in said


def test_paths_cannot_talk_to_the_terminal(tmp_path):
    out = folders.run_folder(tmp_path / "o\x1b[31m\nut")
    assert "o\\x1b[31m\\x0aut/report.html" in text(out) and "\x1b" not in text(out)
