"""The page in a real browser: no error, no request, and everything can be reached."""

import os
import shutil
from pathlib import Path

import pytest

import folders
from conftest import ROOT
from report import build, reader, run
from test_render import HOSTILE, hostile_folder

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="chromium is not installed")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Opens a run folder's page; afterwards it must have caused neither errors nor requests."""
    contexts, troubles = [], []

    def start(folder: Path, hash_: str = "", **options):
        build.reports(run.load(folder), ROOT / "templates", "crunch 0.1.0")
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: troubles.append(request.url) if not request.url.startswith("file:") else None)
        page.goto((folder / "report.html").as_uri() + hash_)
        return page

    yield start
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def many(tmp_path):
    """300 blocks with contents, sizes 1 to 300, addresses against the order of sizes."""
    entries = [(0x1000000 - 0x1000 * size, size, 0) for size in range(1, 301)]
    return folders.run_folder(tmp_path / "out", entries + [(0x77, 72704, reader.BLOCK_RUNTIME)],
                              {address: bytes(n % 256 for n in range(size)) for address, size, _ in entries})


def sizes(page):
    return page.locator("#program-blocks tbody td.size").all_inner_texts()


def test_more_rows_come_when_asked_for(visit, many):
    page = visit(many)
    assert len(sizes(page)) == 50 and sizes(page)[0] == "300 bytes"
    assert "Shown: 50 of 300" in page.locator("#program-blocks-more").inner_text()
    page.get_by_role("button", name="Show 200 more").click()
    page.get_by_role("button", name="Show 50 more").click()
    assert len(sizes(page)) == 300 and page.get_by_role("button", name="more").count() == 0


def test_a_click_on_a_heading_sorts(visit, many):
    page = visit(many)
    page.get_by_role("button", name="Size").first.click()
    assert sizes(page)[0] == "1 byte"
    page.get_by_role("button", name="Address").first.click()
    assert sizes(page)[0] == "1 byte" and page.locator("th[aria-sort=descending]").first.inner_text().startswith("Address")


def test_a_blocks_bytes_as_hex_and_text_by_keyboard(visit, tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x7F00, 20, 0)], {0x7F00: b"Hello, <b>\0\xff World!"[:20]})
    page = visit(out)
    page.locator("#program-blocks tbody button").focus()
    page.keyboard.press("Enter")
    text = page.locator(".detail pre").inner_text()
    assert "000000  48 65 6c 6c 6f 2c 20 3c  62 3e 00 ff 20 57 6f 72" in text and "Hello, <b>·· Wor" in text
    assert page.locator(".detail a").get_attribute("href") == "heap/0x7f00" and page.url.endswith("#0x7f00")
    page.keyboard.press("Enter")
    assert page.locator(".detail").count() == 0


def test_a_link_to_a_block_opens_it(visit, many):
    page = visit(many, f"#0x{0x1000000 - 0x1000 * 3:x}")
    assert "000000  00 01 02" in page.locator(".detail pre").inner_text()


def test_large_blocks_are_shown_in_steps(visit, tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x7F00, 100_000, 0)], {0x7F00: b"z" * 100_000})
    page = visit(out)
    page.locator("#program-blocks tbody button").click()
    assert "Here: the first 65,536 bytes" in page.locator(".detail").inner_text()
    page.get_by_role("button", name="Show all 65,536 bytes").click()
    assert "00fff0" in page.locator(".detail pre").inner_text()


def test_hostile_data_does_nothing_in_a_browser(visit, tmp_path):
    page = visit(hostile_folder(tmp_path / "out"))
    for button in page.locator("#program-blocks tbody button").all():
        button.click()
    assert page.locator("script").count() == 2 and "<script>alert(1)" in page.locator("h1").inner_text() + page.locator(".command").inner_text()
    assert HOSTILE[:8].hex(" ") in page.locator(".detail pre").first.inner_text()


def test_without_javascript_the_first_blocks_are_there(chromium, many):
    build.reports(run.load(many), ROOT / "templates", "crunch 0.1.0")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((many / "report.html").as_uri())
    assert len(sizes(page)) == 50 and "Shown: the first 50 of 300" in page.locator("main").inner_text()
    assert "Open a block" not in page.locator("main").inner_text()
    context.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1366])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_sideways(visit, tmp_path, width, scheme):
    page = visit(hostile_folder(tmp_path / "out"), viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.locator("#program-blocks tbody button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
