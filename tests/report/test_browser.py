"""The page in a real browser: no error, no request, and everything can be reached."""

import pytest

import browser
import folders
from browser import expect, in_sight, ready
from report import block_file
from test_render import HOSTILE, hostile_folder

pytestmark = browser.needed


@pytest.fixture
def many(tmp_path):
    """300 blocks with contents, sizes 1 to 300, addresses against the order of sizes."""
    entries = [(0x1000000 - 0x1000 * size, size, 0) for size in range(1, 301)]
    return folders.run_folder(tmp_path / "out", entries + [(0x77, 72704, block_file.BLOCK_RUNTIME)],
                              {address: bytes(n % 256 for n in range(size)) for address, size, _ in entries})


def sizes(page):
    return page.locator("#grid-blocks .grid-row .number:nth-child(2)").all_inner_texts()


def test_blocks_scroll_without_end(visit, many):
    page = visit(many, "#blocks")
    assert sizes(page)[0] == "300 bytes" and len(sizes(page)) < 60
    assert page.locator("#grid-blocks").get_attribute("aria-rowcount") == "301"
    page.locator("#grid-blocks").focus()
    page.keyboard.press("End")
    assert sizes(page)[-1] == "1 byte" and page.locator("section:not([hidden]) .grid-row[aria-selected=true]").inner_text().split("\n")[0] == "0xfff000"


def test_a_click_on_a_heading_sorts(visit, many):
    page = visit(many, "#blocks")
    page.get_by_role("button", name="Size").click()
    assert sizes(page)[0] == "1 byte" and "down=0" in page.url
    page.get_by_role("button", name="Address").click()
    assert sizes(page)[0] == "1 byte" and page.locator("[aria-sort=descending]").inner_text().startswith("Address")
    page.go_back()
    assert sizes(page)[0] == "1 byte" and page.locator("[aria-sort=ascending]").inner_text().startswith("Size")


def test_blocks_are_filtered(visit, many):
    page = visit(many, "#blocks")
    status = page.locator("#blocks [role=status]")
    in_sight(page).get_by_label("Smallest size").fill("0.25k")
    expect(status).to_have_text("45 blocks, 12.2 KiB.")
    in_sight(page).get_by_label("Largest size").fill("257")
    expect(status).to_have_text("2 blocks, 513 bytes.")
    in_sight(page).get_by_label("Smallest size").fill("")
    in_sight(page).get_by_label("Text inside").fill("xyz{|")
    expect(status).to_have_text("133 blocks, 24.8 KiB.")
    in_sight(page).get_by_label("Text inside").fill("hex: fe ff 00")
    expect(status).to_have_text("1 block, 257 bytes.")
    page.goto(page.url.split("#")[0] + "#blocks?runtime=1&min=1000")
    assert sizes(page) == ["71.0 KiB"]


def test_a_blocks_bytes_as_hex_and_text_by_keyboard(visit, tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x7F00, 20, 0)], {0x7F00: b"Hello, <b>\0\xff World!"[:20]})
    page = visit(out, "#blocks")
    page.locator("#grid-blocks").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    text = page.locator("section:not([hidden]) .beside pre").inner_text()
    assert "000000  48 65 6c 6c 6f 2c 20 3c  62 3e 00 ff 20 57 6f 72" in text and "Hello, <b>·· Wor" in text
    assert page.locator("section:not([hidden]) .beside a", has_text="heap/").get_attribute("href") == "heap/0x7f00" and page.url.endswith("#blocks?at=0x7f00")
    page.keyboard.press("Escape")
    assert not page.locator("section:not([hidden]) .beside").is_visible() and page.url.endswith("#blocks")


def test_a_blocks_bytes_as_numbers_pointers_and_text(visit, tmp_path):
    inner, outer = b"the inner text\0".ljust(32, b"\1"), (0x7F08).to_bytes(8, "little") + (2.5).hex().encode() + (-2).to_bytes(4, "little", signed=True)
    outer = outer[:8] + b"\0\0\0\0\0\0\4\x40" + (-2).to_bytes(8, "little", signed=True)
    out = folders.run_folder(tmp_path / "out", [(0x7F00, 32, 0), (0x9000, 24, 0)], {0x7F00: inner, 0x9000: outer})
    page = visit(out, "#blocks?at=0x9000")
    beside = page.locator("#blocks .beside")
    assert "Points to 1 block" in beside.inner_text() and "0x7f00 + 8" in beside.inner_text() and "the inner text" in beside.inner_text()
    for reading, shown in [("f64", "+8 2.5"), ("i64", "+10 -2"), ("u64", "+10 18446744073709551614"), ("i8", "+10 -2"), ("ptr8", "+0 0x7f00 + 8"), ("u16", "+10 65534")]:
        page.locator("section:not([hidden]) .beside select").select_option(reading)
        assert shown in page.locator("section:not([hidden]) .beside .bytes").inner_text()
    page.locator("section:not([hidden]) .beside select").select_option("text")
    beside.get_by_role("link", name="0x7f00 + 8").first.click()
    assert page.url.endswith("at=0x7f08&as=text") and "byte 8 of it" in beside.inner_text()
    assert "the inner text" in page.locator("section:not([hidden]) .beside .bytes").inner_text()
    assert "Pointed to by 1 block" in beside.inner_text() and "0x9000" in beside.inner_text()
    page.go_back()
    assert "Points to 1 block" in beside.inner_text()


