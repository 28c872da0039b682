"""The Makefile says what is wrong, and checks that find nothing to check fail."""

import os
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
    assert re.search(r'uthash.h is not found: install it with "((apt-get|brew) install uthash|make demo)', done.stdout)


@pytest.fixture
def mac(tmp_path, monkeypatch):
    """The native branch of a Mac, as make sees it: what it would run there. The compiler makes two architectures but writes none to /dev."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in {"uname": "echo Darwin", "sw_vers": "echo 15.1", "codesign": "exit 0",
                         "cc": 'case "$*" in *"-o /dev/null"*) exit 1;; *) cat >/dev/null; exit 0;; esac', "brew": "exit 1"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return lambda *goals: make(ROOT, "-n", "V=1", "CC=cc", *goals).stdout


def test_a_mac_builds_a_signed_library_for_both_architectures(mac):
    said = mac("-W", "src/tracker/base/fmt.c", "all")
    compiled = [line for line in said.splitlines() if "base/fmt.c" in line and " -c " in line]
    assert len(compiled) == 1 and "-arch x86_64 -arch arm64 -mmacosx-version-min=10.13" in compiled[0]
    linked = [line for line in said.splitlines() if "-dynamiclib" in line and "libcrunch.dylib" in line]
    assert len(linked) == 1 and "-arch x86_64 -arch arm64" in linked[0] and "bind_at_load" not in linked[0]
    assert "codesign --force --sign - build/libcrunch.dylib.new" in said


def test_a_mac_builds_the_unit_tests_that_build_there(mac):
    said = mac("unit-programs", "strict")
    assert "tests/unit/test_leaks.c" in said
    assert not re.search(r"tests/unit/test_(guard|os_threads)\.c", said)
    assert "build/strict-gcc" not in said, "which is clang under another name"


def test_the_python_is_asked_for_once(tmp_path):
    """make 3.81 reads on in the text of a variable that is set anew while it is expanded: the answer has a variable of its own."""
    definition = re.search(r"^PYTHON = .*$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0]
    (tmp_path / "Makefile").write_text(definition.replace("python3 src/setup/ensure.py --python", "echo asked >>count; echo found")
                                       + "\nall:\n\t@echo $(PYTHON) $(PYTHON)\n")
    assert "PYTHON := " not in definition
    assert make(tmp_path).stdout == "found found\n" and (tmp_path / "count").read_text() == "asked\n"


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
