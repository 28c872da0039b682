"""Names in programs for a Mac: dSYM bundles, atos, the shared cache."""

import os
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import replace

import pytest

from named import one, shown, tools_of
from programs import make_fat
from report import binary, shared_cache, symbolizer, symbols
from report.stacks import Module, Stacks
from report.symbolizer import LlvmSymbolizer, Tools

MACHO_SOURCE = """\
extern void *malloc(unsigned long);
void *kept;
static inline __attribute__((always_inline)) void *inner(unsigned long n) { return kept = malloc(n + 1); }
__attribute__((noinline)) void *outer(unsigned long n)
{
    inner(n);
    return kept;
}
int main(void) { return outer(10) == 0; }
"""


@pytest.fixture(scope="module")
def macho(tmp_path_factory):
    """Programs for a Mac, each with a dSYM bundle beside it, and one of both kinds."""
    pytest.importorskip("ziglang", reason="zig is not installed")
    dsymutil, lipo = (next(filter(None, map(shutil.which, (name, f"{name}-14"))), None) or pytest.skip(f"{name} is not installed") for name in ("dsymutil", "llvm-lipo"))
    folder = tmp_path_factory.mktemp("macho")
    (folder / "prog.c").write_text(MACHO_SOURCE)
    for name, target in (("x86_64", "x86_64-macos"), ("arm64", "aarch64-macos")):
        for options in (["-O1", "-g", "-c", "prog.c", "-o", f"{name}.o"], ["-g", f"{name}.o", "-o", name]):
            subprocess.run([sys.executable, "-m", "ziglang", "cc", "-target", target, *options], cwd=folder, check=True, capture_output=True)
        subprocess.run([dsymutil, name], cwd=folder, check=True)
    subprocess.run([lipo, "-create", "x86_64", "arm64", "-output", "fat"], cwd=folder, check=True)
    bundles = [f"{name}.dSYM/Contents/Resources/DWARF/{name}" for name in ("x86_64", "arm64", "fat")]
    (folder / bundles[2]).parent.mkdir(parents=True)
    subprocess.run([lipo, "-create", *bundles[:2], "-output", bundles[2]], cwd=folder, check=True)  # dsymutil itself wants Apple's lipo for that
    for name in ("x86_64", "arm64"):
        (folder / f"{name}.o").unlink()  # what debug information is left lies in the bundles
    return folder


@pytest.mark.parametrize("file, kind", [("x86_64", "x86_64"), ("arm64", "arm64"), ("fat", "x86_64"), ("fat", "arm64")])
def test_a_dsym_bundle_has_the_lines_and_inlined_functions_of_a_mac_program(macho, file, kind):
    address = return_address(macho / kind)
    found, troubles = one(macho / file, address, next(iter(binary.build_ids(macho / kind))), tools_of(LlvmSymbolizer))
    assert shown(found) == [("inner", "prog.c", 3, True), ("outer", "prog.c", 6, False)] and not troubles


def test_a_mac_program_without_its_bundle_has_the_names_of_its_symbols(macho, tmp_path):
    shutil.copy(macho / "arm64", tmp_path / "moved")
    found, _ = one(tmp_path / "moved", return_address(macho / "arm64"), None, tools_of(LlvmSymbolizer))
    assert shown(found) == [("outer", "moved", 0, False)] or [frame.name for frame in found] == ["outer"]
    shutil.copytree(macho / "x86_64.dSYM", tmp_path / "moved.dSYM")  # of another build: its LC_UUID differs
    (tmp_path / "moved.dSYM/Contents/Resources/DWARF/x86_64").rename(tmp_path / "moved.dSYM/Contents/Resources/DWARF/moved")
    found, _ = one(tmp_path / "moved", return_address(macho / "arm64"), None, tools_of(LlvmSymbolizer))
    assert [(frame.name, frame.line) for frame in found] == [("outer", 0)]


