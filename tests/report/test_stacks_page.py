"""Call stacks on the page: the table of sites and the flame graph, by mouse, keyboard and address."""

import pytest

import browser
import folders
from browser import expect, in_sight, ready
from folders import site

pytestmark = browser.needed

NAMES = [b"main", b"load", b"grow", b"save", b"std::allocate(int)", b"<img src=x onerror=alert(1)>\xe2\x80\xae\xff" + b"x" * 65536, b"_start"]
MAIN, LOAD, GROW, SAVE, STD, EVIL, START = range(16, 23)
NODES = [(0, MAIN), (16, LOAD), (17, GROW), (16, SAVE), (0, START), (20, MAIN)]


@pytest.fixture
def stacks(tmp_path, monkeypatch):
    """main calls load (which calls grow and, below the C++ library, allocates) and save; one name is hostile."""
    return folders.perf_stacks(tmp_path / "maps", monkeypatch, NAMES, [
        site(17, GROW, allocations=4, bytes=4000, live_bytes=3000, live_blocks=3, lifetime_ns=2_000_000),
        site(18, STD, allocations=1, bytes=1000, live_bytes=1000, live_blocks=1),
        site(16, SAVE, allocations=100, bytes=50_000, temporary=100, epoch=1, peak_bytes=500, peak_blocks=1, lifetime_ns=1000),
        site(19, EVIL, allocations=1, bytes=8, live_bytes=8, live_blocks=1),
        site(4, MAIN, allocations=2, bytes=20, live_bytes=20, live_blocks=2),
        site(21, LOAD, allocations=1, bytes=2, live_bytes=2, live_blocks=1)], NODES)


@pytest.fixture
def folder(tmp_path, stacks):
    return folders.run_folder(tmp_path / "out", [(0x1000, 3000, 0), (0x2000, 1000, 0)], call_stacks=stacks)


def names(page):
    return page.locator("#grid-sites .grid-row .line .function").all_inner_texts()


def bars(page):
    return [text.split(":")[0] for text in page.eval_on_selector_all(".bar", "bars => bars.map(bar => bar.getAttribute('aria-label'))")]


def bar(page, name):
    return page.locator(f".bar[aria-label^='{name}:']")


def say(page):
    return page.locator("#flame [role=status]").inner_text()


def test_sites_are_sorted_by_what_lives_and_by_any_column(visit, folder):
    page = visit(folder, "#sites")
    assert names(page)[:3] == ["grow", "grow", "main"]
    page.get_by_role("button", name="Allocations").click()
    assert names(page)[:2] == ["save", "grow"] and page.locator("#sites [aria-sort=descending]").inner_text().startswith("Allocations")
    page.get_by_role("button", name="Allocations").click()
    assert names(page)[-1] == "save" and page.url.endswith("#sites?sort=allocations&down=0")
    row = page.locator("section:not([hidden]) .grid-row", has_text="2.9 KiB").inner_text()
    assert "3 blocks" in row and "2.0 ms" in row and "← load ← main" in row


def test_the_filter_looks_at_whole_stacks(visit, folder):
    page = visit(folder, "#sites")
    in_sight(page).get_by_label("Filter the call stacks").fill("LOAD")
    expect(page.locator("#grid-sites .grid-row")).to_have_count(3)
    assert names(page) == ["grow", "grow", "load"]
    assert "3 of 6 call stacks, 3.9 KiB still allocated (99 %)" in page.locator("#sites [role=status]").inner_text()
    assert page.url.endswith("find=LOAD")


def test_a_site_opens_by_keyboard_and_leads_to_the_flame_graph(visit, folder):
    page = visit(folder, "#sites")
    page.locator("#grid-sites").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("section:not([hidden]) .beside .stack .function").all_inner_texts() == ["std::allocate(int)", "grow", "load", "main"]
    assert page.url.endswith("#sites?site=1")
    page.get_by_role("link", name="Show in the flame graph").click()
    ready(page, "flame")
    assert "#flame?by=live&zoom=" in page.url and say(page).startswith("grow: 3.9 KiB")


