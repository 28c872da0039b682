"""What a frame is taken for, and how it is written in one line."""

import pytest

from report import frames, symbols


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
