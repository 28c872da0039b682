"""What one chose stands in the address: it can be passed on, Back leads to where one was; and the switch of units reaches every size."""

import re
import time

import pytest

from browser import expect, in_sight, ready
from tour import needed, page, tour  # noqa: F401 (two are fixtures)

pytestmark = needed
VIEWS = {"ends": ["overview", "leaks?open=0.1&inside=0.0", "sites?site=0", "sites?find=churn&site=1", "time?table=1", "blocks", "snapshots?site=0", "threads", "flame?table=1"],
         "errors": ["overview"], "crash": ["overview", "crash?inside=0_1_2"], "compared": ["changes?site=0", "flame"]}
BINARY = r"[^<>\"]{0,60}\d [KMGT]iB\b"
DECIMAL = r"\d [kMGT]B\b"


def until(view, condition):
    """Waits for what the page does after a while; its policy forbids Playwright to do so itself."""
    end = time.monotonic() + 20
    while not view.evaluate(condition):
        assert time.monotonic() < end, condition
        view.wait_for_timeout(30)


def address(view) -> str:
    return view.evaluate("location.hash")


@pytest.mark.parametrize("run", VIEWS)
def test_the_switch_of_units_reaches_every_size(tour, page, run):
    file = "compare.html" if run == "compared" else "report.html"
    folder = tour["ends" if run == "compared" else run]
    for name in VIEWS[run]:
        view = page(folder, name, file)
        whole = "document.querySelector('main > section:not([hidden])').outerHTML"
        before = view.evaluate(whole)
        view.keyboard.press("m")
        after = view.evaluate(whole)
        assert not re.findall(BINARY, after), name
        assert bool(re.search(BINARY, before)) and re.search(DECIMAL, after), name
        view.keyboard.press("m")
        assert sorted(re.findall(BINARY, view.evaluate(whole))) == sorted(re.findall(BINARY, before)), name


def test_sizes_in_sentences_are_exact_in_other_units(tour, page):
    view = page(tour["ends"], "overview")
    exact = int(re.search(r"^peak_bytes (\d+)", (tour["ends"] / "stats").read_text(), re.M)[1])
    view.keyboard.press("m")
    expect(view.locator(".steps")).to_contain_text(f"At the peak {exact / 1000:.0f} kB were in use")
    expect(view.locator(".headline")).to_have_text("1 definite leak, 12.0 kB")


def reopened(view, where):
    """The same page, opened anew at an address."""
    view.goto("about:blank")
    view.goto(where)
    return view


def whole(view):
    return view.evaluate("location.href")


def test_trees_and_ways_opened_in_the_leaks_stand_in_the_address(tour, page):
    view = page(tour["ends"], "leaks")
    first = view.locator("#leaks .records > li").first
    for number in range(3):
        first.locator(".forest summary").nth(number).click()
        expect(first.locator(".forest summary")).to_have_count(number + 2)
    assert address(view) == "#leaks?inside=0.0.0.0"
    reachable = view.locator("#leaks .records > li").filter(has_text="in 800 blocks").first
    reachable.locator("summary").first.click()
    reachable.locator(".ways-to-roots summary").first.click()
    reachable.get_by_role("button", name="Show 50 of").click()
    where = whole(view)
    number = re.search(r"open=0\.(\d+)", where)[1]
    assert re.search(r"inside=(.*)", where)[1].split("_") == ["0.0.0.0", f"{number}.w.0", f"{number}.m1"]
    ready(reopened(view, where), "leaks")
    assert first.locator(".forest details[open]").count() == 3
    assert reachable.locator(".ways-to-roots li").first.is_visible() and reachable.locator(".forest > *").count() == 100


def test_back_closes_what_was_opened_last(tour, page):
    view = page(tour["ends"], "leaks")
    first = view.locator("#leaks .records > li").first
    first.locator(".forest summary").first.click()
    first.locator(".forest summary").nth(1).click()
    expect(first.locator(".forest details[open]")).to_have_count(2)
    view.go_back()
    expect(first.locator(".forest details[open]")).to_have_count(1)
    view.go_back()
    expect(first.locator(".forest details[open]")).to_have_count(0)
    view.go_forward()
    expect(first.locator(".forest details[open]")).to_have_count(1)


def test_the_cursor_of_the_time_view_stands_in_the_address(tour, page):
    view = page(tour["ends"], "time")
    said = view.locator("#time [role=status]")
    last = said.inner_text()
    in_sight(view).locator(".chart").focus()
    for _ in range(30):
        view.keyboard.press("ArrowLeft")
    until(view, "location.hash.includes('at=')")
    there, where = said.inner_text(), whole(view)
    assert there != last
    ready(reopened(view, where), "time")
    assert said.inner_text() == there
    in_sight(view).locator("details summary").click()
    until(view, "location.hash.includes('table=1')")
    where = whole(view)
    ready(reopened(view, where), "time")
    assert in_sight(view).locator("details table").is_visible() and said.inner_text() == there