def test_a_link_to_a_block_opens_it(visit, many):
    page = visit(many, f"#blocks?at=0x{0x1000000 - 0x1000 * 3:x}")
    assert "000000  00 01 02" in page.locator("section:not([hidden]) .beside pre").inner_text()
    page = visit(many, "#blocks?at=0x5")
    assert "No remaining block holds 0x5" in page.locator("#blocks").inner_text()


def test_large_blocks_are_shown_in_steps(visit, tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x7F00, 100_000, 0)], {0x7F00: b"z" * 100_000})
    page = visit(out, "#blocks?at=0x7f00")
    assert "the first 65,536 of 100,000 bytes" in page.locator("section:not([hidden]) .beside").inner_text()
    page.get_by_role("button", name="Show all 65,536 bytes").click()
    assert "00fff0" in page.locator("section:not([hidden]) .beside pre").inner_text()


def test_hostile_data_does_nothing_in_a_browser(visit, tmp_path):
    page = visit(hostile_folder(tmp_path / "out"))
    assert page.locator("script").count() == 5 and "<script>alert(1)" in page.locator("h1").inner_text() + page.locator(".command").inner_text()
    page.goto(page.url.split("#")[0] + "#blocks?at=0x20")
    assert HOSTILE[:8].hex(" ") in page.locator("section:not([hidden]) .beside pre").inner_text()
    page.locator("section:not([hidden]) .beside select").select_option("text")
    assert "<script>alert(1)</script>" in page.locator("section:not([hidden]) .beside .bytes").inner_text() and "\u202e" not in page.locator("body").inner_text()


def test_the_policy_lets_nothing_out(chromium, tmp_path):
    page = chromium.new_page()
    page.goto(browser.write(folders.run_folder(tmp_path / "out")))
    said = []
    page.on("console", lambda message: said.append(message.text))
    assert page.evaluate("fetch('data:text/plain,x').then(() => 'fetched', () => 'refused')") == "refused"
    page.evaluate("document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/x.png' }))")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }))")
    assert page.evaluate("window.ran") is None and all("Content Security Policy" in text for text in said) and len(said) >= 3
    page.close()


def test_without_javascript_the_first_blocks_are_there(chromium, many):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(browser.write(many))
    assert page.locator("#blocks tbody tr").count() == 20 and "The 20 largest of 300" in page.locator("main").inner_text()
    assert page.locator("#overview").is_visible() and page.locator("#about").is_visible()
    assert "300 heap blocks of 44.1 KiB in all were never freed" in page.locator(".verdict").inner_text()
    context.close()


def test_units_are_binary_or_decimal(visit, many):
    page = visit(many)
    assert "44.1 KiB" in page.locator(".cards").inner_text()
    page.get_by_role("button", name="switch to units of 1,000").click()
    assert "45.1 kB" in page.locator(".cards").inner_text()
    page.goto(page.url.split("#")[0] + "#blocks")
    ready(page, "blocks")
    assert "45.1 kB" in page.locator("#blocks [role=status]").inner_text()
    page.keyboard.press("m")
    assert "44.1 KiB" in page.locator("#blocks [role=status]").inner_text()


def test_keys_lead_everywhere_and_are_listed(visit, many):
    page = visit(many)
    page.keyboard.press("g")
    page.keyboard.press("b")
    ready(page, "blocks")
    assert page.locator("#blocks").is_visible() and not page.locator("#overview").is_visible()
    page.keyboard.press("?")
    assert "Search inside blocks" in page.get_by_role("dialog").inner_text() and "g a" in page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("?m")
    assert in_sight(page).get_by_label("Text inside").input_value() == "?m" and not page.get_by_role("dialog").is_visible()
    page.go_back()
    ready(page, "overview")
    assert page.locator("nav [aria-current]").inner_text() == "Overview"


@pytest.mark.parametrize("width", [320, 390, 768, 1366])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_sideways(visit, tmp_path, width, scheme):
    page = visit(hostile_folder(tmp_path / "out"), viewport={"width": width, "height": 800}, color_scheme=scheme)
    for hash_ in ("overview", "crash", "blocks?at=0x20", "processes", "about"):
        page.goto(page.url.split("#")[0] + "#" + hash_)
        ready(page, hash_.split("?")[0])
        assert page.evaluate("document.documentElement.scrollWidth") <= width
