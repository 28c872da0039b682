"""Names of frames: programs compiled here, files that are no longer the ones that ran, the cache, hostile names."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import replace

import pytest

from programs import make_fat
from report import binary, frames, perf_map, shared_cache, symbol_cache, symbolizer, symbols
from report.stacks import Module, Stacks
from report.symbolizer import Addr2line, LlvmSymbolizer, Tools

SOURCE = """\
#include <cstdlib>
#include <vector>
template <class T> struct Box { T *keep; __attribute__((noinline)) T *fill(T value) { keep = new T(value); return keep; } };
static inline __attribute__((always_inline)) void *inner(std::size_t n) { return std::malloc(n); }
static inline __attribute__((always_inline)) void *middle(std::size_t n) { return inner(n + 1); }
extern "C" __attribute__((noinline)) void *outer(std::size_t n) { return middle(n); }
int main() { Box<int> box; return outer(10) == nullptr || box.fill(3) == nullptr; }
"""
START = 0x7F0000000000


@pytest.fixture
def program(tmp_path):
    compiler = shutil.which("c++") if sys.platform != "darwin" else None
    if not compiler:
        pytest.skip("no C++ compiler that makes ELF files")

    def build(name="prog", *options, source=SOURCE):
        (tmp_path / "prog.cpp").write_text(source)
        subprocess.run([compiler, "-O1", "-g", "-fPIE", "-pie", "-Wl,--build-id", str(tmp_path / "prog.cpp"), "-o", str(tmp_path / name),
                        *options], check=True)
        return tmp_path / name

    return build


def call_in(path, function):
    """The file's address behind the first call in a function, by objdump."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True, check=True).stdout
    body = text[text.index(f"<{function}>:"):].splitlines()
    at = next(number for number, line in enumerate(body) if "call" in line or "\tbl\t" in line)
    return int(body[at + 1].split(":")[0], 16)


def symbols_of(path, address, build_id=None, tools=None, start_ns=1 << 62, module_path=None):
    """Names of one return address in a file, which is pc 16."""
    identity = next(iter(binary.build_ids(path)), "") if build_id is None else build_id
    module = Module(START, START + (1 << 30), START, 1, 0, str(module_path or path), identity)
    stacks = Stacks([0] * 16, list(range(16)), [0] * 16 + [START + address], [0] * 16 + [1],
                    [Module(0, 0, 0, 0, 0, "", ""), module], [], [])
    return symbols.Symbols(stacks, 1 << 22, start_ns, str(path.parent), tools)


def one(path, address, *others, **more):
    """The frames of one return address in a file."""
    found = symbols_of(path, address, *others, **more)
    return found.frames(16), found.troubles


def tools_of(kind):
    tools = Tools()
    tools._tools = [tool for tool in tools._tools if isinstance(tool, kind)] or pytest.skip(f"{kind.name} is not installed")
    return tools


def shown(found):
    return [(frame.name, os.path.basename(frame.file), frame.line, frame.inlined) for frame in found]


@pytest.mark.parametrize("kind", [LlvmSymbolizer, Addr2line])
def test_inlined_functions_are_frames(program, kind):
    path = program()
    found, troubles = one(path, call_in(path, "outer"), tools=tools_of(kind))
    assert [rest for _, *rest in shown(found)] == [["prog.cpp", 4, True], ["prog.cpp", 5, True], ["prog.cpp", 6, False]] and not troubles
    if kind is LlvmSymbolizer:  # addr2line calls the innermost inlined function by the symbol's name
        assert [frames.shortened(frame.name, 6) for frame in found] == ["inner", "middle", "outer"]


@pytest.mark.parametrize("kind", [LlvmSymbolizer, Addr2line])
def test_templates_are_demangled(program, kind):
    path = program()
    found, _ = one(path, call_in(path, "_ZN3BoxIiE4fillEi"), tools=tools_of(kind))
    assert shown(found)[-1] == ("Box<int>::fill(int)", "prog.cpp", 3, False)


@pytest.mark.parametrize("kind", [LlvmSymbolizer, Addr2line])
def test_names_as_the_linker_has_them(program, monkeypatch, kind):
    path = program()
    plain = tools_of(kind)
    plain._tools = [kind(demangle=False)]
    monkeypatch.setattr(symbols, "tools", lambda demangle=True: tools_of(kind) if demangle else plain)
    found = symbols_of(path, call_in(path, "_ZN3BoxIiE4fillEi"))
    fill = found.frames(16)[-1]
    assert found.mangled([fill]) == {fill: frozenset(("_ZN3BoxIiE4fillEi",))}
    assert found.mangled([one(path, call_in(path, "outer"))[0][-1]]) == {}, "a C function has one name"


