"""Suppressions applied to whole runs: what is still told, what is counted, what terminal and page say of it."""

from collections import Counter

import pytest

import folders
from launcher import losses, suppressed
from report import findings, leaks, model, problems, reader, run, suppression_view, suppressions
from report.suppressions import Suppressions, parse
from test_problems import NAMES, NODES, error

DOUBLE_FREE = error(problems.DOUBLE_FREE, stack=19, allocated=17, freed=20)
OVERRUN = error(problems.OVERRUN, stack=18, detail=(0, 1))
UNKNOWN = error(problems.FREE_STACK)  # no call stack
FREE_IN_AGAIN = "{\nknown\nMemcheck:Free\nfun:free\nfun:again\n}\n"


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    def make(text="", items=(DOUBLE_FREE, OVERRUN, UNKNOWN)):
        call_stacks = folders.perf_stacks(tmp_path / "maps", monkeypatch, NAMES, [], NODES)
        call_stacks.errors = items
        path = tmp_path / "run"
        if not path.exists():
            folders.run_folder(path, call_stacks=call_stacks)
        return run.load(path, suppressions=Suppressions(parse(text, "my.supp")))

    return make


def test_an_error_that_is_meant_is_counted_and_not_told(recorded):
    one = recorded(FREE_IN_AGAIN)
    assert [problem.kind for problem in one.findings.problems] == ["overrun", "free-stack"]
    (entry, held), = one.findings.suppressed
    assert (entry.name, held.errors) == ("known", 1) and not one.suppressions.unused


@pytest.mark.parametrize("text", [
    "{\nn\nMemcheck:Leak\nfun:free\nfun:again\n}\n", "{\nn\nMemcheck:Addr8\nfun:free\nfun:again\n}\n", "{\nn\nMemcheck:Free\nfun:again\n}\n",
    "{\nn\nMemcheck:Free\nfun:free\nfun:drop\n}\n", "leak:again\n", "{\nn\nMemcheck:Free\nfun:free\nfun:make\n}\n"])
def test_an_error_that_is_not_meant_is_told(recorded, text):
    one = recorded(text)
    assert len(one.findings.problems) == 3 and one.findings.suppressed == [] and len(one.suppressions.unused) == 1


def test_a_check_fails_while_anything_is_told(recorded):
    assert recorded().findings.failed
    everything = FREE_IN_AGAIN + "{\nb\nMemcheck:Addr1\nfun:free\nfun:drop\n}\n{\nc\nMemcheck:Free\nfun:free\n}\n"
    assert not recorded(everything).findings.failed


def test_a_check_fails_for_errors_that_are_only_counted(recorded):
    one = recorded(FREE_IN_AGAIN, [DOUBLE_FREE])
    assert not one.findings.failed
    (one.folder / "recording").write_bytes(folders.recording(errors=7, errors_left_out=5))
    assert recorded(FREE_IN_AGAIN).findings.failed


def test_what_is_printed_suppresses_all_of_it_but_what_has_no_stack(recorded):
    printed = findings.printed(recorded())
    assert len(printed) == 2 and printed[0].splitlines()[1:] == [
        "   double free: free(0x5000) of a block of 24 bytes that is freed already", "   Memcheck:Free", "   fun:free", "   fun:again",
        "   fun:main", "}"]
    one = recorded("".join(printed))
    assert [problem.kind for problem in one.findings.problems] == ["free-stack"] and findings.printed(one) == []


def test_no_entry_is_printed_twice(recorded):
    again = error(problems.DOUBLE_FREE, stack=19, address=0x9000)
    assert len(findings.printed(recorded(items=[DOUBLE_FREE, again]))) == 1


def test_the_terminal_says_what_is_held_back_and_what_was_idle(recorded):
    text = suppressed.lines(recorded(FREE_IN_AGAIN + "leak:nothing\x1b[2m\n"))
    assert text == ["suppressed: 1 error", "crunch: unused suppression: nothing\\x1b[2m (my.supp:7)"]
    assert suppressed.lines(recorded()) == []


def test_a_long_list_of_idle_ones_is_cut_and_says_so(recorded):
    text = suppressed.lines(recorded("".join(f"leak:nothing{n}\n" for n in range(13))))
    assert len(text) == 11 and text[-1] == "crunch: 3 more suppressions are unused; report.html lists them all"


def test_the_page_lists_both(recorded):
    view = model.page(recorded(FREE_IN_AGAIN + "leak:nothing\n"), "v").suppressions
    assert view == suppression_view.SuppressionView("1 error", [("known", "my.supp:1", "1 error")], [("nothing", "my.supp:7")])
    assert model.page(recorded("leak:nothing\n"), "v", parent="../..").suppressions is None, "a child's page does not know of the others"
    assert model.page(recorded(), "v").suppressions is None


