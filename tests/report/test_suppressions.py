"""Suppression files of memcheck and LSan: what is read, what is refused, what matches."""

import pytest

from report import suppressions
from report.errors import CrunchError
from report.suppressions import StackFrame, Suppressions, parse


def frame(*names, obj="/opt/bin/prog", file="", line=0):
    return StackFrame(names, (obj,) if obj else (), file, line)


STACK = [frame("malloc", obj="/usr/lib/vgpreload.so"), frame("ns::grow(int)", "ns::grow", "_ZN2ns4growEi", file="/src/grow.cc", line=12),
         frame("run", obj="/opt/lib/libplug.so.1"), frame("main", file="/src/main.c", line=3), frame("(below main)")]


def entry(*frames, kind="Memcheck:Leak", name="known"):
    return parse("\n".join(["{", name, kind, *frames, "}"]), "my.supp")[0]


def matches(*frames, kind="definite", stack=STACK, **entries):
    return entry(*frames, **entries).matches(kind, stack)


def wrong(text):
    with pytest.raises(CrunchError) as raised:
        parse(text, "my.supp")
    return raised.value.message


# ---- memcheck --------------------------------------------------------------------------------------------------------


def test_frames_match_from_the_innermost_on():
    assert matches("fun:malloc", "fun:ns::grow(int)")
    assert not matches("fun:ns::grow(int)")
    assert not matches("fun:malloc", "fun:run")


@pytest.mark.parametrize("name", ["ns::grow(int)", "ns::grow", "_ZN2ns4growEi", "ns::*", "ns::gro?", "*grow*", "ns::grow@@GLIBC_2.34", "ns::grow@LIB", "**grow(int)"])
def test_function_in_every_spelling(name):
    assert matches("fun:malloc", f"fun:{name}")


@pytest.mark.parametrize("name", ["grow", "ns::gro", "ns::grow?", "ns::grow[int]", "NS::grow", "?"])
def test_function_that_is_another(name):
    assert not matches("fun:malloc", f"fun:{name}")


@pytest.mark.parametrize("path, matched", [("/opt/lib/libplug.so.1", True), ("*/libplug.so*", True), ("libplug.so.1", False), ("*", True)])
def test_objects_by_their_whole_path(path, matched):
    assert matches("fun:malloc", "fun:*", f"obj:{path}") == matched


@pytest.mark.parametrize("source, matched", [("grow.cc", True), ("grow.cc:12", True), ("grow.cc:13", False), ("/src/grow.cc", True), ("grow.*", True)])
def test_source_lines(source, matched):
    assert matches("fun:malloc", f"src:{source}") == matched


@pytest.mark.parametrize("frames, matched", [
    (("...", "fun:main"), True), (("fun:malloc", "...", "fun:main", "fun:(below main)"), True), (("...", "fun:malloc"), True),
    (("fun:malloc", "...", "fun:ns::grow"), True), (("fun:malloc", "...", "fun:malloc"), False), (("...", "fun:run", "...", "fun:main", "..."), True),
    (("...", "fun:run", "fun:(below main)"), False), (("fun:malloc", "...", "fun:*", "fun:*", "fun:*", "fun:*", "fun:*"), False)])
def test_any_number_of_frames(frames, matched):
    assert matches(*frames) == matched


def test_any_number_of_frames_takes_a_later_start_when_the_first_does_not_do():
    stack = [frame("a"), frame("b"), frame("a"), frame("c")]
    assert matches("...", "fun:a", "fun:c", stack=stack)
    assert matches("...", "fun:b", "...", "fun:c", stack=stack)


def test_frame_without_an_object_matches_only_a_wildcard():
    assert matches("obj:*", stack=[frame("", obj="")])
    assert not matches("obj:/*", stack=[frame("", obj="")])


def test_kinds_of_leaks():
    one = entry("match-leak-kinds: definite, possible", "fun:malloc")
    assert one.kinds == {"definite", "possible"} and one.patterns == ("fun:malloc",)
    assert entry("fun:malloc").kinds == entry("match-leak-kinds:all", "fun:malloc").kinds == set(suppressions.LEAK_KINDS)
    assert not entry("match-leak-kinds:none", "fun:malloc").kinds


def test_leaks_and_errors_are_apart():
    assert not matches("fun:malloc", kind="Free")
    assert entry("fun:free", kind="Memcheck:Free").matches("Free", [frame("free")])
    assert entry("fun:memcpy", kind="Memcheck:Addr8").matches("Addr", [frame("memcpy")])
    assert entry("fun:memcpy", kind="Memcheck:Addr32").kinds == {"Addr"}


def test_detail_of_a_kind_is_no_frame():
    assert entry("malloc(size)", "fun:malloc", kind="Memcheck:FishyValue").patterns == ("fun:malloc",)
    assert entry("write(buf)", "fun:write", kind="Memcheck:Param").patterns == ("fun:write",)