def test_a_stack_is_copied_as_text(visit, folder):
    page = visit(folder, "#sites?site=1", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy stack").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "#0 std::allocate(int)\n#1 grow\n#2 load\n#3 main\n"


def test_a_block_links_to_its_site_and_a_site_to_its_blocks(visit, folder):
    page = visit(folder, "#blocks?at=0x2000")
    assert page.locator("section:not([hidden]) .beside .stack .function").all_inner_texts()[0] == "std::allocate(int)"
    page.get_by_role("link", name="this call stack").click()
    ready(page, "sites")
    assert page.url.endswith("#sites?site=1")
    page.get_by_role("link", name="Its 1 block").click()
    ready(page, "blocks")
    assert page.url.endswith("#blocks?site=1") and page.locator("#grid-blocks .grid-row").count() == 1
    page.get_by_role("button", name="Allocated by grow").click()
    assert page.locator("#grid-blocks .grid-row").count() == 2


def test_the_flame_graph_shows_each_value(visit, folder):
    page = visit(folder, "#flame")
    assert {"all", "main", "load", "grow", "std"} <= set(bars(page)) and bar(page, "load").first.get_attribute("aria-label") == "load: 3.9 KiB, 99 %"
    for measure, shown in [("total", "save: 48.8 KiB"), ("peak", "save: 508 bytes"), ("temporary", "save: 100 temporary allocations, 100 %")]:
        in_sight(page).get_by_label("Show").select_option(measure)
        assert bar(page, "save").first.get_attribute("aria-label").startswith(shown) and f"by={measure}" in page.url


def test_the_flame_graph_upside_down(visit, folder):
    page = visit(folder, "#flame?up=1&by=total")
    assert bar(page, "save").first.get_attribute("aria-label").startswith("save: 48.8 KiB") and bars(page)[1] == "save"
    bar(page, "std").click()
    assert bars(page)[:4] == ["all", "std", "grow", "load"]
    page.keyboard.press("u")
    assert bars(page)[0] == "all" and "up=" not in page.url and "zoom" not in page.url


def test_frames_are_focused_hidden_and_shown_again(visit, folder):
    page = visit(folder, "#flame")
    bar(page, "load").first.click(button="right")
    page.get_by_role("menuitem", name="Only stacks with this function").click()
    assert bar(page, "all").get_attribute("aria-label").startswith("all: 3.9 KiB") and "save" not in bars(page)
    bar(page, "load").first.focus()
    page.keyboard.press("h")
    assert "load" not in bars(page) and {"main", "grow"} <= set(bars(page))
    page.get_by_role("button", name="Without load").click()
    page.get_by_role("button", name="Only with load").click()
    assert "load" in bars(page) and page.url.endswith("#flame")
    page.keyboard.press("r")
    assert "_start" not in bars(page) and "std" not in bars(page) and in_sight(page).get_by_label("Hide runtime frames").is_checked()


def test_bars_are_merged_by_file_and_library(visit, folder):
    page = visit(folder, "#flame?merge=module")
    assert in_sight(page).get_by_label("Bars are").input_value() == "module"
    in_sight(page).get_by_label("Bars are").select_option("line")
    assert {"main", "load"} <= set(bars(page)) and page.url.endswith("merge=line")


def test_zoom_search_and_back_by_keyboard(visit, folder):
    page = visit(folder, "#flame")
    page.locator(".bar[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert say(page).startswith("load: 3.9 KiB") and "zoom=" in page.url
    assert bars(page)[:4] == ["all", "main", "load", "grow"] and page.evaluate("document.activeElement.className").startswith("bar")
    page.keyboard.press("/")
    page.keyboard.type("allocate")
    expect(page.locator(".bar.match")).to_have_count(1)
    assert "Found: 1,000 bytes, 25 %" in say(page) and "find=allocate" in page.url
    bar(page, "load").first.focus()
    page.keyboard.press("Escape")
    assert say(page).startswith("main: ")
    page.go_back()
    expect(page.locator("#flame [role=status]")).to_contain_text("load: ")


def test_very_many_narrow_bars_are_painted_and_can_be_used_all_the_same(visit, tmp_path, monkeypatch):
    names = [b"main", *(b"leaf%d" % n for n in range(420))]
    sites = [site(16, 17 + n, allocations=1, bytes=1000 - n, live_bytes=1000 - n, live_blocks=1) for n in range(420)]
    folder = folders.run_folder(tmp_path / "out", [(0x1000, 9, 0)], call_stacks=folders.perf_stacks(tmp_path / "maps", monkeypatch, names, sites, [(0, 16)]))
    page = visit(folder, "#flame")
    assert page.locator("#flame .bar").count() == 252 and page.locator("#flame canvas").count() == 1
    box = page.locator("#flame canvas").bounding_box()
    at = box["x"] + box["width"] - 12, box["y"] + 50
    page.mouse.move(*at)
    said = say(page)
    assert said.startswith("leaf4")
    colour = page.evaluate("([x, y]) => [...document.querySelector('#flame canvas').getContext('2d').getImageData(x * devicePixelRatio, y * devicePixelRatio, 3, 1).data]", [box["width"] - 13, 50])
    assert any(colour[4 * n + 3] == 255 for n in range(3))
    page.mouse.click(*at)
    page.wait_for_function("location.hash.includes('zoom=')")
    assert say(page).split(":")[0] == said.split(":")[0] and page.locator("#flame canvas").count() == 0
    page.keyboard.press("Escape")
    page.locator(".bar[aria-label='leaf249']").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "leaf250" and page.locator("#flame .bar").count() == 253
    page.mouse.click(*at, button="right")
    page.get_by_role("menuitem", name="Hide this function").click()
    page.wait_for_function("location.hash.includes('hide=')")


def test_an_address_brings_everything_back(visit, folder):
    page = visit(folder, "#flame")
    bar(page, "load").first.click()
    address = page.url.split("#")[1]
    page = visit(folder, "#" + address + "&find=grow")
    assert say(page).startswith("load: ") and page.locator(".bar.match").count() == 1
    page = visit(folder, "#flame?by=nonsense&zoom=-5&merge=__proto__&hide=x")
    assert say(page).startswith("all: ")
    page = visit(folder, "#constructor", "overview")
    assert page.locator("#overview").is_visible()


def test_the_graph_is_also_a_table(visit, folder):
    page = visit(folder, "#flame")
    page.locator("#flame summary").click()
    rows = page.locator("#flame tbody tr").all_inner_texts()
    assert rows[0].split("\t")[:2] == ["grow", "2.9 KiB"] and "3.9 KiB" in rows[0]


def test_hostile_names_do_nothing(visit, folder):
    page = visit(folder, "#sites?site=3")
    assert page.locator("img").count() == 0 and "<…>\\u202e\\xffxxx" in page.locator("section:not([hidden]) .beside").inner_text()
    assert page.locator(".function[title^='<img src=x onerror=alert(1)>']").count() > 0
    for hash_ in ("#flame?up=1", "#overview", "#sites?find=xxx"):
        page.goto(page.url.split("#")[0] + hash_)
        ready(page, hash_[1:].split("?")[0])
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"] and page.locator("img").count() == 0


@pytest.mark.parametrize("width", [320, 390, 1366])
def test_nothing_sticks_out_sideways(visit, folder, width):
    page = visit(folder, "#sites?site=0", viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(page.url.split("#")[0] + "#flame?up=1&focus=1&hide=2")
    ready(page, "flame")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_source_lines_open_the_editor_where_one_is_chosen(visit, tmp_path, monkeypatch):
    from report import symbols

    stacks = folders.perf_stacks(tmp_path / "maps", monkeypatch, [b"main"], [site(0, 16, allocations=1, bytes=3, live_bytes=3, live_blocks=1)], [(0, 16)])
    monkeypatch.setattr(symbols.Symbols, "_named", lambda self, pc, module, answer: (symbols.Frame("main", "/src/a b#.c", 7, 1, "/opt/prog", True),))
    folder = folders.run_folder(tmp_path / "out", [(0x10, 3, 0)], call_stacks=stacks)
    page = visit(folder, "#sites?site=0", editor="vscode://file{file}:{line}")
    assert page.locator("section:not([hidden]) .beside .stack a").get_attribute("href") == "vscode://file/src/a%20b%23.c:7"
    assert visit(folder, "#sites?site=0").locator("#sites .beside .stack a").count() == 0


def test_without_javascript_the_sites_and_their_stacks_are_there(chromium, folder):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(browser.write(folder))
    assert page.locator("#sites .function").all_inner_texts()[0] == "grow" and not page.locator("#flame").is_visible()
    page.locator("#sites summary").nth(1).click()
    assert page.locator("#sites .stack").nth(1).inner_text().split("\n") == ["std::allocate(int)", "grow", "load", "main"]
    text = page.locator("main").inner_text()
    assert "Stacks cut short" in text and "2 allocations: stack not readable" in text and "Most memory still allocated" in text
    context.close()


def test_a_page_that_leaves_stacks_out_says_so(visit, folder, monkeypatch):
    from report import stack_view

    monkeypatch.setattr(stack_view, "PAGE_SITES", 2)
    page = visit(folder, "#sites")
    assert "The page holds the 2 largest of 6 call stacks. Left out: 104 allocations" in page.locator("#sites").inner_text()
    assert len(names(page)) == 2
