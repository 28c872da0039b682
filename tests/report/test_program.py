"""Recognising programs before they start: every refusal is one sentence with the way out."""

import os
import random
import shutil
import stat
import subprocess
import sys

import pytest

from launcher import elf, macho, program
from programs import make_elf, make_fat, make_macho
from report.errors import CrunchError

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux programs")


def executable(path, data=b"#!/bin/sh\n"):
    path.write_bytes(data)
    path.chmod(0o755)
    return str(path)


def refusal(path, **environment):
    with pytest.raises(CrunchError) as caught:
        program.check(str(path), environment)
    assert "\n" not in caught.value.message
    return caught.value.exit_status, caught.value.message


# ---- which file is meant


def test_a_name_is_looked_up_in_path_then_here(tmp_path, monkeypatch):
    here, bin_folder = tmp_path / "here", tmp_path / "bin"
    here.mkdir(), bin_folder.mkdir()
    monkeypatch.chdir(here)
    executable(here / "tool")
    assert program.find("tool", {"PATH": str(bin_folder)}) == "./tool"
    executable(bin_folder / "tool")
    assert program.find("tool", {"PATH": f"/nowhere:{bin_folder}"}) == str(bin_folder / "tool")
    assert program.find("./tool", {"PATH": str(bin_folder)}) == "./tool"


def test_a_name_found_nowhere_is_127():
    with pytest.raises(CrunchError, match="neither in PATH nor in this folder") as caught:
        program.find("no-such\x1bprogram", {"PATH": "/bin"})
    assert caught.value.exit_status == 127 and "\x1b" not in caught.value.message


def test_what_cannot_be_run_says_why(tmp_path):
    assert refusal(tmp_path / "none") == (127, f"{tmp_path / 'none'} does not exist")
    assert refusal(tmp_path)[0] == 126 and "is a directory" in refusal(tmp_path)[1]
    (tmp_path / "text").write_text("hello")
    assert refusal(tmp_path / "text")[0] == 126 and "chmod +x" in refusal(tmp_path / "text")[1]


# ---- scripts


@pytest.mark.parametrize("head, words", [
    (b"#!/bin/sh\n", ["/bin/sh"]), (b"#! /usr/bin/env  python3 -u \nx", ["/usr/bin/env", " python3 -u"]), (b"#!\n", [])])
def test_interpreter_lines_are_split_as_the_kernel_does(head, words):
    assert program.interpreter_words(head) == words


@pytest.mark.parametrize("argument, found", [
    ("python3", "python3"), ("-S python3 -u", "python3"), ("-S A=1 node", "node"), ("-i perl", "perl"), ("-i", None)])
def test_the_program_behind_env_is_found(argument, found):
    assert program.env_program(argument) == found


@linux_only
def test_a_script_is_as_good_as_its_interpreter(tmp_path):
    static = executable(tmp_path / "static", make_elf(loader=None))
    status, message = refusal(executable(tmp_path / "script", f"#!{static} -x\n".encode()))
    assert status == 125 and "is a script" in message and "statically linked" in message
    by_env = executable(tmp_path / "by-env", b"#!/usr/bin/env static\n")
    assert refusal(by_env, PATH=str(tmp_path))[0] == 125
    assert refusal(executable(tmp_path / "lost", b"#!/no/such/interpreter\n"))[0] == 127
    program.check(executable(tmp_path / "good", b"#!/bin/sh\n"), {})


def test_a_script_that_is_its_own_interpreter_ends(tmp_path):
    path = tmp_path / "loop"
    program.check(executable(path, f"#!{path}\n".encode()), {})


# ---- ELF


@pytest.mark.parametrize("values, status, words", [
    ({"loader": None}, 125, "statically linked"),
    ({"loader": "/lib/ld-musl-x86_64.so.1"}, 125, "musl"),
    ({"machine": 183}, 126, "another architecture"),
    ({"bits": 32, "machine": 3}, 126, "32-bit"),
    ({"loader": "/no/ld-linux.so.2"}, 127, "not installed"),
    ({"loader": "/", "defines": ["free", "malloc"]}, 125, "its own malloc"),
    ({"loader": "/", "defines": ["malloc"], "gnu": False}, 125, "its own malloc"),
])
def test_elf_programs_that_cannot_be_recorded(values, status, words):
    with pytest.raises(CrunchError, match=words) as caught:
        program.check_elf_facts(elf.parse(make_elf(**values)), "prog", "x86_64")
    assert caught.value.exit_status == status


@pytest.mark.parametrize("values", [
    {"loader": "/"}, {"loader": "/", "defines": ["mallocate", "main"]}, {"loader": "/", "gnu": False},
    {"loader": None, "soname": "ld-linux-x86-64.so.2"}])
def test_elf_programs_that_can(values):
    program.check_elf_facts(elf.parse(make_elf(**values)), "prog", "x86_64")


