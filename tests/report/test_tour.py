"""Every view of the page on real recordings, by mouse and keyboard, and without a violation that axe-core finds."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import browser
from browser import in_sight, ready
from conftest import ROOT
from tour import harness, needed, page, text, tour  # noqa: F401 (two are fixtures)

pytestmark = needed


def test_the_overview_says_what_went_wrong(tour, page):
    said = text(page(tour["ends"], "overview"), "overview")
    assert "1 definite leak, 11.7 KiB" in said and "The program ended with exit status 0" in said
    assert "fill_cache" in said and "(*cache)[" in said and "← main" in said
    assert "See by which calls they were allocated" in said and "See what, and what hangs under it" in said
    assert "Crashed: SIGSEGV illegal access" in text(page(tour["crash"], "overview"), "overview")


def test_errors_have_their_stacks_side_by_side(tour, page):
    assert "3 errors: double free" in text(page(tour["errors"], "overview"), "overview")
    view = page(tour["errors"], "errors")
    said = text(view, "errors")
    assert "Double free: free(0x" in said and "Mismatched free" in said and "8 bytes inside a block of 24 bytes" in said
    first = view.locator(".errors > li").first
    assert [title.split(" by")[0] for title in first.locator("h4").all_inner_texts()] == ["Here", "Allocated", "Freed"]
    assert "free(twice);" in first.locator(".marked").first.inner_text()
    assert "wrong_frees" in first.locator(".stack").nth(1).locator(".own .function").first.inner_text()


def test_leaks_by_kind_with_what_they_hold(tour, page):
    view = page(tour["ends"], "leaks")
    first = view.locator("#leaks .records > li").first
    assert "40 bytes in 1 block, and 11.7 KiB in 299 blocks through it" in first.inner_text() and "make_list" in first.inner_text()
    for number in range(3):
        first.locator(".forest summary").nth(number).click()
        browser.expect(first.locator(".forest summary")).to_have_count(number + 2)
    first.locator(".forest a").last.click()
    ready(view, "blocks")
    said = view.locator("#blocks .beside").inner_text()
    assert "It is indirectly lost" in said and "held by 0x" in said and "It holds 1 block" in said
    view.evaluate("location.hash = '#sites?find=draw'")
    ready(view, "sites")
    view.locator("#grid-sites .grid-row", has_text="16 bytes").first.click()
    view.get_by_role("link", name="Its 1 block").click()
    ready(view, "blocks")
    view.locator("#grid-blocks .grid-row").click()
    said = view.locator("#blocks .beside").inner_text()
    assert "It is still reachable" in said and "(anonymous namespace)::Square" in said and "picture in tour" in said
    view.evaluate("location.hash = '#flame?by=leaked'")
    ready(view, "flame")
    assert view.locator(".bar").first.get_attribute("aria-label") == "all: 11.7 KiB, 100 %"


def test_each_reachable_record_tells_the_ways_to_its_roots(tour, page):
    view = page(tour["ends"], "leaks")
    record = view.locator("#leaks .records > li").filter(has_text="in 800 blocks").first
    record.locator("summary").first.click()
    ways = record.locator(".ways-to-roots > details")
    assert re.match(r"108 KiB in 800 blocks ← \(anonymous namespace\)::fill_cache\(int, int\) \S*tour.cpp:\d+ ← main", ways.first.inner_text())
    assert ways.first.locator(".held-root").inner_text() == "(anonymous namespace)::cache in tour" and "open=0." in view.url
    ways.first.locator("summary").click()
    steps = ways.first.locator("li").all_inner_texts()
    assert len(steps) > 2 and steps[0].startswith("held by 0x") and "48 bytes" in steps[-2] and steps[-1] == "held by (anonymous namespace)::cache in tour"
    address = view.url
    view.keyboard.press("x")
    assert view.locator("#leaks .records > li > details[open]").count() == 0 and view.url.endswith("#leaks?open=none")
    view.go_back()
    browser.expect(record.locator("details").first).to_have_attribute("open", "")
    view.goto("about:blank")
    view.goto(address)
    ready(view, "leaks")
    assert ways.first.is_visible()
    view.keyboard.press("j")
    view.keyboard.press("j")
    view.keyboard.press("k")
    assert view.evaluate("document.activeElement.textContent").startswith("40 bytes in 1 block")


def test_without_a_script_leaks_say_who_holds_them(tour, chromium):
    context = chromium.new_context(java_script_enabled=False)
    view = context.new_page()
    view.goto((tour["ends"] / "report.html").as_uri())
    record = view.locator("#leaks .records > li").filter(has_text="in 800 blocks").first
    record.locator("summary").first.click()
    assert "Who holds the largest of them" in record.inner_text() and "held by (anonymous namespace)::cache in tour" in record.inner_text()
    for name in ("overview", "leaks", "sites", "blocks", "about"):
        assert view.locator(f"#{name}").is_visible()
    context.close()


def test_a_reading_of_bytes_is_in_the_address(tour, page):
    view = page(tour["ends"], "sites?find=draw")
    view.locator("#grid-sites .grid-row", has_text="24 bytes").first.click()
    view.get_by_role("link", name="Its 1 block").click()
    ready(view, "blocks")
    view.locator("#grid-blocks .grid-row").click()
    view.locator("section:not([hidden]) .beside select").focus()
    view.locator("section:not([hidden]) .beside select").select_option("f64")
    assert view.url.endswith("&as=f64") and "+8 3" in view.locator("section:not([hidden]) .beside .bytes").inner_text()
    assert view.evaluate("document.activeElement.tagName") == "SELECT"
    address = view.url
    view.go_back()
    browser.expect(view.locator("section:not([hidden]) .beside pre")).to_be_visible()
    view.goto("about:blank")
    view.goto(address)
    ready(view, "blocks")
    assert "+8 3" in view.locator("section:not([hidden]) .beside .bytes").inner_text()


def test_the_crash_is_drawn_and_explained(tour, page):
    view = page(tour["crash"], "crash")
    said = text(view, "crash")
    assert "block[0xffffff] = 1;" in said and "Registers" in said
    assert view.locator("svg .address-mark").count() == 1 and view.locator("svg rect").count() >= 1
    assert "bytes after a live block" in said
    view.get_by_text("Memory map").click()
    assert "[heap]" in text(view, "crash") or "libc" in text(view, "crash")


def test_sites_flame_graph_and_blocks(tour, page):
    view = page(tour["ends"], "sites?find=make_list")
    view.locator("#grid-sites .grid-row").first.click()
    assert "11.7 KiB in 300 blocks" in text(view, "sites")
    view.get_by_role("link", name="Its 300 blocks").click()
    ready(view, "blocks")
    in_sight(view).get_by_label("Text inside").fill("node number 299")
    browser.expect(view.locator("#grid-blocks .grid-row")).to_have_count(1)
    view.locator("#grid-blocks .grid-row").click()
    assert "Points to 1 block" in text(view, "blocks")
    view.locator("section:not([hidden]) .beside select").select_option("text")
    assert "node number 299" in view.locator("section:not([hidden]) .beside .bytes").inner_text()
    view.keyboard.press("g")
    view.keyboard.press("f")
    ready(view, "flame")
    assert view.locator(".bar[aria-label^='(anonymous namespace)::fill_cache']").count() >= 1


def test_time_by_call_stack_with_cursor_and_window(tour, page):
    view = page(tour["ends"], "time")
    said = text(view, "time")
    assert "fill_cache" in said and view.locator("section:not([hidden]) .chart .area").count() >= 2 and view.locator("section:not([hidden]) .chart .snapshot").count() >= 1
    status = view.locator("#time [role=status]")
    view.locator("section:not([hidden]) .chart").focus()
    view.keyboard.press("Home")
    before = status.inner_text()
    view.keyboard.press("End")
    assert before != status.inner_text() and "live in" in before
    box = view.locator("section:not([hidden]) .chart").bounding_box()
    view.mouse.move(box["x"] + 300, box["y"] + 100)
    view.mouse.down()
    view.mouse.move(box["x"] + 600, box["y"] + 120)
    view.mouse.up()
    assert "from=" in view.url and "to=" in view.url and view.get_by_role("button", name="Whole run").is_visible()
    view.keyboard.press("Escape")
    assert "from=" not in view.url
    in_sight(view).get_by_label("Show").select_option("rate")
    assert view.locator("section:not([hidden]) .chart .area").count() == 0 and "a second" in view.locator("section:not([hidden]) .chart svg").get_attribute("aria-label")
    for shown in ("rate", "blocks", ""):
        in_sight(view).get_by_label("Show").select_option(shown)
        assert view.evaluate("Math.min(...[...document.querySelectorAll('section:not([hidden]) .chart svg > text')].map((text) => text.getBBox().x))") >= 0, shown


def test_a_site_tells_its_histograms_and_growth(tour, page):
    view = page(tour["ends"], "sites?find=churn")
    view.locator("#grid-sites .grid-row").first.click()
    said = text(view, "sites")
    assert "Sizes of the blocks that ended" in said
    bars = view.locator("section:not([hidden]) .bars-box").first.get_attribute("aria-label")
    assert "blocks of 512 bytes to 1,023 bytes" in bars
    view.evaluate("location.hash = '#sites?find=fill_cache'")
    view.locator("#grid-sites .grid-row").first.click()
    assert "Over time" in view.locator("#sites .beside").inner_text()


def test_snapshots_are_compared_in_the_flame_graph(tour, page):
    view = page(tour["ends"], "snapshots")
    assert "1 early" in text(view, "snapshots") and "2 late" in text(view, "snapshots") and "by the program" in text(view, "snapshots")
    view.locator("#snapshot-1").get_by_role("link", name="flame graph").click()
    ready(view, "flame")
    assert in_sight(view).get_by_label("Compared with").input_value() == "snapshot1"
    label = view.locator(".bar[aria-label^='(anonymous namespace)::fill_cache']").first.get_attribute("aria-label")
    assert ", before " in label and view.locator(".bar.change1, .bar.change2").count() > 0
    in_sight(view).get_by_label("Show").select_option("snapshot1")
    assert view.locator(".bar.change0").count() > 0 and view.locator(".bar.change2").count() == 0


def bytes_in(amount):
    value, unit = amount.replace("−", "-").replace("±", "").replace("+", "").replace(",", "").split()
    return float(value) * {"KiB": 2**10, "MiB": 2**20}.get(unit, 1)


def test_any_two_moments_are_compared_by_call_stack(tour, page):
    view = page(tour["ends"], "snapshots")
    status, rows = view.locator("#snapshots [role=status]"), view.locator("#grid-snapshots .grid-row")
    assert in_sight(view).get_by_label("From", exact=True).input_value() == "snapshot1" and in_sight(view).get_by_label("to", exact=True).input_value() == "live"
    assert "blocks. Call stacks: " in status.inner_text() and " as they were." in status.inner_text()
    grown = rows.filter(has_text="fill_cache").first.inner_text()
    assert "grown" in grown and "+" in grown and "800 blocks" in grown
    in_sight(view).get_by_label("to", exact=True).select_option("snapshot1")
    assert rows.count() == 0 and status.inner_text().startswith("±0 bytes in ±0 blocks")
    view.go_back()
    view.keyboard.press("x")
    amounts = [abs(bytes_in(amount)) for amount in view.locator("#grid-snapshots .grid-row .number:nth-child(3)").all_inner_texts()]
    assert amounts == sorted(amounts, reverse=True) and len(amounts) > 1, "what has changed most is first, though all of it is gone"
    assert "from=live&to=snapshot1" in view.url and "shrunk" in rows.filter(has_text="fill_cache").first.inner_text()
    view.get_by_role("button", name="Blocks").click()
    blocks = [int(text.replace("−", "-").replace("+", "").replace("±", "").replace(",", "")) for text in view.locator("#grid-snapshots .grid-row .number:nth-child(4)").all_inner_texts()]
    assert blocks == sorted(blocks, key=abs, reverse=True) and blocks[-1] < -100
    in_sight(view).get_by_label("Only what is").select_option("new")
    assert "only=new" in view.url and all("new" in text for text in rows.all_inner_texts())
    in_sight(view).get_by_label("Only what is").select_option("")
    in_sight(view).get_by_label("Filter the changes").fill("FILL_cache")
    browser.expect(rows).to_have_count(3)
    rows.first.click()
    said = view.locator("#snapshots .beside").inner_text()
    assert "Before" in said and "(anonymous namespace)::fill_cache(int, int)" in said and "main" in said
    view.get_by_role("link", name="All about this call stack").click()
    ready(view, "sites")
    assert view.locator("#sites .beside").is_visible()


def test_a_comparison_is_a_page_with_a_table_and_a_flame_graph(tour, page):
    view = page(tour["ends"], "changes", name="compare.html")
    assert "in +" in view.locator(".verdict").inner_text() and "snapshots/1" in text(view, "changes")
    rows = view.locator("#grid-changes .grid-row")
    rows.filter(has_text="fill_cache").first.click()
    assert "Change" in view.locator("section:not([hidden]) .beside").inner_text() and "main" in view.locator("section:not([hidden]) .beside .stack").inner_text()
    view.get_by_role("link", name="Show in the flame graph").click()
    ready(view, "flame")
    assert in_sight(view).get_by_label("Compared with").input_value() == "old" and view.locator(".bar.change2, .bar.change1").count() > 0
    in_sight(view).get_by_label("Compared with").select_option("")
    assert view.locator(".bar.own").count() > 0
    view.go_back()
    view.keyboard.press("g")
    view.keyboard.press("d")
    ready(view, "changes")
    view.keyboard.press("m")
    assert "kB" in view.locator("#grid-changes").inner_text()


def test_every_stack_can_be_copied(tour, page):
    for end, view_name in (("ends", "leaks?open=0.1"), ("ends", "sites?site=0"), ("ends", "snapshots?site=0"), ("errors", "errors"), ("crash", "crash"), ("ends", "blocks?min=24&max=24")):
        view = page(tour[end], view_name, permissions=["clipboard-read", "clipboard-write"])
        if view_name.startswith("blocks"):
            view.locator("#blocks .grid-row").first.click()
        copies = in_sight(view).get_by_role("button", name="Copy stack")
        assert copies.count() >= (3 if end == "errors" else 1), view_name
        for number in range(min(2, copies.count())):
            copies.nth(number).click()
            copied = view.evaluate("navigator.clipboard.readText()").splitlines()
            assert copied[0].startswith("#0 ") and len(copied) >= 2 and re.search(r"main \(|worker\(|only the caller", "\n".join(copied)), (view_name, copied)
        view.locator("body").click(position={"x": 5, "y": 300})


def test_source_lines_open_the_editor_in_every_view(tour, page, tmp_path):
    for end in tour:
        shutil.copytree(tour[end], tmp_path / end)
        subprocess.run([*harness.CRUNCH, "-q", "--report", tmp_path / end, "--editor", "vscode://file{file}:{line}"], check=True)
    subprocess.run([*harness.CRUNCH, "-q", "--compare", tmp_path / "ends/snapshots/1", tmp_path / "ends", "--editor", "vscode://file{file}:{line}"], check=True)
    for end, file, view_name in (("ends", "report", "overview"), ("ends", "report", "leaks?open=0"), ("ends", "report", "sites?site=0"), ("ends", "report", "snapshots?site=0"),
                                 ("ends", "report", "time"), ("errors", "report", "errors"), ("crash", "report", "crash"), ("ends", "compare", "changes?site=0")):
        view = page(tmp_path / end, view_name, f"{file}.html")
        links = [each.get_attribute("href") for each in in_sight(view).locator("a.where").all()]
        opened = [each for each in links if each.startswith("vscode:")]
        assert opened and any(re.fullmatch(r"vscode://file/.*/tests/targets/tour.cpp:\d+", each) for each in opened), (view_name, links)


def test_threads_have_names_and_lead_to_their_blocks(tour, page):
    view = page(tour["ends"], "threads")
    said = text(view, "threads")
    assert "parser" in said and "writer" in said
    view.locator("#threads tr", has_text="parser").get_by_role("link").click()
    ready(view, "blocks")
    assert "thread=" in view.url and view.locator("#grid-blocks .grid-row").count() >= 1


def test_about_tells_options_versions_and_the_names_of_variables(tour, page):
    said = text(page(tour["ends"], "about"), "about")
    assert "--snapshot-every 1h" in said and "glibc 2." in said and "crunch 0." in said and "tour ends" in said
    assert "PATH" in said.split("Environment")[1] and os.environ["PATH"] not in said and "LD_PRELOAD" not in said
    assert "Nothing: the page holds everything" in said


def test_objects_have_the_names_of_their_classes(tour, page):
    view = page(tour["ends"], "sites?find=draw")
    view.locator("#grid-sites .grid-row", has_text="24 bytes").first.click()
    view.get_by_role("link", name="Its 1 block").click()
    ready(view, "blocks")
    view.locator("#grid-blocks .grid-row").click()
    said = text(view, "blocks")
    assert "(anonymous namespace)::Square" in said
    assert "(anonymous namespace)::Circle" in view.locator("section:not([hidden]) .beside .values").last.inner_text()


VIEWS = {("ends", "compare.html"): ["changes?site=0", "flame"], ("ends", "report.html"): ["overview", "leaks", "flame", "flame?up=1&find=cache", "sites?site=0", "time", "time?show=rate", "blocks", "snapshots?site=0", "threads", "about"],
         ("errors", "report.html"): ["errors"], ("crash", "report.html"): ["overview", "crash"]}


@pytest.mark.parametrize("scheme, width, rules", [("light", 1366, "{}"), ("dark", 1366, "{runOnly: ['color-contrast']}"), ("light", 390, "{}")])
def test_axe_finds_nothing(tour, page, scheme, width, rules):
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")
    found = {}
    for (end, file), views in VIEWS.items():
        view = page(tour[end], views[0], file, color_scheme=scheme, viewport={"width": width, "height": 900})
        view.evaluate(script)
        for name in views:
            view.evaluate("(hash) => { location.hash = hash; }", "#" + name)
            ready(view, name.split("?")[0])
            if name == "blocks":
                view.locator("#grid-blocks .grid-row").first.click()
            for box in view.locator("section:not([hidden]) > details").all():
                box.evaluate("box => { box.open = true; }")
            for violation in view.evaluate(f"axe.run({rules})")["violations"]:
                for node in violation["nodes"]:
                    found.setdefault(f"{violation['id']}: {violation['help']}", set()).add(f"{name}: {node['html'][:160]} {node['failureSummary'][-160:]}")
        view.keyboard.press("?")
        assert not [each["id"] for each in view.evaluate("axe.run('dialog')")["violations"]]
    assert not found, "\n".join(f"{rule}\n    " + "\n    ".join(sorted(places)[:4]) for rule, places in found.items())


@pytest.mark.parametrize("width", [320, 390, 768, 1366])
def test_nothing_sticks_out_sideways(tour, page, width):
    for (end, file), views in VIEWS.items():
        view = page(tour[end], views[0], file, viewport={"width": width, "height": 800})
        for name in views:
            view.evaluate("(hash) => { location.hash = hash; }", "#" + name)
            ready(view, name.split("?")[0])
            assert view.evaluate("document.documentElement.scrollWidth") <= width, name


def test_a_page_without_data_is_small(tmp_path):
    import folders
    from report import build, run

    out = folders.run_folder(tmp_path / "out")
    build.reports(run.load(out), ROOT / "templates", "crunch")
    assert (out / "report.html").stat().st_size < 300_000


def printed(view, tmp_path):
    """The view as a PDF: its pages as text, as pdftotext gives them."""
    path = tmp_path / "page.pdf"
    path.write_bytes(view.pdf(format="A4"))
    return subprocess.run(["pdftotext", "-layout", path, "-"], stdout=subprocess.PIPE, check=True).stdout.decode().rstrip("\f").split("\f")


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext is not installed")
def test_a_view_is_printed_whole_and_in_ink(tour, page, tmp_path):
    view = page(tour["ends"], "blocks", color_scheme="dark")
    pages = printed(view, tmp_path)
    assert "2,705 blocks, 228 KiB." in pages[0] and "The first 200 of 2,705 rows." in pages[-1] and 2 < len(pages) < 20
    assert sum(text.count("0x") for text in pages) == 200 and all(text.strip() for text in pages)
    for name, words in (("overview", "Most memory still allocated"), ("leaks", "nothing points at them any more"), ("flame", "Still allocated"), ("about", "--snapshot-every 1h")):
        view.evaluate(f"location.hash = '#{name}'")
        ready(view, name)
        said = printed(view, tmp_path)
        assert words in re.sub(r"\s+", " ", " ".join(said)), name
        assert len(said) <= 3
    view.emulate_media(media="print", color_scheme="dark")
    assert view.evaluate("getComputedStyle(document.body).color") == "rgb(27, 29, 32)" and view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not view.locator("nav").is_visible() and view.evaluate("[...document.querySelectorAll('button')].every((each) => !each.offsetParent)")
    view.emulate_media(media="screen")
    view.evaluate("location.hash = '#blocks'")
    ready(view, "blocks")
    assert view.locator("#grid-blocks .grid-row").count() < 60
