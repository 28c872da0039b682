"""Call stacks on the page: the table of sites and the flame graph, by mouse, keyboard and address."""

import pytest

import folders
from folders import site
from conftest import ROOT
from report import build, run
from test_browser import chromium, playwright, pytestmark, visit  # noqa: F401 (fixtures)

NAMES = [b"main", b"load", b"grow", b"save", b"std::allocate(int)", b"<img src=x onerror=alert(1)>\xe2\x80\xae\xff" + b"x" * 1500]
MAIN, LOAD, GROW, SAVE, STD, EVIL = range(16, 22)
NODES = [(0, MAIN), (16, LOAD), (17, GROW), (16, SAVE)]


@pytest.fixture
def stacks(tmp_path, monkeypatch):
    """main calls load (which calls grow and, below the C++ library, allocates) and save; one name is hostile."""
    return folders.perf_stacks(tmp_path / "maps", monkeypatch, NAMES, [
        site(17, GROW, allocations=4, bytes=4000, live_bytes=3000, live_blocks=3, lifetime_ns=2_000_000),
        site(18, STD, allocations=1, bytes=1000, live_bytes=1000, live_blocks=1),
        site(16, SAVE, allocations=100, bytes=50_000, temporary=100, epoch=1, peak_bytes=500, peak_blocks=1, lifetime_ns=1000),
        site(19, EVIL, allocations=1, bytes=8, live_bytes=8, live_blocks=1),
        site(4, MAIN, allocations=2, bytes=20, live_bytes=20, live_blocks=2)], NODES)


@pytest.fixture
def folder(tmp_path, stacks):
    return folders.run_folder(tmp_path / "out", [(0x1000, 3000, 0), (0x2000, 1000, 0)], call_stacks=stacks)


def names(page):
    return page.locator("#sites-table tbody tr:not(.detail) .place .function").all_inner_texts()


def bars(page):
    return [text.split(":")[0] for text in page.eval_on_selector_all(".bar", "bars => bars.map(bar => bar.getAttribute('aria-label'))")]


def bar(page, name):
    return page.locator(f".bar[aria-label^='{name}:']")


def test_sites_are_sorted_by_what_lives_and_by_any_column(visit, folder):  # noqa: F811
    page = visit(folder)
    assert names(page)[:3] == ["grow", "grow", "main"]
    page.get_by_role("button", name="Allocations", exact=True).first.click()  # of the flame graph: changes nothing here
    page.locator("#sites-table th.allocations button").click()
    assert names(page)[:2] == ["save", "grow"] and page.locator("#sites-table th.allocations").get_attribute("aria-sort") == "descending"
    page.locator("#sites-table th.allocations button").click()
    assert names(page)[-1] == "save"
    row = page.locator("#site-0").inner_text()
    assert "2.9 KiB" in row and "3 blocks" in row and "2.0 ms" in row and "← load ← main" in row


def test_the_filter_looks_at_whole_stacks(visit, folder):  # noqa: F811
    page = visit(folder)
    page.fill("#sites-filter", "LOAD")
    playwright.expect(page.locator("#sites-table tbody tr")).to_have_count(2)
    assert names(page) == ["grow", "grow"] and "Shown: 2 of 2 call stacks, 3.9 KiB still allocated" in page.locator("#sites-more").inner_text()


def test_a_site_opens_by_keyboard_and_leads_to_the_flame_graph(visit, folder):  # noqa: F811
    page = visit(folder)
    page.locator("#site-1 button").focus()
    page.keyboard.press("Enter")
    assert page.locator(".detail .function").all_inner_texts() == ["std::allocate(int)", "grow", "load", "main"]
    assert page.url.endswith("#site-1")
    page.get_by_role("link", name="Show in the flame graph").click()
    assert "#flame?by=live&zoom=" in page.url and page.locator("#flame-say").inner_text().startswith("grow: 3.9 KiB")


def test_a_block_links_to_its_site(visit, folder):  # noqa: F811
    page = visit(folder)
    page.locator("#program-blocks tbody button").nth(1).click()
    page.locator(".detail a", has_text="grow").click()
    assert page.url.endswith("#site-1") and page.locator("#site-1 button").get_attribute("aria-expanded") == "true"