@pytest.mark.parametrize("kind", [LlvmSymbolizer, Addr2line])
def test_stripped_code_shows_the_exported_symbol_or_the_offset(program, kind):
    whole = program("whole", "-rdynamic")
    inside, offset = call_in(whole, "outer"), call_in(whole, "_start")
    stripped = program("prog", "-rdynamic", "-s")
    found, troubles = one(stripped, inside, tools=tools_of(kind))
    assert [(frame.name, frame.file, frame.known) for frame in found] == [("outer", "", True)] and not troubles
    bare = program("prog", "-s")
    found, _ = one(bare, offset, tools=tools_of(kind))
    assert [(frame.name, frame.known) for frame in found] == [(f"prog+0x{offset:x}", False)]


def test_a_file_that_is_gone_is_said_and_not_asked(program, tmp_path):
    path = program()
    address, identity = call_in(path, "outer"), next(iter(binary.build_ids(path)))
    path.unlink()
    found, troubles = one(path, address, identity)
    assert [frame.name for frame in found] == [f"prog+0x{address:x}"]
    assert len(troubles) == 1 and "is no longer there" in troubles[0]


def test_a_file_of_another_build_is_never_asked(program):
    path = program()
    address, identity = call_in(path, "outer"), next(iter(binary.build_ids(path)))
    program(source=SOURCE.replace("outer", "another"))
    found, troubles = one(path, address, identity)
    assert [frame.name for frame in found] == [f"prog+0x{address:x}"] and "is not the file that ran" in troubles[0]


def test_without_a_build_id_the_time_of_change_decides(program):
    path = program("prog", "-Wl,--build-id=none")
    address, changed = call_in(path, "outer"), path.stat().st_mtime_ns
    assert binary.build_ids(path) == frozenset()
    assert one(path, address, "", start_ns=changed - 1)[1][0].endswith("has changed since it ran, so its functions have no names")
    symbols.why_not.cache_clear()
    assert one(path, address, "", start_ns=changed + 1)[0][-1].name == "outer"


def test_a_separate_debug_file_is_found_by_its_link(program, tmp_path):
    path = program()
    address = call_in(path, "outer")
    for command in (["--only-keep-debug", path, tmp_path / "prog.debug"], ["--strip-all", path],
                    [f"--add-gnu-debuglink={tmp_path / 'prog.debug'}", path]):
        subprocess.run(["objcopy", *map(str, command)], check=True)
    assert shown(one(path, address)[0])[-1] == ("outer", "prog.cpp", 6, False)


@pytest.mark.parametrize("place", [".", ".debug"])
def test_a_separate_debug_file_that_comes_later_is_not_missed(program, tmp_path, place):
    """Names without it are kept between runs, but not beyond that."""
    path = program()
    address = call_in(path, "outer")
    for command in (["--only-keep-debug", path, tmp_path / "prog.debug"], ["--strip-debug", path],
                    [f"--add-gnu-debuglink={tmp_path / 'prog.debug'}", path]):
        subprocess.run(["objcopy", *map(str, command)], check=True)
    debug = (tmp_path / "prog.debug").rename(tmp_path / "kept")
    assert binary.debug_link(path) == "prog.debug" and one(path, address)[0][-1].line == 0
    (path.parent / place).mkdir(exist_ok=True)
    debug.rename(path.parent / place / "prog.debug")
    symbolizer.tools.cache_clear()  # a later run has a process of its own
    assert shown(one(path, address)[0])[-1] == ("outer", "prog.cpp", 6, False)


def test_swift_names_are_asked_of_swifts_own_tool(program, tmp_path, monkeypatch):
    """With a stand-in for swift-demangle: no Swift compiler is to be had here."""
    tool = tmp_path / "bin" / "swift-demangle"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n[ \"$1\" = --simplified ] && sed 's/.*s4main5outerySvSuF/main.outer(Swift.UInt) -> Pointer/'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    path = program(source='extern "C" void *malloc(unsigned long);\nextern "C" void *f() __asm__("\\"$s4main5outerySvSuF\\"");\n'
                          "void *f() { return malloc(1); }\nint main() { return f() == 0; }\n")
    found, _ = one(path, call_in(path, "$s4main5outerySvSuF"))
    assert [frame.name for frame in found] == ["main.outer(Swift.UInt) -> Pointer"]
    tool.write_text("#!/bin/sh\necho other; echo lines\n")
    assert symbols.demangle.swift(["$s4main1fyyF", "main"]) == {"$s4main1fyyF": "$s4main1fyyF"}


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


