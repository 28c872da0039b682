"""crunch_section: the same call stacks under several names, in threads, in children, and in all that shows them."""

import pytest

from harness import bare, crunch, preloaded, target
from report import exports
from report import run as runs

NAMES = {"loading", "parsing the input", "drawing", "ev;il\\x1b[2J<b>"}


def live_by_section(path):
    """Live bytes of what the program itself allocated, by the outermost frame; and the run."""
    run = runs.load(path)
    found = {}
    for place, leaf in zip(run.stacks.places, run.tree.leaves):
        stack = [frame.name for frame in run.tree.stack(leaf)]
        if "grab" in stack and place.live_bytes:
            name = stack[-1] if stack[-1].startswith("[section: ") else ""
            assert not any(frame.startswith("[section: ") for frame in stack[:-1])
            found[name] = found.get(name, 0) + place.live_bytes
    return found, run


@pytest.fixture(scope="module")
def program():
    return target("sections", "-Wall", "-Wextra", "-Werror")


@pytest.mark.parametrize("way", ("threads", "fork", "many"))
def test_without_crunch_nothing_happens(program, way):
    assert bare([program, way]).status == 0


def test_two_threads_in_two_sections_each(program, tmp_path):
    result, folder = crunch(tmp_path / "out", program, "threads")
    assert result.status == 0
    folder.check()
    found, run = live_by_section(folder.path)
    expected = {f"[section: {name}]": 50 * len(name) for name in NAMES}
    expected["[section: ev;il\\x1b[2J<b>]"] = 50 * len("ev;il\x1b[2J<b>")
    assert found == {**expected, "": 1000 + 2 * 50}
    assert "    [section: parsing the input]\n" in result.said and "\x1b[2J" not in result.said
    folded = exports.render(run, "folded", "live", "x").decode()
    assert sum(line.startswith("[section: drawing];") and line.endswith(";work;grab 350") for line in folded.splitlines()) == 1
    assert b"[section: drawing]" in exports.render(run, "speedscope", "live", "x")
    page = (folder.path / "report.html").read_text()
    assert "[section: drawing]" in page


def test_children_keep_it_and_snapshots_have_it(program, tmp_path):
    result, folder = crunch(tmp_path / "out", program, "fork")
    assert result.status == 0
    (child,) = (folder.path / "children").iterdir()
    for path in (folder.path, folder.path / "snapshots" / "1"):
        assert live_by_section(path)[0] == {"[section: family]": 10}
    assert live_by_section(child)[0] == {"[section: family]": 10 + 20, "[section: child]": 30}


def test_too_many_names_and_too_long_ones_are_one(program, tmp_path):
    result, folder = preloaded(tmp_path / "out", [program, "many", "crunch"])
    assert result.status == 0
    found, _ = live_by_section(folder.path)
    assert len(found) == 1001 and found["[section: other]"] == 2 and found["[section: request 7]"] == 2
    assert found["[section: request 999]"] == 1
    folder.check()