def test_the_flame_graph_shows_each_value(visit, folder):  # noqa: F811
    page = visit(folder)
    assert {"all", "main", "load", "grow", "std"} <= set(bars(page)) and bar(page, "load").get_attribute("aria-label") == "load: 3.9 KiB, 99 %"
    page.get_by_role("button", name="Bytes in all").click()
    assert bar(page, "save").get_attribute("aria-label").startswith("save: 48.8 KiB") and page.url.endswith("#flame?by=total")
    page.get_by_role("button", name="At the peak").click()
    assert "508 bytes" in bar(page, "save").get_attribute("aria-label")
    page.locator("#flame-measures button", has_text="Temporary").click()
    assert bar(page, "save").get_attribute("aria-label") == "save: 100 temporary allocations, 100 %"


def test_zoom_search_and_back_by_keyboard(visit, folder):  # noqa: F811
    page = visit(folder)
    page.locator(".bar[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#flame-say").inner_text().startswith("load: 3.9 KiB") and "zoom=" in page.url
    assert bars(page)[:4] == ["all", "main", "load", "grow"] and page.evaluate("document.activeElement.className").startswith("bar")
    page.keyboard.press("/")
    page.keyboard.type("allocate")
    playwright.expect(page.locator(".bar.match")).to_have_count(1)
    assert "Found: 1,000 bytes, 25 %" in page.locator("#flame-say").inner_text() and page.url.endswith("find=allocate")
    bar(page, "load").focus()
    page.keyboard.press("Escape")
    assert page.locator("#flame-say").inner_text().startswith("main: ")
    page.go_back()
    assert page.locator("#flame-say").inner_text().startswith("load: ")


def test_an_address_brings_everything_back(visit, folder):  # noqa: F811
    page = visit(folder)
    bar(page, "load").click()
    address = page.url.split("#")[1]
    page = visit(folder, "#" + address + "&find=grow")
    assert page.locator("#flame-say").inner_text().startswith("load: ") and page.locator(".bar.match").count() == 1
    page = visit(folder, "#flame?by=nonsense&zoom=-5")
    assert page.locator("#flame-say").inner_text().startswith("all: ")


def test_the_graph_is_also_a_table(visit, folder):  # noqa: F811
    page = visit(folder)
    page.locator("#flame-table summary").click()
    rows = page.locator("#flame-table tbody tr").all_inner_texts()
    assert rows[0].split("\t")[:2] == ["grow", "2.9 KiB"] and "3.9 KiB" in rows[0]


def test_hostile_names_do_nothing(visit, folder):  # noqa: F811
    page = visit(folder)
    for button in page.locator("#sites-table tbody button").all():
        button.click()
    page.locator("#flame-table summary").click()
    assert page.locator("img").count() == 0 and "<…>\\u202e\\xffxxx" in page.locator("#sites-table").inner_text()
    assert page.locator(".function[title^='<img src=x onerror=alert(1)>']").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


@pytest.mark.parametrize("width", [320, 390, 1366])
def test_nothing_sticks_out_sideways(visit, folder, width):  # noqa: F811
    page = visit(folder, viewport={"width": width, "height": 800})
    page.locator("#site-0 button").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_javascript_the_sites_and_their_stacks_are_there(chromium, folder):  # noqa: F811
    build.reports(run.load(folder), ROOT / "templates", "crunch 0.1.0")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    assert names(page)[0] == "grow" and not page.locator("#flame").is_visible()
    page.locator("#site-1 summary").click()
    assert page.locator("#site-1 .stack").inner_text().split("\n") == ["std::allocate(int)", "grow", "load", "main"]
    text = page.locator("main").inner_text()
    assert "Stacks cut short" in text and "2 allocations: stack not readable" in text
    context.close()


def test_a_page_that_leaves_stacks_out_says_so(visit, folder, monkeypatch):  # noqa: F811
    from report import stack_view

    monkeypatch.setattr(stack_view, "PAGE_SITES", 2)
    page = visit(folder)
    assert "The page holds the 2 largest of 5 call stacks. Left out: 103 allocations" in page.locator("#sites").inner_text()
    assert len(names(page)) == 2
