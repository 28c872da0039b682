"""Pages in headless Chromium, for the tests that look at them; `chromium` and `visit` are fixtures of conftest.py."""

import functools
import os
import shutil
from pathlib import Path

import pytest

from conftest import ROOT
from report import build, run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
needed = pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="chromium is not installed")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]
expect = playwright.expect
expect.set_options(timeout=20_000)
TYPING_MS = 130  # a field tells what was typed 120 ms after the last key; timers of one page run in order
# Two frames later the page has handled an event and those that follow from it; then a view may still be on its way.
SETTLED = """(ms) => document.documentElement.classList.contains("script") && new Promise((done, fail) => {
  const end = performance.now() + 20000;
  const look = () => ("ready" in document.body.dataset ? done() : performance.now() > end ? fail(new Error("the view is never ready")) : wait());
  const wait = () => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(look)));
  setTimeout(wait, ms);
})"""
evaluate = playwright.Page.evaluate


def settling(owner, page_of, names, wait_ms=0):
    """Makes methods of a class, or of one object, return only when the page has done all that follows from them, so that a
    test may look at once."""
    for name in names:
        method = getattr(owner, name)

        def call(*given, method=method, **options):
            result = method(*given, **options)
            evaluate(page_of(*given), SETTLED, wait_ms)
            return result

        setattr(owner, name, functools.wraps(method)(call))


settling(playwright.Locator, lambda locator, *_: locator.page, ("click", "focus", "press", "select_option", "check", "hover"))
settling(playwright.Locator, lambda locator, *_: locator.page, ("fill",), TYPING_MS)


def new_page(context, troubles):
    """A page whose inputs settle. What it says, asks for or throws is added to `troubles`."""
    page = context.new_page()
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: (troubles.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: troubles.append(request.url) if not request.url.startswith("file:") else None)
    settling(page, lambda *_: page, ("goto", "go_back", "go_forward", "evaluate", "set_viewport_size", "emulate_media"))
    settling(page.keyboard, lambda *_: page, ("press",))
    settling(page.keyboard, lambda *_: page, ("type",), TYPING_MS)
    settling(page.mouse, lambda *_: page, ("move", "down", "up", "click", "wheel"))
    return page


def write(folder: Path, **options) -> str:
    """Makes the page of a run folder; its address."""
    build.reports(run.load(folder), ROOT / "templates", "crunch 0.1.0", **options)
    return (folder / "report.html").as_uri()


def ready(page, view: str):
    """Waits until a view has been drawn."""
    page.wait_for_selector(f"body[data-ready='{view}']")
    return page


def in_sight(page):
    """The view in sight; the page makes the others, too."""
    return page.locator("section:not([hidden])")
