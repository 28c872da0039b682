"""Pages in headless Chromium, for the tests that look at them; `chromium` and `visit` are fixtures of conftest.py."""

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
