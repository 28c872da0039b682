"""Names of frames: programs compiled here, files that are no longer the ones that ran, hostile names."""

import os
import subprocess

import pytest

from named import SOURCE, call_in, one, program, shown, symbols_of, tools_of  # noqa: F401 (one is a fixture)
from report import binary, frames, perf_map, symbolizer, symbols
from report.symbolizer import Addr2line, LlvmSymbolizer, Tools


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


@pytest.mark.parametrize("name, clean", [
    ("r::grow::h4693bbdfeb7d99c7", "r::grow"),
    ("alloc::vec::Vec$LT$T$C$A$GT$::push::h04a38df63f7469d5", "alloc::vec::Vec<T,A>::push"),
    ("_$LT$a..B$u20$as$u20$c..D$GT$::e::h04a38df63f7469d5", "<a::B as c::D>::e"),
    ("std::rt::lang_start::_$u7b$$u7b$closure$u7d$$u7d$::ha86af84d9cc65291", "std::rt::lang_start::_{{closure}}"),
    ("not::h123", "not::h123"),
])
def test_names_of_rusts_older_mangling_are_cleaned(name, clean):
    assert symbolizer.rust_name(name) == clean


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
