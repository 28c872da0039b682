"""The page: complete, self-contained, and safe whatever stands in a run folder."""

import json
import re
from html.parser import HTMLParser

import pytest

import folders
from conftest import ROOT
from report import block_file, block_view, build, contents, model, reader, render, run, words
from report.errors import CrunchError

TEMPLATES = ROOT / "templates"
HOSTILE = b"<script>alert(1)</script>\"'>&amp;\xe2\x80\xae\xff\x1b[2J</title></script><!--"


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


def page_of(folder):
    build.reports(run.load(folder), TEMPLATES, "crunch 0.1.0")
    return (folder / "report.html").read_text("utf-8")


def hostile_folder(path):
    """Everything that comes from outside is hostile."""
    out = folders.run_folder(
        path, [(0x10, 4, 0), (0x20, len(HOSTILE), 0), (0x30, 8, block_file.BLOCK_RUNTIME)], {0x20: HOSTILE},
        fatal="SIGSEGV " + HOSTILE.decode("latin-1") + "\nsignal " + HOSTILE.decode("latin-1") + "\n",
        arguments=[HOSTILE, HOSTILE], message=HOSTILE, end="signal SIGSEGV")
    folders.run_folder(out / "children" / "12", arguments=[HOSTILE])
    (out / "recording").write_bytes(folders.recording(
        arguments=[HOSTILE], facts={"exe": HOSTILE, HOSTILE.decode("latin-1").replace("=", ""): HOSTILE}, message=HOSTILE))
    return out


def test_hostile_data_stays_text(tmp_path):
    page = page_of(hostile_folder(tmp_path / "out"))
    found = Elements(page)
    assert found.names.count("script") == 5 and "<!--" not in page and "alert(1)</" not in page
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "\u202e" not in page and "\x1b" not in page
    assert "\\u202e\\xff\\x1b[2J" in page and "&lt;script&gt;alert(1)" in page


def test_json_cannot_leave_its_element():
    text = render.script_json(["</script><!--", "\u2028", "\udcff"])
    assert "<" not in text and json.loads(text) == ["</script><!--", "\u2028", "\udcff"]


def test_the_page_needs_and_may_fetch_nothing(tmp_path):
    page = page_of(folders.run_folder(tmp_path / "out", [(0x10, 4, 0)]))
    found = Elements(page)
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(found.names)
    assert not [value for name, value in found.attributes if name == "src" or (name == "href" and ":" in (value or ""))]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src &#39;none&#39;; style-src &#39;sha256-") and "unsafe" not in policy


def test_without_a_script_the_answer_is_there(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(0x7F828A402AF0, 10, 0)], {0x7F828A402AF0: b"0123456789"},
                             fatal="SIGSEGV illegal access: address 0x0\nsignal SIGSEGV\ncause address not mapped\n",
                             end="signal SIGSEGV")
    text = Elements(page_of(out)).text
    for words in ("Crashed: SIGSEGV illegal access: address 0x0", "1 heap block of 10 bytes was still allocated",
                  "0x7f828a402af0", "address not mapped", "./prog x"):
        assert words in text


@pytest.mark.parametrize("values, entries, tone, headline", [
    ({}, [], "good", "Every heap block was freed"),
    ({}, [(1, 2, block_file.BLOCK_RUNTIME)], "good", "Every heap block was freed"),
    ({}, [(1, 2, 0)], "warn", "1 heap block of 2 bytes was never freed"),
    ({}, [(1, 2, 0), (9, 2, 0)], "warn", "2 heap blocks of 4 bytes in all were never freed"),
    ({"end": "signal SIGTERM"}, [], "warn", "Ended by SIGTERM"),
    ({"end": "signal SIGABRT"}, [], "bad", "Crashed: SIGABRT"),
    ({"end": "exec"}, [], "warn", "Replaced itself with another program"),
])
def test_the_verdict_in_words(tmp_path, values, entries, tone, headline):
    verdict = model.verdict(run.load(folders.run_folder(tmp_path / "out", entries, **values)))
    assert (verdict.tone, words.SIZED.sub(r"\3", verdict.headline)) == (tone, headline)


def test_what_the_page_leaves_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(block_view, "PAGE_BLOCKS", 5)
    monkeypatch.setattr(contents, "READ_BYTES", 4096)
    out = folders.run_folder(tmp_path / "out", [(0x1000 * n, 2000, 0) for n in range(1, 9)],
                             {0x1000 * n: b"x" * 2000 for n in range(1, 9)}, heap_left_out_files=2, heap_left_out_bytes=10)
    text = Elements(page_of(out)).text
    assert text.count("The page lists the 5 largest of 8 blocks") == 2 == text.count("The contents of 2 blocks (10 bytes) were not kept")  # in its view, and in About
    assert "Of 5 larger blocks the page holds the first 256 bytes" in text


def test_a_killed_run_has_a_page_that_says_what_is_missing(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(1, 2, 0)], fatal="SIGKILL\nsignal SIGKILL\n", end="signal SIGKILL")
    (out / "blocks").unlink()
    text = Elements(page_of(out)).text
    assert "Ended by SIGKILL" in text and "SIGKILL leaves a program no time to list its blocks" in text


def test_a_run_without_a_recording_has_a_page(tmp_path):
    out = folders.run_folder(tmp_path / "out", [(1, 2, 0)])
    (out / "recording").unlink()
    assert "could not be kept on disk" in page_of(out)


def test_children_have_lines_and_pages_and_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "RENDERED_CHILDREN", 2)
    monkeypatch.setattr(build, "READ_CHILDREN", 4)
    out = folders.run_folder(tmp_path / "out")
    for pid in range(10, 15):
        folders.run_folder(out / "children" / str(pid), [(1, pid, 0)])
    text = Elements(page_of(out)).text
    assert (out / "children/13/report.html").exists() and (out / "children/12/report.html").exists()
    assert not (out / "children/11/report.html").exists()
    assert "1 more processes are not listed" in text and "The 2 processes with most remaining bytes have a page" in text


def test_children_that_run_or_are_damaged_do_not_spoil_the_page(tmp_path):
    out = folders.run_folder(tmp_path / "out")
    folders.run_folder(out / "children" / "10")
    (out / "children/10/recording").write_bytes(b"damage")
    running = out / "children" / "11"
    running.mkdir()
    (running / "recording").write_bytes(folders.recording(state=reader.RUNNING, pid=1))
    folders.run_folder(out / "children" / "12", [(1, 2, 0)])
    (out / "children/12/blocks").write_bytes(b"damage")
    text = Elements(page_of(out)).text
    assert "still running" in text and text.count("is damaged") == 2


def test_a_folder_that_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(CrunchError, match="no run folder"):
        page_of(tmp_path)