def return_address(path):
    """Behind the call of malloc in `outer`."""
    text = subprocess.run([shutil.which("llvm-objdump") or shutil.which("llvm-objdump-14"), "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True, check=True).stdout
    body = text[text.index("<_outer>:"):].splitlines()
    at = next(number for number, line in enumerate(body) if re.search(r"\b(callq?|bl)\b", line))
    return int(body[at + 1].split(":")[0], 16)


def macho_with_uuid(cpu: int, subtype: int, uuid: bytes) -> bytes:
    return b"\xcf\xfa\xed\xfe" + struct.pack("<7I", cpu, subtype, 2, 1, 24, 0, 0) + struct.pack("<2I", 0x1B, 24) + uuid


def test_atos_is_asked_about_the_architecture_that_ran(tmp_path, monkeypatch):
    """A universal program may run as x86_64 on an arm64 machine."""
    uuids = [bytes([number]) * 16 for number in (1, 2, 3)]
    slices = [macho_with_uuid(*part) for part in ((0x01000007, 3, uuids[0]), (0x0100000C, 0x80000002, uuids[1]), (0x0100000C, 0, uuids[2]))]
    (tmp_path / "a.out").write_bytes(make_fat(*slices))
    asked = []
    monkeypatch.setattr(symbolizer, "_run", lambda command, lines: asked.append(command[command.index("-arch") + 1]) or "")
    for uuid in [*uuids, b"\4" * 16]:
        list(symbolizer.Atos().ask(str(tmp_path / "a.out"), Module(0x1000, 0x2000, 0, 0, 0, "", uuid.hex()), [1]))
    assert asked[::2] == ["x86_64", "arm64e", "arm64", os.uname().machine]


def test_atos_whose_inlined_functions_cannot_be_told_apart_is_asked_without_them(tmp_path, monkeypatch):
    inlined = "inner (in prog) (/a/x.c:4)\nouter (in prog) (/a/x.c:9)\nmain (in prog) (/a/x.c:20)\n"
    plain = "outer (in prog) (/a/x.c:9)\nmain (in prog) (/a/x.c:20)\n"
    monkeypatch.setattr(symbolizer, "_run", lambda command, lines: inlined if "-i" in command else plain)
    found = list(symbolizer.Atos().ask(str(tmp_path / "prog"), Module(0x1000, 0x2000, 0, 0, 0, "", "00"), [1, 2]))
    assert found == [[("outer", "/a/x.c", 9, 0)], [("main", "/a/x.c", 20, 0)]]


def test_atos_answers():
    text = "inner (in prog) (/a/x.c:4)\nouter(int) (in prog) (/a/x.c:9)\n\n"
    text += "0x100003f00 (in prog) + 12\n\nmalloc (in libsystem_malloc.dylib) + 30\n"
    assert symbolizer.atos_answers(text) == [
        [("inner", "/a/x.c", 4, 0), ("outer(int)", "/a/x.c", 9, 0)], [("", "", 0, 0)], [("malloc", "", 0, 0)]]


class Loader:
    """What the loader of a Mac tells, of one library that begins at 0x5000 and has slid by 0x4000."""

    def __init__(self, names):
        self.names = names
        self._dyld_image_count = lambda: 2
        self._dyld_get_image_name = Told(lambda number: [b"/usr/bin/python3", b"/usr/lib/libx.dylib"][number])
        self._dyld_get_image_header = Told(lambda number: [0x1000, 0x5000][number])
        self._dyld_get_image_vmaddr_slide = Told(lambda number: 0x4000)

    def dladdr(self, address, info):
        base, start, name = next((name for name in self.names if name[1] <= address.value), (None, None, None))
        info._obj.base, info._obj.address, info._obj.name = base, start, name
        return base is not None


class Told:
    def __init__(self, function):
        self.function, self.restype = function, None

    def __call__(self, number):
        return self.function(number)


def test_system_libraries_of_a_mac_are_asked_for_in_memory(monkeypatch):
    names = [(0x5000, 0x9000, b"<redacted>"), (0x4000, 0x8000, b"other"), (0x5000, 0x6100, b"_Znwm"), (0x5000, 0x6000, b"qsort")]
    commands = macho_with_uuid(0x0100000C, 2, b"\7" * 16)
    monkeypatch.setattr(shared_cache.sys, "platform", "darwin")
    monkeypatch.setattr(shared_cache.ctypes, "CDLL", lambda path: Loader(names))
    monkeypatch.setattr(shared_cache.ctypes, "string_at", lambda at, size: commands[at - 0x5000:at - 0x5000 + size])
    monkeypatch.setattr(shared_cache, "demangled", lambda names: [name.replace("_Znwm", "operator new(unsigned long)") for name in names])
    shared_cache._images.cache_clear()
    try:
        module = Module(0x5000, 0xA000, 0x4000, 0, 0, "/usr/lib/libx.dylib", "07" * 16)
        addresses = [0x2000, 0x20FF, 0x2100, 0x3100, 0x4000, 0x5000, 0x1000]  # in order: at and in qsort, new, too far behind it, another's, hidden, none
        frames_of = symbols.Symbols(Stacks([0] * 9, list(range(9)), [0] * 2 + [each + 0x4001 for each in addresses], [0] * 2 + [1] * 7,
                                           [Module(0, 0, 0, 0, 0, "", ""), module], [], []), 1, 0, "/", ask=Tools())
        assert [frames_of._answers(module, addresses, lambda _: None).get(each) for each in addresses] == [
            [("qsort", "", 0, 0)], [("qsort", "", 0, 0)], [("operator new(unsigned long)", "", 0, 0)], None, None, None, None]
        assert frames_of.troubles == [], "it is no trouble that there is no file"
        assert shared_cache.ask(replace(module, build_id="08" * 16), addresses) == {}, "another system's"
    finally:
        shared_cache._images.cache_clear()
