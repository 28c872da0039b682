"""The Makefile says what is wrong, and checks that find nothing to check fail."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    # MAKEFLAGS: the tests may themselves be run by make.
    return subprocess.run(["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", *arguments], cwd=folder,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=120, check=False)


@pytest.fixture
def checkout(tmp_path):
    """A repository with a Makefile and one small source."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    source = tmp_path / "src/tracker/base/one.c"
    source.parent.mkdir(parents=True)
    source.write_text('#include <uthash.h>\n#include "base/one.h"\nint cr_one(void) { return CR_ONE; }\n')
    (source.parent / "one.h").write_text("#define CR_ONE 1\nint cr_one(void);\n")
    return tmp_path


def test_help_lists_the_targets():
    done = make(ROOT, "help")
    for target in ("all", "demo", "check", "unit", "e2e", "lint", "bench", "darwin", "install", "clean"):
        assert re.search(rf"^  make {target} +\S", done.stdout, re.MULTILINE), target


def test_a_missing_uthash_is_said_with_the_command_that_brings_it(checkout):
    done = make(checkout, "UTHASH_H=")
    assert done.returncode != 0
    assert re.search(r'uthash.h is not found: install it with "(apt-get|brew) install uthash', done.stdout)


def test_nothing_to_build_is_a_failure(checkout):
    shutil.rmtree(checkout / "src")
    done = make(checkout)
    assert done.returncode != 0
    assert "no source found" in done.stdout


def test_nothing_to_lint_is_a_failure(checkout):
    shutil.rmtree(checkout / "src")
    (checkout / "tests").mkdir()
    (checkout / "src").mkdir()
    done = make(checkout, "lint")
    assert done.returncode != 0
    assert "no C file found" in done.stdout


def test_lint_sees_bad_format(checkout):
    if not shutil.which("clang-format"):
        pytest.skip("clang-format is not here")
    shutil.copy(ROOT / ".clang-format", checkout)
    (checkout / "tests").mkdir()
    (checkout / "src/tracker/base/one.h").write_text("int   cr_one ( void ) ;\n")
    assert make(checkout, "lint").returncode != 0


def test_only_what_changed_is_built_again(checkout):
    assert make(checkout).stdout.count("CC") == 1
    assert make(checkout).stdout == ""
    (checkout / "src/tracker/base/one.h").write_text("#define CR_ONE 2\nint cr_one(void);\n")
    assert make(checkout).stdout.count("CC") == 1


def test_other_flags_build_again(checkout):
    make(checkout)
    assert make(checkout, "OPTIMISE=-O1").stdout.count("CC") == 1


def test_a_warning_stops_the_strict_build_only(checkout):
    (checkout / "src/tracker/base/two.c").write_text("int cr_two(int unused);\nint cr_two(int unused) { return 2; }\n")
    assert make(checkout).returncode == 0
    assert make(checkout, "strict").returncode != 0


def test_commands_are_shown_when_asked_for(checkout):
    assert "-Wconversion" not in make(checkout).stdout
    assert "-Wconversion" in make(checkout, "clean", "all", "V=1").stdout
