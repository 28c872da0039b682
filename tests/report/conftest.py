"""Finds the code under test: crunch.py at the top, its packages under src."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(Path(__file__).parent)]

import folders  # noqa: E402 (found through the line above)
from report import run  # noqa: E402


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test sees the names that another one, or the user, has looked up."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


NAMES = [b"main", b"load", b"grow", b"std::allocate(int)", b"ev;il\x1b[2J <b>"]  # of frames 16 to 20


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """main calls load, which calls grow; two places in grow differ below it only by std::allocate."""
    def make(*counted, errors=(), **values):
        stacks = folders.perf_stacks(tmp_path / "maps", monkeypatch, NAMES, counted, [(0, 16), (16, 17), (17, 18)])
        stacks.errors = errors
        return run.load(folders.run_folder(tmp_path / "out", [(0x1000, 10, 0)], call_stacks=stacks, peak_bytes=5000, live_bytes=400, **values))
    return make


@pytest.fixture(scope="module")
def chromium():
    import browser

    with browser.playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=browser.CHROMIUM, args=browser.OPTIONS)
        yield started
        started.close()


@pytest.fixture
def visit(chromium):
    """Opens a run folder's page; afterwards it must have caused neither errors nor requests."""
    import browser

    contexts, troubles = [], []

    def start(folder, hash_="", view="", editor="", **options):
        address = browser.write(folder, editor=editor)
        context = chromium.new_context(**options)
        contexts.append(context)
        page = browser.new_page(context, troubles)
        page.goto(address + hash_)
        return browser.ready(page, view or hash_.lstrip("#").split("?")[0] or "overview")

    yield start
    for context in contexts:
        context.close()
    assert troubles == []
