"""The closing count is true: what failed, died or was not there is not passed over."""

import importlib.util
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("crunch_tests_run", ROOT / "tests/run.py")
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)


@pytest.mark.parametrize("text, status, passed, failed, skipped, wrong", (
    ("ok 1 - a\nok 2 - b\n1..2\n", 0, 2, 0, 0, False),
    ("ok 1 - a\nnot ok 2 - b\n1..2\n", 1, 1, 1, 0, False),
    ("ok 1 - a\nok 2 # SKIP no such thing here\n1..2\n", 0, 1, 0, 1, False),
    ("ok 1 - a\n", -11, 1, 0, 0, True),  # died
    ("ok 1 - a\nok 2 - b\n1..3\n", 0, 2, 0, 0, True),  # one is missing
    ("1..0\n", 0, 0, 0, 0, True),
    ("", 0, 0, 0, 0, True),
    ("ok 1 - a\n1..1\n", 66, 1, 0, 0, True),  # a sanitizer found something
    ("ok 1 - a\n1..1\n", None, 1, 0, 0, True),  # time ran out
    ("not ok 1 - a\n1..1\n", 0, 0, 1, 0, True),
))
def test_tap(text, status, passed, failed, skipped, wrong):
    count, what = run.read_tap(text, status)
    assert (count.passed, count.failed, count.skipped) == (passed, failed, skipped)
    assert bool(what) == wrong


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A build folder of the test's own, and a maker of unit test programs in it."""
    monkeypatch.setattr(run, "BUILD", tmp_path)

    def program(text: str) -> None:
        path = tmp_path / "plain/unit/test_it"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return program


def test_a_program_that_dies_is_one_failure(build):
    build("echo ok 1 - a; kill -SEGV $$")
    count = run.run_unit(time.monotonic() + 10)
    assert (count.passed, count.failed) == (1, 1)


def test_a_program_that_hangs_is_ended_with_its_children(build, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "PROGRAM_SECONDS", 1)
    build(f"sleep 600 & echo $! > {tmp_path}/child; wait")
    assert run.run_unit(time.monotonic() + 10).failed == 1
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if subprocess.run(["ps", "-o", "stat=", "-p", str(child)], stdout=subprocess.PIPE,
                          check=False).stdout.strip()[:1] in (b"", b"Z"):
            return
        time.sleep(0.05)
    os.kill(child, 9)
    pytest.fail("the child of a test that was ended lives on")


def test_nothing_found_is_a_failure(build, capsys):
    assert run.main(["unit"]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == ["unit: no test found", "0 passed, 1 failed, 0 skipped"]


def test_a_failing_and_a_skipped_pytest_are_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    (tmp_path / "tests/e2e").mkdir(parents=True)
    (tmp_path / "tests/e2e/test_three.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip('not here')\n")
    assert run.main(["e2e"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed, 1 skipped"


def test_a_pytest_folder_that_cannot_be_read_is_a_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    (tmp_path / "tests/e2e").mkdir(parents=True)
    (tmp_path / "tests/e2e/test_broken.py").write_text("def test_a(:\n")
    assert run.main(["e2e"]) == 1
    assert " 0 failed" not in capsys.readouterr().out.splitlines()[-1]