def test_entries_of_other_tools_and_kinds_cannot_match_and_are_not_unused():
    text = "{\na\nHelgrind:Race\nany line\n}\n{\nb\nMemcheck:Cond\nfun:f\n}\n{\nc\nAddrcheck, Memcheck : Leak\nfun:malloc\n}\n"
    found = Suppressions(parse(text, "my.supp"))
    assert [one.theirs for one in found.entries] == [True, True, False]
    assert [one.name for one in found.unused] == ["c"]


def test_comments_and_blank_lines_are_skipped_anywhere():
    assert parse("# a\n\n{\n  # b\n\n name \n\tMemcheck:Leak\n # c\n fun:malloc\n}\n# d\n", "f")[0].name == "name"


@pytest.mark.parametrize("text, said", [
    ("{\nname\n", "my.supp:1: this entry has no closing }"),
    ("{\n}\n", "my.supp:1: this entry has no line like 'Memcheck:Leak'"),
    ("\n{\nname\nLeak\nfun:f\n}", "my.supp:4: expected tool and kind, like 'Memcheck:Leak', not 'Leak'"),
    ("{\nname\nMemcheck:leak me\nfun:f\n}", "my.supp:3: 'leak me' is no kind of memcheck's errors"),
    ("{\nname\nMemcheck:Leak\n}", "my.supp:1: this entry has no frames ('fun:', 'obj:', 'src:' or '...')"),
    ("{\nname\nMemcheck:Leak\n...\n}", "my.supp:1: this entry has no frame but '...', which would suppress everything"),
    ("{\nname\nMemcheck:Leak\nfun:a\nb\n}", "my.supp:5: expected 'fun:', 'obj:', 'src:' or '...', not 'b'"),
    ("{\nname\nMemcheck:Leak\nmatch-leak-kinds: definite,lost\nfun:a\n}", "my.supp:4: 'lost' is none of definite, possible, indirect, reachable, all, none"),
    ("race:f\n", "my.supp:1: 'race:' is of another sanitizer; crunch knows LSan's 'leak:'"),
    ("leak:\n", "my.supp:1: 'leak:' without a pattern"),
    ("leak:**\n", "my.supp:1: 'leak:' without a pattern"),
    ("hello\x1b[1m\n", "my.supp:1: neither memcheck's '{' nor LSan's 'leak:…', but 'hello\\x1b[1m'")])
def test_what_is_wrong_is_one_sentence_with_file_and_line(text, said):
    assert wrong(text) == said


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CrunchError) as raised:
        suppressions.read([str(tmp_path / "none.supp")])
    assert raised.value.message == f"the suppressions {tmp_path}/none.supp cannot be read: No such file or directory"
    with pytest.raises(CrunchError):
        suppressions.read([str(tmp_path)])


def test_bytes_that_are_no_text_are_read(tmp_path):
    (tmp_path / "a.supp").write_bytes(b"# caf\xe9\nleak:f\xff\n")
    found = suppressions.read([str(tmp_path / "a.supp")]).entries
    assert found[0].matches("definite", [frame("f\udcff")])


# ---- LSan ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern, matched", [
    ("grow", True), ("^ns::grow", True), ("^grow", False), ("grow$", True), ("gro$", False), ("^ru", True), ("n*grow(int)", True),
    ("libplug.so", True), ("^/opt/lib/libplug.so.1$", True), ("grow.cc", True), ("^run$", True), ("r.n", False), ("*plug*.so.?", False)])
def test_part_of_function_file_or_module_anywhere_on_the_stack(pattern, matched):
    assert parse(f"leak:{pattern}", "f")[0].matches("definite", STACK) == matched


def test_what_is_reachable_is_no_leak_to_lsan():
    one = parse("leak:run", "f")[0]
    assert one.matches("possible", STACK) and one.matches("indirect", STACK)
    assert not one.matches("reachable", STACK) and not one.matches("Free", STACK)


def test_a_file_may_hold_both_formats():
    found = parse("leak:a\n{\nname\nMemcheck:Leak\nfun:malloc\n}\nleak:b\n", "f")
    assert [one.name for one in found] == ["a", "name", "b"] and [one.line for one in found] == [1, 2, 7]


# ---- all entries -----------------------------------------------------------------------------------------------------


def test_the_first_entry_that_matches_is_used(tmp_path):
    (tmp_path / "a.supp").write_text("leak:nothing\nleak:run\nleak:main\n")
    found = suppressions.read([str(tmp_path / "a.supp")])
    assert found.find("definite", lambda: [STACK]).name == "run"
    assert found.find("definite", lambda: [[frame("other")], STACK]).name == "run"
    assert found.find("reachable", lambda: pytest.fail("no entry is for these")) is None
    assert [one.used for one in found.entries] == [False, True, False]
    assert [one.name for one in found.unused] == ["nothing", "main"]
    assert found.unused[0].place == f"{tmp_path}/a.supp:1"


def test_only_entries_with_mangled_names_want_these():
    assert Suppressions([entry("fun:_Znwm")]).want_mangled
    assert not Suppressions([entry("fun:malloc", "...", "fun:main")]).want_mangled