def test_the_flame_graphs_table_stands_in_the_address(tour, page):
    view = page(tour["ends"], "flame?up=1")
    in_sight(view).get_by_text("The same as a table").click()
    until(view, "location.hash.includes('table=1')")
    ready(reopened(view, whole(view)), "flame")
    assert "up=1" in address(view) and in_sight(view).locator("details table tbody tr").count() > 3


def test_an_error_has_an_address(tour, page):
    view = page(tour["errors"], "errors?error=3")
    third = view.locator("#errors .errors > li").nth(2)
    assert third.evaluate("each => each.classList.contains('chosen') && each.contains(document.activeElement)")
    view.keyboard.press("k")
    assert address(view) == "#errors?error=2"
    view.get_by_role("link", name="Link to error 1").click()
    assert address(view) == "#errors?error=1" and view.locator("#errors .chosen").count() == 1


def test_what_is_opened_in_a_crash_stands_in_the_address(tour, page):
    view = page(tour["crash"], "crash")
    view.get_by_text("Memory map").click()
    until(view, "location.hash.includes('inside=')")
    ready(reopened(view, whole(view)), "crash")
    assert view.locator("#crash table.maps").is_visible()


def test_more_of_a_block_stands_in_the_address(tour, page):
    view = page(tour["ends"], "blocks?min=1000")
    view.locator("#grid-blocks .grid-row").first.click()
    view.get_by_role("button", name="Show all").first.click()
    assert "inside=bytes.m1" in address(view)
    lines = in_sight(view).locator(".beside pre").inner_text().count("\n")
    ready(reopened(view, whole(view)), "blocks")
    assert in_sight(view).locator(".beside pre").inner_text().count("\n") == lines > 40


def test_a_filter_of_sizes_means_the_same_in_every_unit(tour, page):
    view = page(tour["ends"], "blocks")
    in_sight(view).get_by_label("Smallest size").fill("1k")
    assert address(view) in ("#blocks?min=1+KiB", "#blocks?min=1%20KiB")
    found = in_sight(view).locator("[role=status]").inner_text().split(",")[0]
    view.locator("#grid-blocks").focus()
    view.keyboard.press("m")
    assert in_sight(view).locator("[role=status]").inner_text().split(",")[0] == found


@pytest.mark.parametrize("name", ["blocks", "sites"])
def test_back_leads_to_where_a_list_was_scrolled_to(tour, page, name):
    view = page(tour["ends"], name + ("" if name == "blocks" else "?sort=total"), viewport={"width": 1200, "height": 420})
    grid = view.locator(f"#grid-{name}")
    view.evaluate(f"document.getElementById('grid-{name}').scrollTop = 300")
    until(view, "history.state && history.state.inside.some((each) => each === 300)")
    rows = grid.locator(".grid-row").all_inner_texts()
    view.keyboard.press("g")
    view.keyboard.press("o")
    ready(view, "overview")
    view.evaluate("location.hash = '#about'")
    ready(view, "about")
    for there in ("overview", name):
        view.go_back()
        ready(view, there)
    assert grid.evaluate("each => each.scrollTop") == 300
    assert grid.locator(".grid-row").all_inner_texts() == rows
    view.go_forward()
    ready(view, "overview")


def test_back_leads_to_where_the_page_was_scrolled_to(tour, page):
    view = page(tour["ends"], "overview", viewport={"width": 1200, "height": 300})
    target = in_sight(view).locator(".steps a").last
    target.scroll_into_view_if_needed()
    top = view.evaluate("scrollY")
    assert top > 100
    target.click()
    expect(view.locator("#overview")).to_be_hidden()
    assert view.evaluate("scrollY") == 0
    view.go_back()
    ready(view, "overview")
    assert view.evaluate("scrollY") == top


def test_the_keyboard_goes_on_where_it_was(tour, page):
    view = page(tour["ends"], "leaks")
    view.keyboard.press("j")
    view.keyboard.press("j")
    view.keyboard.press("Enter")
    assert "open=" in address(view)
    view.keyboard.press("Tab")
    assert view.evaluate("document.querySelector('#leaks .records').parentNode.contains(document.activeElement) && document.activeElement.textContent") == "Copy stack"


def test_the_link_of_the_view_is_in_sight_on_a_phone(tour, page):
    view = page(tour["ends"], "about", viewport={"width": 390, "height": 800})
    box = view.locator("nav [aria-current]").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_the_way_to_the_content_stays_in_the_view(tour, page):
    view = page(tour["ends"], "flame?up=1")
    view.locator(".skip").focus()
    view.keyboard.press("Enter")
    assert address(view) == "#flame?up=1" and in_sight(view).locator("h2").inner_text() == "Flame graph"
    assert view.evaluate("document.activeElement.tagName") == "H2"
