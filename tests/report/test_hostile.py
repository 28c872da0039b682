"""Hostile names on a real recording, in every place of the page and of the terminal where a program or its surroundings choose a name."""

import os
import re
import shutil
import subprocess
import sys
import unicodedata

import pytest

import browser
from browser import ready
from conftest import ROOT

sys.path.append(str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402 (found through the line above)

pytestmark = [browser.needed, pytest.mark.skipif(not harness.LIBRARY.exists(), reason="the library is not built: run 'make'")]
TURNED, SHOWN = "\u202e\x1b[2J", "\\u202e\\x1b[2J"
ALERT, VARIABLE = "<img src=x onerror=alert`{}`>", "<script>alert('environment')</script>"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Run folders by how the program ended, what the terminal said, and a comparison; all in a folder with such a name itself."""
    folder = tmp_path_factory.mktemp("hostile") / ALERT.format("folder").replace("/", "") / TURNED
    folder.mkdir(parents=True)
    program, library = (str(folder / (ALERT.format(name) + TURNED)) for name in ("program", "library"))
    shutil.copy(harness.target("hostile"), program)
    shutil.copy(harness.target("plugin_leak", "-shared"), library)
    runs, said = {}, {}
    for end in ("ends", "errors", "crash"):
        result, run = harness.crunch(folder / f"out {end}", program, end, library, ALERT.format("argument") + TURNED, "bytes \udcff\udcfe", cwd=folder,
                                     env={VARIABLE + TURNED: "value"})
        runs[end], said[end] = run.path, result.stdout + result.stderr
    done = subprocess.run([*harness.CRUNCH, "--compare", runs["ends"] / "snapshots" / "1", runs["errors"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    said["compare"] = done.stdout
    said["list"] = subprocess.run([*harness.CRUNCH, "--list"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
    said["report"] = subprocess.run([*harness.CRUNCH, "--report", runs["errors"], "--print-suppressions"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout
    said["missing"] = harness.crunch(folder / "out none", str(folder / (ALERT.format("missing") + TURNED)), cwd=folder)[0].stderr
    return runs, said


@pytest.fixture
def look(chromium):
    """Opens a page and says what a view holds; afterwards no script of the data's may have run, and nothing may have been asked for."""
    contexts, troubles = [], []

    def start(path, hash_="", click=""):
        context = chromium.new_context(viewport={"width": 1366, "height": 850})
        contexts.append(context)
        page = browser.new_page(context, troubles)
        page.goto(path.as_uri() + "#" + hash_)
        ready(page, hash_.split("?")[0])
        if click:
            page.locator(f"#{hash_.split('?')[0]} {click}").first.click()
        assert page.locator("img, b, i:not([class])").count() == 0
        return page

    yield start
    for context in contexts:
        context.close()
    assert troubles == []


def wild(text: str):
    """Characters that move the cursor, turn the direction or have no shape."""
    return {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") and char not in "\n\t"}


PLACES = [  # view, what to click, what must be there to be read
    ("ends", "overview", "", ["program", "argument", "function"]),
    ("ends", "about", "", ["folder", "program", "argument"]),
    ("ends", "leaks?open=0.1.2.3.4", ".ways-to-roots summary", ["function", "variable", "source"]),
    ("ends", "flame", "", ["function", "section"]),
    ("ends", "flame?up=1&merge=file", "", ["source"]),
    ("ends", "flame?merge=module", "", ["program"]),
    ("ends", "sites?find=section", ".grid-row", ["function", "source", "section"]),
    ("ends", "time", "", ["function"]),
    ("ends", "blocks?min=200&max=200", ".grid-row", ["function", "source", "variable"]),
    ("ends", "blocks?min=200&max=200&as=text", ".grid-row", ["contents"]),
    ("ends", "snapshots", ".grid-row", ["snapshot", "function"]),
    ("ends", "threads", "", []),
    ("errors", "errors", "", ["function", "source"]),
    ("crash", "overview", "", ["program"]),
    ("crash", "crash", "", ["source"]),
    ("compare", "changes", ".grid-row", ["folder", "program"]),
    ("compare", "flame", "", ["function"]),
]


@pytest.mark.parametrize("run, hash_, click, places", PLACES)
def test_hostile_names_are_only_text(hostile, look, run, hash_, click, places):
    runs, _ = hostile
    path = runs["errors"] / "compare.html" if run == "compare" else runs[run] / "report.html"
    page = look(path, hash_, click)
    text = page.locator("#" + hash_.split("?")[0]).evaluate("view => view.textContent + [...view.querySelectorAll('[aria-label], [title]')].map(each => each.title + each.ariaLabel)"
                                                           " + [...view.querySelectorAll('option')].map(each => each.textContent)")
    for place in places:
        assert ALERT.format(place) in text, place
    assert hash_ != "about" or VARIABLE + SHOWN in text
    assert SHOWN in text and not wild(text.replace("\xa0", " "))
    assert not wild(page.title()) and page.evaluate("document.documentElement.scrollWidth") <= 1366


def test_the_files_themselves_hold_no_wild_characters(hostile):
    for path in [*hostile[0]["ends"].glob("*.html"), *hostile[0]["errors"].glob("*.html"), *hostile[0]["crash"].glob("*.html")]:
        text = path.read_text("utf-8")
        assert not wild(text) and "<img" not in text and text.count("<script") == text.count("</script>") <= 7, path.name


def test_a_function_of_64_kib_has_a_name_everywhere_and_is_found(hostile, look):
    page = look(hostile[0]["ends"] / "report.html", "sites?find=sixteen", ".grid-row")
    assert "sixteen_chars" in page.locator("#sites .beside").inner_text() and page.locator("#sites .grid-row").count() == 1
    for hash_ in ("leaks", "flame?by=leaked", "overview", "blocks?min=500&max=500"):
        page.evaluate(f"location.hash = '#{hash_}'")
        ready(page, hash_.split("?")[0])
        assert "sixteen_chars" in page.locator("#" + hash_.split("?")[0]).inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1366


@pytest.mark.parametrize("which, places", [("ends", ["section", "source", "folder"]), ("errors", ["source", "folder"]), ("crash", ["folder"]), ("compare", ["folder", "program"]), ("list", []),
                                           ("report", ["folder"]), ("missing", ["missing"])])
def test_the_terminal_is_told_escapes(hostile, which, places):
    said = hostile[1][which].decode("utf-8")  # all of it is valid UTF-8
    assert not wild(said)
    for place in places:
        assert ALERT.format(place) in said, said
    assert not places or SHOWN in said


def test_files_that_one_prints_hold_no_wild_characters(hostile):
    seen = set()
    for folder in hostile[0].values():
        for path in (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "heap" and path.name not in ("recording", "blocks")):
            assert not wild(path.read_text("utf-8")), path.name
            seen.add(path.name)
    assert {"fatal", "maps", "errors", "stats", "snapshot", "report.html"} <= seen
    fatal = (hostile[0]["crash"] / "fatal").read_text("utf-8")
    assert ALERT.format("program").replace(" ", "\\040") + "\\342\\200\\256\\033[2J" in fatal and ALERT.format("source") + SHOWN in fatal
    assert "name " + ALERT.format("snapshot") + "\\342\\200\\256\\033[2J\\377" in (hostile[0]["ends"] / "snapshots" / "1" / "snapshot").read_text("utf-8")


def test_messages_about_such_a_folder_are_told_in_escapes(hostile, tmp_path):
    folder = tmp_path / TURNED
    shutil.copytree(hostile[0]["ends"], folder)
    for name, data in (("recording", b"CRUNCH"), ("blocks", b"?" * 100), ("stats", b"nothing")):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(data)
        for options in (("--report",), ("--export", "json")):
            done = subprocess.run([*harness.CRUNCH, *options, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            said = done.stderr.decode("utf-8")
            assert SHOWN in said and not wild(said) and "Traceback" not in said, (name, said)
        (folder / name).write_bytes(kept)


def test_exports_hold_such_names_in_their_own_quoting(hostile):
    for kind in ("folded", "csv", "xml", "json", "speedscope", "dhat", "massif"):
        done = subprocess.run([*harness.CRUNCH, "--export", kind, hostile[0]["ends"]], stdout=subprocess.PIPE, check=True)
        text = done.stdout.decode("utf-8")
        assert not wild(text.replace("\r\n", "\n")) and re.search("onerror", text), kind
    assert os.path.exists(hostile[0]["ends"])