@linux_only
@pytest.mark.parametrize("source, options, defines", [
    ("int main(void){return 0;}", [], False),
    ("#include <stdlib.h>\nint main(void){return malloc(1)==0;}", [], False),
    ("#include <stdlib.h>\nvoid *(*p)(size_t)=malloc;int main(void){return p==0;}", ["-no-pie"], False),
    ("#include <stddef.h>\nchar b[9];void *malloc(size_t n){return n?b:0;}int main(void){return 0;}", ["-fno-builtin", "-rdynamic"], True),
    ("#include <stddef.h>\nchar b[9];void *malloc(size_t n){return n?b:0;}int main(void){return 0;}",
     ["-fno-builtin", "-rdynamic", "-Wl,--hash-style=sysv"], True),
])
@linux_only
def test_a_compilers_programs(tmp_path, source, options, defines):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler")
    (tmp_path / "a.c").write_text(source)
    subprocess.run([compiler, *options, "-o", str(tmp_path / "a"), str(tmp_path / "a.c")], check=True)
    facts = elf.parse((tmp_path / "a").read_bytes())
    assert facts.loader and facts.defines_malloc == defines


@linux_only
def test_the_pythons_own_program_is_fine():
    program.check(os.path.realpath(sys.executable), {})


def test_damaged_programs_are_left_to_the_kernel():
    chance = random.Random(2)
    for whole, parse in ((make_elf(defines=["malloc"]), elf.parse),
                         (make_fat(make_macho(flags=0x10000, entitlements=["a"]), make_macho(macho.CPU_ARM64)), macho.parse)):
        for _ in range(1000):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            parse(bytes(data[:chance.randrange(len(data))] if chance.random() < 0.3 else data))


# ---- rights


def test_setuid_counts_only_where_rights_are_gained(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1000)
    setuid, setgid = 0o755 | stat.S_ISUID, 0o755 | stat.S_ISGID
    assert program.gains_rights(setuid, 0, 0, False) == "setuid to root"
    assert program.gains_rights(setuid, 1000, 0, False) is None
    assert "setgid" in program.gains_rights(setgid, 0, 42, False)
    assert program.gains_rights(0o745 | stat.S_ISGID, 0, 42, False) is None
    assert "capabilities" in program.gains_rights(0o755, 0, 0, True)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert program.gains_rights(0o755, 0, 0, True) is None


# ---- Mach-O


@pytest.mark.parametrize("slices, path, machine, status, words", [
    ([make_macho()], "/bin/ls", "x86_64", 125, "protected by the system"),
    ([make_macho()], "/System/Applications/x", "x86_64", 125, "protected by the system"),
    ([make_macho(macho.CPU_ARM64)], "/opt/x", "x86_64", 126, "another architecture"),
    ([make_macho(macho.CPU_ARM64, 0x80000002)], "/opt/x", "arm64", 125, "arm64e"),
    ([make_macho(flags=macho.CS_RUNTIME)], "/opt/x", "x86_64", 125, "codesign"),
    ([make_macho(flags=macho.CS_RESTRICT)], "/opt/x", "x86_64", 125, "hardened runtime"),
    ([make_macho(flags=macho.CS_RUNTIME, entitlements=[macho.DYLD_ENTITLEMENT])], "/opt/x", "x86_64", 125, "hardened"),
    ([make_macho(dynamic=False)], "/opt/x", "x86_64", 125, "statically linked"),
])
def test_mac_programs_that_cannot_be_recorded(slices, path, machine, status, words):
    with pytest.raises(CrunchError, match=words) as caught:
        program.check_macho_facts(macho.parse(make_fat(*slices)), "prog", path, machine)
    assert caught.value.exit_status == status


@pytest.mark.parametrize("slices, path, machine", [
    ([make_macho()], "/usr/local/bin/x", "x86_64"),
    ([make_macho(flags=2)], "/opt/x", "x86_64"),
    ([make_macho(), make_macho(macho.CPU_ARM64, 0)], "/opt/x", "arm64"),
    ([make_macho()], "/opt/x", "arm64"),
    ([make_macho(flags=macho.CS_RUNTIME, entitlements=[macho.DYLD_ENTITLEMENT, macho.NO_LV_ENTITLEMENT])], "/opt/x", "x86_64"),
])
def test_mac_programs_that_can(slices, path, machine):
    program.check_macho_facts(macho.parse(make_fat(*slices)), "prog", path, machine)
    if len(slices) == 1:
        program.check_macho_facts(macho.parse(slices[0]), "prog", path, machine)


@linux_only
def test_a_mac_program_on_linux_is_another_systems(tmp_path):
    assert refusal(executable(tmp_path / "mac", make_macho())) == (
        126, f"{tmp_path / 'mac'} is a macOS program; build it for Linux")