def test_a_path_relative_to_the_programs_folder_is_found(program):
    path = program()
    assert one(path, call_in(path, "outer"), module_path="./prog")[0][-1].name == "outer"


def test_without_a_tool_the_way_out_is_said_once(program):
    path = program()
    tools = Tools()
    tools._tools = []
    found, troubles = one(path, 0x1234, tools=tools)
    assert [frame.name for frame in found] == ["prog+0x1234"] and troubles == [symbols.NO_TOOL] and "install" in symbols.NO_TOOL


def test_a_tool_that_dies_is_replaced_by_the_next(program):
    class Broken:
        name = "broken"

        def ask(self, path, module, addresses):
            raise symbolizer.ToolFailed
            yield

    path = program()
    tools = Tools()
    tools._tools.insert(0, Broken())
    assert one(path, call_in(path, "outer"), tools=tools)[0][-1].name == "outer" and tools.name != "broken"


# ---- the cache ----


class Counting(Tools):
    """Counts the addresses that are asked for."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def ask(self, path, module, addresses):
        self.asked += len(addresses)
        return super().ask(path, module, addresses)


def test_names_are_kept_by_build_id(program, own_cache):
    path = program()
    address, tools = call_in(path, "outer"), Counting()
    first, second = one(path, address, tools=tools)[0], one(path, address, tools=tools)[0]
    assert tools.asked == 1 and first == second
    assert os.listdir(own_cache / "crunch" / "symbols") == [next(iter(binary.build_ids(path))) + ".json"]
    os.utime(path, ns=(1, 1))  # another file of the same build: stripped, say
    one(path, address, tools=tools)
    assert tools.asked == 2


def test_a_file_that_is_gone_keeps_its_cached_names(program):
    path = program()
    address, identity = call_in(path, "outer"), next(iter(binary.build_ids(path)))
    one(path, address)
    path.unlink()
    symbols.why_not.cache_clear()
    found, troubles = one(path, address, identity)
    assert found[-1].name == "outer" and not troubles


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", b"{}", b'{"format":1,"stamp":[],"answers":{"x":[]}}', b"[" * 100_000,
                                    b'{"format":1,"stamp":null,"answers":{"1":[[1]]}}'])
def test_an_unreadable_cache_is_no_cache(program, own_cache, damage):
    path = program()
    folder = own_cache / "crunch" / "symbols"
    folder.mkdir(parents=True)
    (folder / (next(iter(binary.build_ids(path))) + ".json")).write_bytes(damage)
    assert one(path, call_in(path, "outer"))[0][-1].name == "outer"


def test_the_cache_stays_small(own_cache, monkeypatch):
    monkeypatch.setattr(symbol_cache, "MOST_BYTES", 3000)
    for number in range(10):
        symbol_cache.save(f"{number:040x}", ["tool"], {1: [("f" * 900, "", 0, 0)]})
        path = own_cache / "crunch" / "symbols" / f"{number:040x}.json"
        if path.exists():
            os.utime(path, (number, number))
    left = os.listdir(own_cache / "crunch" / "symbols")
    assert f"{9:040x}.json" in left and f"{0:040x}.json" not in left and 1 < len(left) < 4


def test_a_cache_that_cannot_be_written_is_no_error(program, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = program()
    assert one(path, call_in(path, "outer"))[0][-1].name == "outer"


# ---- answers and names ----


def test_hostile_names_are_harmless(program):
    plain = "evil" + "x" * 65536
    path = program(source=f'extern "C" void *malloc(unsigned long);\nextern "C" void *f() __asm__("{plain}");\n'
                          "void *f() { return malloc(1); }\nint main() { return f() == 0; }\n")
    hostile = b"ev\n\x1b[2J\xff\xe2\x80\xae;</script>"
    data = path.read_bytes().replace(plain.encode(), hostile.ljust(len(plain), b"x"))
    path.write_bytes(data)
    symbol_lines = subprocess.run(["nm", "-n", str(path)], capture_output=True, check=True).stdout.split(b"\n")
    address = int(next(line for line in symbol_lines if line[17:21] == b"T ev").split()[0], 16) + 10
    found, _ = one(path, address)
    assert found and all(frame.name.isprintable() and len(frame.name) < 10_000 for frame in found)


@pytest.mark.parametrize("kind", [LlvmSymbolizer, Addr2line])
def test_code_that_no_symbol_covers_has_no_name(program, kind):
    """addr2line gives the name of the symbol before it, however far that is."""
    path = program("lib.so", "-shared", "-fPIC", source="""
        #include <cstdlib>
        extern "C" __attribute__((noinline)) void *known() { return malloc(1); }
        static __attribute__((noinline)) void *hidden() { void *p = malloc(2); return p; }
        extern "C" void *also_known() { void *p = hidden(); return p ? p : known(); }""")
    address = call_in(path, "_ZL6hiddenv")
    before = call_in(path, "known")
    subprocess.run(["strip", str(path)], check=True)
    assert [frame.name for frame in one(path, address, tools=tools_of(kind))[0]] == [f"lib.so+0x{address:x}"]
    assert [frame.name for frame in one(path, before, tools=tools_of(kind))[0]] == ["known"]


def test_addr2lines_answers_are_told_apart():
    text = "0x0000000000001139\ninner\n/a b/x.c:4 (discriminator 2)\nouter\n/a b/x.c:9\n0x0000000000002000\n??\n??:0\n"
    assert list(symbolizer.addr2line_answers(text, [0x1139, 0x2000])) == [
        [("inner", "/a b/x.c", 4, 0), ("outer", "/a b/x.c", 9, 0)], [("", "", 0, 0)]]
    assert list(symbolizer.addr2line_answers("", [1])) == []


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


@pytest.mark.parametrize("name, clean", [
    ("r::grow::h4693bbdfeb7d99c7", "r::grow"),
    ("alloc::vec::Vec$LT$T$C$A$GT$::push::h04a38df63f7469d5", "alloc::vec::Vec<T,A>::push"),
    ("_$LT$a..B$u20$as$u20$c..D$GT$::e::h04a38df63f7469d5", "<a::B as c::D>::e"),
    ("std::rt::lang_start::_$u7b$$u7b$closure$u7d$$u7d$::ha86af84d9cc65291", "std::rt::lang_start::_{{closure}}"),
    ("not::h123", "not::h123"),
])
def test_names_of_rusts_older_mangling_are_cleaned(name, clean):
    assert symbolizer.rust_name(name) == clean


def frame(name, file="", module="/home/me/prog", line=0, known=True):
    return symbols.Frame(name, file, line, 0, module, known)


def test_own_code_is_neither_the_systems_nor_the_languages():
    own = [frame("f"), frame("core::f", "/home/me/core.cpp", line=3), frame("jit", module="")]
    others = [frame("std::f"), frame("void std::f<int>"), frame("core::ops::f"), frame("<alloc::vec::Vec<T>>::push"), frame("_start"),
              frame("f", "/usr/include/x.h", line=1), frame("f", "/x/rustlib/src/rust/library/alloc/src/a.rs", line=1),
              frame("f", module="/usr/lib/libx.so"), frame("prog+0x1", known=False), frame("f", module="/usr/bin/prog")]
    assert [frames.is_own(each, "/usr/bin/prog") for each in own + others] == [True] * len(own) + [False] * len(others)
    assert frames.is_own(frame("f", "a.c", "/usr/bin/prog", 3), "/usr/bin/prog")


@pytest.mark.parametrize("name, runtime, glue", [
    ("runtime.cgocall", True, True), ("runtime.asmcgocall.abi0", True, True), ("_cgo_e77c6118ce1e_Cfunc_grab", True, True),
    ("main._Cfunc_grab.abi0", True, True), ("github.com/x/y._C2func_open", True, True), ("runtime.newm1", True, False),
    ("main.hold", False, False), ("runtime.part.0", False, False), ("runtime", False, False), ("_cgo_open", False, False)])
def test_what_belongs_to_go(name, runtime, glue):
    frame = symbols.Frame(name, "", 0, 0, "/home/x/prog", True)
    assert (frames.is_go_runtime(frame), frames.is_glue(frame), frames.is_own(frame, "/home/x/prog")) == (runtime, glue, not runtime)

def test_a_call_stack_in_one_line():
    """The program's own frames; where it has none, as in a system's program, all that have a name, and what library they are of once."""
    start = frame("__libc_start_main", "libc-start.c", "/lib/libc.so.6", 360)
    own = [frame("g_malloc", "", "/usr/lib/libglib.so"), frame("grow", "/src/a.c", "/opt/prog", 44), frame("std::f()", "", "/opt/prog"),
           frame("fill", "/src/a.c", "/opt/prog", 9), frame("main", "/src/b.c", "/opt/prog", 3), frame("none", "", "/opt/prog"), start]
    assert frames.chain(own, "/opt/prog", "/src") == "grow (a.c:44) < fill (a.c:9) < main (b.c:3)"
    assert frames.chain(own, "/opt/prog", "/src", 30) == "grow (a.c:44) < fill (a.c:9)"
    assert frames.chain(own, "/opt/prog", "/src", 5) == frames.line(own[1], "/src", 5)
    system = [frame("alloc", "", "/usr/lib/libz.so"), frame("push", "", "/usr/lib/libz.so"), frame("call", "", "/usr/bin/prog"),
              frame("main", "", "/usr/bin/prog"), start]
    assert frames.chain(system, "/usr/bin/prog") == "alloc (libz.so) < push < call (prog) < main"
    assert frames.chain(system[2:], "/usr/bin/prog") == "call < main"
    assert frames.chain([], "/usr/bin/prog") == "?" and frames.chain([start], "/usr/bin/prog").startswith("__libc_start_main (")
    assert frames.chain([system[2]] * 20, "/usr/bin/prog").count(" < ") == frames.CHAIN - 1


@pytest.mark.parametrize("module", ["libSystem.B.dylib", "libobjc.A.dylib", "libc++.1.dylib", "libsystem_malloc.dylib", "libc.so.6", "dyld"])
def test_libraries_that_every_program_stands_on(module):
    assert frames.is_runtime(symbols.Frame("f", "", 0, 0, f"/usr/lib/{module}", True))
    assert not frames.is_runtime(symbols.Frame("f", "", 0, 0, f"/usr/lib/x{module}", True))


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


def test_llvms_answers_may_be_anything():
    assert symbolizer.llvm_answer(b'{"Symbol":[{"FunctionName":"f","FileName":"","Line":0,"Column":0}]}\n') == [("f", "", 0, 0)]
    assert symbolizer.llvm_answer(b'{"Error":{"Message":"no"}}\n') == []
    for text in (b"", b"[]", b"f\n", b'{"Symbol":3}'):
        with pytest.raises(symbolizer.ToolFailed):
            symbolizer.llvm_answer(text)


def test_code_made_at_run_time_has_the_name_of_the_perf_map(tmp_path, monkeypatch):
    monkeypatch.setattr(perf_map, "FOLDER", tmp_path)
    (tmp_path / "perf-77.map").write_bytes(b"1000 20 LazyCompile:~f a.js:1\ngarbage\n2000 10 \xff\n")
    names = perf_map.PerfMap(77, 0)
    assert [names.name(at) for at in (0xFFF, 0x1000, 0x101F, 0x1020, 0x2001)] == [
        "", "LazyCompile:~f a.js:1", "LazyCompile:~f a.js:1", "", "\udcff"]
    assert perf_map.PerfMap(77, 1 << 62).name(0x1000) == "" and perf_map.PerfMap(78, 0).name(0x1000) == ""


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 200, b"\xcf\xfa\xed\xfe" + b"\xff" * 100,
                                  b"\xca\xfe\xba\xbe\0\0\0\x09" + b"\xff" * 40])
def test_the_identity_of_any_file_can_be_asked(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    assert binary.build_ids(tmp_path / "file") == frozenset() and binary.build_ids(tmp_path) == frozenset()


@pytest.mark.parametrize("name, width, short", [
    ("main", 10, "main"),
    ("std::vector<int, std::allocator<int> >::push_back(int const&)", 45, "std::vector<…>::push_back"),
    ("Box<int>::fill(int)", 15, "Box<int>::fill"),
    ("A<int>::operator()(std::string const&) const", 30, "A<int>::operator()"),
    ("bool operator< <int>(A<int> const&, A<int> const&)", 24, "bool operator< <int>"),
    ("(anonymous namespace)::f(int)", 26, "(anonymous namespace)::f"),
    ("void std::__invoke_impl<void, void (*)(int), int>(void (*&&)(int))", 60, "void std::__invoke_impl<void, void (*)(int), int>"),
    ("<A<B> as C<D>>::f(E)", 10, "<…>::f"),
    ("f(>)<" * 9, 20, "f<…>"),
    ("x" * 50, 10, "xxxxxxxxx…"),
])
def test_long_names_are_shortened(name, width, short):
    assert frames.shortened(name, width) == short


def test_json_of_the_cache_is_what_it_says(program, own_cache):
    path = program()
    one(path, call_in(path, "outer"))
    kept = json.loads(next((own_cache / "crunch" / "symbols").iterdir()).read_text())
    assert kept["format"] == symbol_cache.FORMAT and list(kept) == ["format", "stamp", "answers"]
