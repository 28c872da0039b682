"""Suppressions meet stacks as crunch has them, and entries are made of these."""

import pytest

from folders import run_folder
from report import run, suppressing
from report.suppressing import Writings
from report.suppressions import parse
from report.symbols import Frame

OWN = "/opt/prog"


def frame(name, module=OWN, known=True, inlined=False, file="/src/a.cc", line=7):
    return Frame(name, file, line, 1, module, known, inlined)


GROW = frame("ns::Table<int>::grow(unsigned long)", inlined=True)
MAKE = frame("ns::make(char const*) const")
MAIN = frame("main")
START = frame("__libc_start_main", module="/lib/libc.so.6")
STACK = [GROW, MAKE, MAIN, START]
MANGLED = {MAKE: frozenset(("_ZNK2ns4makeEPKc",))}


@pytest.fixture
def writings(tmp_path):
    made = Writings(run.load(run_folder(tmp_path / "run")), [], False)
    made._mangled = MANGLED
    return made


def leak_matches(writings, *frames, kinds=("malloc",), stack=STACK):
    text = "\n".join(["{", "name", "Memcheck:Leak", *frames, "}"])
    own = [writings.of(each) for each in stack]
    return any(parse(text, "f")[0].matches("definite", each) for each in suppressing.leak_stacks(own, kinds))


def test_the_allocation_function_stands_before_the_stack(writings):
    assert leak_matches(writings, "fun:malloc", "fun:grow", "fun:_ZNK2ns4makeEPKc", "fun:main")
    assert not leak_matches(writings, "fun:grow")
    assert not leak_matches(writings, "fun:calloc", "fun:grow")


@pytest.mark.parametrize("kind, function", [
    ("new", "_Znwm"), ("new", "operator new(unsigned long)"), ("new[]", "_Znam"), ("new[]", "operator new[](unsigned long)"),
    ("calloc", "calloc"), ("realloc", "realloc"), ("realloc", "malloc"), ("aligned", "posix_memalign"), ("new", "_ZnwmSt11align_val_t")])
def test_names_of_allocation_functions(writings, kind, function):
    assert leak_matches(writings, f"fun:{function}", "...", "fun:main", kinds=(kind,))
    assert leak_matches(writings, f"fun:{function}", "...", "fun:main", kinds=())


def test_memcheck_has_two_frames_where_a_block_is_aligned(writings):
    assert leak_matches(writings, "fun:memalign", "fun:posix_memalign", "fun:grow", kinds=("aligned",))
    assert leak_matches(writings, "fun:posix_memalign", "fun:grow", kinds=("aligned",))


@pytest.mark.parametrize("name", ["grow", "ns::Table<int>::grow", "ns::Table<int>::grow(unsigned long)"])
def test_inlined_functions_have_their_own_name_too(writings, name):
    assert leak_matches(writings, "fun:malloc", f"fun:{name}")
    assert not leak_matches(writings, "fun:malloc", "fun:grow", "fun:make")


def test_constructors_have_two_names_for_one_function(writings):
    make = frame("ns::Table::Table()")
    writings._mangled = {make: frozenset(("_ZN2ns5TableC2Ev",))}
    assert leak_matches(writings, "fun:malloc", "fun:_ZN2ns5TableC1Ev", stack=[make])
    assert leak_matches(writings, "fun:malloc", "fun:_ZN2ns5TableC2Ev", stack=[make])
    assert not leak_matches(writings, "fun:malloc", "fun:_ZN2ns5TableD1Ev", stack=[make])


def test_functions_of_the_c_library_have_several_names(writings):
    alias = frame("__newlocale", module="/lib/x86_64-linux-gnu/libc.so.6")
    for stack, name, matched in (([alias], "newlocale", True), ([alias], "__newlocale", True), ([frame("__own")], "own", False)):
        assert leak_matches(writings, "fun:malloc", f"fun:{name}", stack=stack) == matched
    assert "   fun:*newlocale\n" in suppressing.leak_entry("n", "definite", ["malloc"], [alias, MAIN], writings)


def test_template_arguments_of_inlined_functions_may_be_missing(writings):
    stack = [frame("std::basic_string<char>::basic_string<std::allocator<char> >(char)", inlined=True)]
    for name in ("basic_string", "basic_string<>", "basic_string<std::allocator<char> >"):
        assert leak_matches(writings, "fun:malloc", f"fun:{name}", stack=stack)


def test_what_starts_a_program_is_below_main(writings):
    assert leak_matches(writings, "...", "fun:main", "fun:(below main)")
    assert leak_matches(writings, "...", "fun:main", "fun:__libc_start_main")


def test_objects_have_their_path_with_and_without_links(writings, tmp_path):
    (tmp_path / "real.so").write_text("")
    (tmp_path / "link.so").symlink_to("real.so")
    stack = [frame("", module=str(tmp_path / "link.so"), known=False)]
    for name in ("link.so", "real.so"):
        assert leak_matches(writings, "fun:malloc", f"obj:{tmp_path}/{name}", stack=stack)
    assert not leak_matches(writings, "fun:malloc", "fun:*", stack=stack)


# ---- entries that are made ----


def test_an_entry_for_a_leak(writings):
    entry = suppressing.leak_entry("definitely lost: 3 bytes", "definite", ["malloc"], STACK, writings)
    assert entry == ("{\n   definitely lost: 3 bytes\n   Memcheck:Leak\n   match-leak-kinds: definite\n   fun:malloc\n   fun:*grow*\n"
                     "   fun:_ZNK2ns4makeEPKc\n   fun:main\n}\n")


@pytest.mark.parametrize("kinds", [["malloc"], ["calloc"], ["realloc"], ["aligned"], ["new"], ["new[]"], ["zone"], [], ["malloc", "new"]])
def test_entries_for_leaks_match_what_they_are_made_of(writings, kinds):
    unnamed = [frame("prog+0x12", known=False), frame("0x7f12", module="", known=False), *STACK]
    for stack in (STACK, unnamed, [MAKE] * 40, [START]):
        entry = parse(suppressing.leak_entry("# {name}\n", "possible", kinds, stack, writings), "f")[0]
        own = [writings.of(each) for each in stack]
        assert any(entry.matches("possible", each) for each in suppressing.leak_stacks(own, kinds))
        assert not any(entry.matches("definite", each) for each in suppressing.leak_stacks(own, kinds))


def test_an_entry_is_no_deeper_than_memchecks_stacks(writings):
    assert suppressing.leak_entry("n", "definite", ["malloc"], [MAKE] * 40, writings).count("fun:") == suppressing.MOST_FRAMES


@pytest.mark.parametrize("function", ["free", "realloc", "operator delete", "operator delete[]", "memcpy", ""])
def test_entries_for_errors_match_what_they_are_made_of(writings, function):
    for kind in suppressing.ERRORS:
        entry = parse(suppressing.error_entry("n", kind, function, STACK, writings), "f")[0]
        own = [writings.of(each) for each in STACK]
        stacks = suppressing.error_stacks(own, function)
        assert any(entry.matches(suppressing.ERRORS[kind], each) for each in stacks)
        assert not any(entry.matches("definite", each) for each in stacks)


@pytest.mark.parametrize("name, own", [
    ("main", "main"), ("ns::f(int)", "f"), ("void ns::f<int>(int)", "f"), ("void f<a::b>(a::b)", "f"),
    ("main::{lambda()#1}::operator()() const", "operator()"), ("ns::T<x>::operator<<(int)", "operator<<"), ("a::operator int() const", "operator int")])
def test_names_without_their_scope(name, own):
    assert suppressing.own_name(name) == own
