"""Suppressions applied to whole runs: what is still told, what is counted, what terminal and page say of it."""

import pytest

import folders
from launcher import suppressed
from report import findings, model, problems, run, suppression_view, suppressions
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
