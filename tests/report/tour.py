"""The tour: a real program's run folders and their pages, for the tests that walk through every view."""

import subprocess
import sys
from pathlib import Path

import pytest

import browser
from browser import ready
from conftest import ROOT

sys.path.append(str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402 (found through the line above)

needed = [browser.needed, pytest.mark.skipif(not harness.LIBRARY.exists(), reason="the library is not built: run 'make'")]


@pytest.fixture(scope="session")
def tour(tmp_path_factory):
    """The tour's run folders: as it ends, with wrong frees, and as it crashes."""
    folder = tmp_path_factory.mktemp("tour")
    found = {}
    for end, options in (("ends", ("--snapshot-every", "1h")), ("errors", ()), ("crash", ())):
        result, run = harness.crunch(folder / end, harness.target("tour"), end, options=options)
        assert run.path.joinpath("report.html").exists(), result.said
        found[end] = run.path
    subprocess.run([*harness.CRUNCH, "-q", "--compare", found["ends"] / "snapshots" / "1", found["ends"]], check=True)
    return found


@pytest.fixture
def page(chromium):
    """Opens a finished page; afterwards it must have said nothing and asked for nothing."""
    contexts, troubles = [], []

    def start(folder: Path, view: str, name: str = "report.html", **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        opened = browser.new_page(context, troubles)
        opened.goto((folder / name).as_uri() + "#" + view)
        return ready(opened, view.split("?")[0])

    yield start
    for context in contexts:
        context.close()
    assert troubles == []


def text(page, view):
    return page.locator("#" + view).inner_text()