def test_crunchs_own_entries_are_read_and_never_said_to_be_unused():
    found = suppressions.read([], suppressions.RUNTIMES)
    assert found.entries and found.unused == []
    assert all(entry.built_in and not entry.theirs and ":" in entry.name for entry in found.entries)


# ---- leaks ----

SITES = [folders.site(17, 17), folders.site(18, 18), folders.site(19, 19)]  # items 1 to 3: make, drop, again


def leak(site: int, kind: str, blocks: int, size: int, indirect_blocks: int = 0, indirect_bytes: int = 0) -> bytes:
    """One struct cr_leak_sum."""
    return leaks.SUM.pack(site, leaks.KINDS.index(kind), blocks, size, indirect_blocks, indirect_bytes)


LEAKS = [leak(1, "definite", 2, 40, 3, 300), leak(2, "possible", 1, 16), leak(2, "reachable", 5, 500), leak(3, "indirect", 3, 300),
         leak(3, "definite", 1, 8)]


@pytest.fixture
def leaking(tmp_path, monkeypatch):
    def make(text=""):
        call_stacks = folders.perf_stacks(tmp_path / "maps", monkeypatch, NAMES, SITES, NODES)
        call_stacks.leaks = LEAKS
        path = tmp_path / "run"
        if not path.exists():
            folders.run_folder(path, call_stacks=call_stacks)
            (path / "recording").write_bytes(folders.recording(call_stacks=call_stacks, flags=reader.CLASSIFIED))
        return run.load(path, suppressions=Suppressions(parse(text, "my.supp")))

    return make


def told(one):
    return [(record.kind, record.bytes) for record in one.findings.leaks.records]


def test_without_suppressions_every_leak_is_told(leaking):
    one = leaking()
    assert told(one) == [("reachable", 500), ("definite", 40), ("indirect", 300), ("possible", 16), ("definite", 8)]
    assert one.findings.failed and one.findings.leaks.totals == one.leaks.totals


def test_a_leak_that_is_meant_is_counted_and_not_told_and_what_it_holds_goes_with_it(leaking):
    one = leaking("leak:make\n")
    assert told(one) == [("reachable", 500), ("indirect", 300), ("possible", 16), ("definite", 8)]
    (entry, held), = one.findings.suppressed
    assert (held.leaks, held.bytes, held.errors) == (1, 340, 0) and entry.used
    assert one.findings.leaks.totals["definite"] == leaks.Total(1, 8) and one.findings.leaks.totals["indirect"] == leaks.Total(0, 0)
    assert one.leaks.totals["definite"] == leaks.Total(3, 48), "what the tracker found stays as it is"
    assert suppressed.lines(one) == ["suppressed: 1 leak record of 340 bytes"]


@pytest.mark.parametrize("kinds, gone", [
    ("definite", ["definite", "definite"]), ("possible", ["possible"]), ("reachable", ["reachable"]), ("indirect", []),
    ("all", ["definite", "definite", "possible", "reachable"]), ("none", [])])
def test_kinds_of_leaks(leaking, kinds, gone):
    one = leaking(f"{{\nn\nMemcheck:Leak\nmatch-leak-kinds: {kinds}\nfun:malloc\n}}\n")
    assert sum(held.leaks for _, held in one.findings.suppressed) == len(gone)
    assert Counter(kind for kind, _ in told(one)) == Counter(kind for kind, _ in told(leaking())) - Counter(gone)


def test_a_check_fails_for_definite_leaks_only(leaking):
    assert not leaking("leak:make\nleak:again\n").findings.failed
    assert leaking("leak:make\n").findings.failed


def test_what_is_printed_suppresses_all_that_is_lost(leaking):
    printed = findings.printed(leaking())
    assert [entry.splitlines()[1].strip() for entry in printed] == [
        "definitely lost: 40 bytes in 2 blocks, and 300 bytes in 3 blocks through them", "possibly lost: 16 bytes in 1 block",
        "definitely lost: 8 bytes in 1 block"]
    one = leaking("".join(printed))
    assert told(one) == [("reachable", 500), ("indirect", 300)] and not one.suppressions.unused
    assert suppressed.lines(one) == ["suppressed: 3 leak records of 364 bytes"] and findings.printed(one) == []


def test_the_terminal_tells_only_what_is_left(leaking):
    text = "\n".join(losses.told(leaking("leak:make\nleak:again\n")).lost)
    assert "definitely" not in text and "possibly lost" in text
    assert "make" in "\n".join(losses.told(leaking()).lost)
