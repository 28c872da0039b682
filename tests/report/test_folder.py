"""Whose folder may be replaced, and when the old one goes."""

import os
import subprocess
import sys

import pytest

import folders
from conftest import ROOT
from launcher import folder
from report.errors import CrunchError

DEAD = folders.LIVE


def contents(path):
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_a_new_folder_is_marked_and_kept_when_complete(tmp_path):
    claimed = folder.claim(str(tmp_path / "deep" / "out"))
    assert contents(claimed.path) == [".crunch"] and str(os.getpid()) in (claimed.path / ".crunch").read_text()
    (claimed.path / "stats").write_text("x")
    claimed.keep()
    assert contents(tmp_path / "deep") == ["out", "out/.crunch", "out/stats"]


def test_a_strange_folder_is_refused_untouched(tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(CrunchError, match="stays as it is"):
        folder.claim(str(tmp_path))
    assert contents(tmp_path) == ["mine"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("precious")
    with pytest.raises(CrunchError, match="no folder"):
        folder.claim(str(tmp_path / "out"))


def test_an_empty_folder_is_filled_and_emptied_again(tmp_path):
    claimed = folder.claim(str(tmp_path))
    (claimed.path / "heap").mkdir()
    claimed.give_back()
    assert contents(tmp_path) == []


def test_the_old_run_goes_only_when_the_new_one_is_complete(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(1, 2, 0)])
    claimed = folder.claim(str(out))
    assert contents(out) == [".crunch"]
    assert (tmp_path / f".out.old-{os.getpid()}" / "blocks").exists()
    (out / "stats").write_text("x")
    claimed.keep()
    assert contents(tmp_path) == ["out", "out/.crunch", "out/stats"]


@pytest.mark.parametrize("finish", ["keep", "give_back"])
def test_the_old_run_comes_back_when_nothing_was_recorded(tmp_path, finish):
    out = folders.run_folder(tmp_path / "out", [(1, 2, 0)])
    before = contents(tmp_path)
    claimed = folder.claim(str(out))
    getattr(claimed, finish)()
    assert contents(tmp_path) == before


def test_a_link_to_a_run_folder_stays_a_link(tmp_path):
    folders.run_folder(tmp_path / "real")
    (tmp_path / "out").symlink_to("real")
    claimed = folder.claim(str(tmp_path / "out"))
    assert claimed.path == tmp_path / "real" and (tmp_path / "out").is_symlink()


def test_a_second_crunch_is_told_who_writes(tmp_path):
    claimed = folder.claim(str(tmp_path / "out"))
    code = ("import sys; sys.path.insert(0, sys.argv[1])\nfrom launcher import folder\nfrom report.errors import CrunchError\n"
            "try: folder.claim(sys.argv[2])\nexcept CrunchError as error: print(error.message)")
    said = subprocess.run([sys.executable, "-c", code, str(ROOT / "src"), str(tmp_path / "out")], capture_output=True, text=True)
    assert f"is being written by process {os.getpid()};" in said.stdout and "--out" in said.stdout
    assert contents(claimed.path) == [".crunch"]


def test_a_program_that_outlived_its_launcher_is_not_disturbed(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".crunch").write_text("process 1\n")
    (out / "recording").write_bytes(folders.recording(state=0, pid=os.getpid()))
    with folders.mapped(out), pytest.raises(CrunchError, match=f"process {os.getpid()}"):
        folder.claim(str(out))


def test_the_folder_crunch_runs_in_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(folders.run_folder(tmp_path / "out"))
    with pytest.raises(CrunchError, match="runs in"):
        folder.claim(".")


def test_after_a_killed_launcher_the_last_complete_run_is_the_one_kept(tmp_path):
    complete = folders.run_folder(tmp_path / f".out.old-{DEAD}", [(1, 2, 0)])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".crunch").write_text("process 1\n")
    claimed = folder.claim(str(tmp_path / "out"))
    assert not complete.exists() and (claimed.old / "blocks").exists()
    claimed.give_back()
    assert (tmp_path / "out" / "blocks").exists() and contents(tmp_path)[0] == "out"


def test_leftovers_of_a_killed_launcher_go_when_the_folder_is_complete(tmp_path):
    folders.run_folder(tmp_path / f".out.old-{DEAD}")
    folders.run_folder(tmp_path / f".out.new-{DEAD}")
    folders.run_folder(tmp_path / "out", [(1, 2, 0)])
    claimed = folder.claim(str(tmp_path / "out"))
    claimed.give_back()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_leftovers_without_a_marker_are_not_crunchs(tmp_path):
    (tmp_path / f".out.old-{DEAD}").mkdir()
    folder.claim(str(tmp_path / "out"))
    assert (tmp_path / f".out.old-{DEAD}").exists()


def test_a_read_only_place_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CrunchError, match="cannot be prepared"):
        folder.claim(str(tmp_path / "file" / "out"))
