"""Two runs compared: by names, not by addresses, and what is told of it."""

import re
import subprocess
import sys

import pytest

import folders
from conftest import ROOT
from report import compare, compare_page, run

NAMES = [b"leaf", b"same", b"more", b"less", b"gone", b"fresh<b>", b"main"]
LEAF, SAME, MORE, LESS, GONE, FRESH, MAIN = range(16, 23)
NODES = [(0, MAIN), *((16, pc) for pc in (SAME, MORE, LESS, GONE, FRESH))]  # node 17 is `same` under `main`, and so on


def live(node, size, blocks, pc=LEAF, **more):
    return folders.site(node, pc, allocations=blocks, bytes=size, live_bytes=size, live_blocks=blocks, **more)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    def made(name, sites):
        stacks = folders.perf_stacks(tmp_path / "maps", monkeypatch, NAMES, sites, NODES)
        return run.load(folders.run_folder(tmp_path / name, call_stacks=stacks))
    old = made("old", [live(17, 10, 1), live(18, 100, 2), live(19, 1000, 3), live(20, 50, 1), live(17, 5, 1)])
    new = made("new", [live(17, 15, 2), live(19, 400, 2), live(18, 300, 2), live(21, 7, 1),
                       folders.site(18, LEAF, allocations=4, bytes=400)])
    return old, new


def test_each_kind_of_change(runs):
    found = compare.compare(*runs)
    assert [(change.stack[1].name, change.kind, change.bytes, change.blocks) for change in found.changes] == [
        ("more", "grown", 200, 0), ("fresh<b>", "new", 7, 1), ("gone", "gone", -50, -1), ("less", "shrunk", -600, -1)]
    assert (found.bytes, found.blocks) == (-443, -1)
    assert compare.sentence(found) == "−443 bytes in −1 block: 1 call stack new, 1 grown, 1 shrunk, 1 gone"


def test_a_run_and_itself(runs):
    found = compare.compare(runs[0], runs[0])
    assert found.changes == [] and compare.sentence(found).startswith("±0 bytes in ±0 blocks: 0 call stacks new")


def test_more_blocks_of_as_many_bytes_have_grown():
    assert compare.Change([], 10, 1, 10, 2).kind == "grown" and compare.Change([], 10, 2, 10, 2).kind == ""


def crunch(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "crunch.py"), *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_command(runs, tmp_path):
    old, new = (each.folder for each in runs)
    done = crunch("--compare", new, old, "--fail-if-grown", "443")
    assert done.returncode == 0 and "+443 bytes in +1 block" in done.stdout and (old / "compare.html").exists()
    failed = crunch("-n", "--fail-if-grown", "442", "--compare", new, old)
    assert failed.returncode == 1 and failed.stdout.endswith("\nfailed: it has grown by more than 442 bytes\n")
    assert crunch("--compare", old, new, "--fail-if-grown", "0", "-n").returncode == 0
    shown = crunch("--compare", old, new, "--max-listed", "1", "-o", tmp_path / "here.html").stdout.splitlines()
    assert shown[3].split()[:2] == ["shrunk", "−600"] and "and 3 more" in shown[4] and shown[5].endswith("here.html")
    refused = crunch("--compare", old, tmp_path)
    assert refused.returncode == 125 and refused.stderr.endswith("is no run folder of crunch\n")


def test_the_page_escapes_and_says_what_it_leaves_out(runs, monkeypatch, tmp_path):
    monkeypatch.setattr(compare_page, "FIRST_ROWS", 2)
    monkeypatch.setattr(compare_page, "MOST_STACKS", 3)
    compare_page.write(compare.compare(*runs), tmp_path / "page.html", ROOT / "templates", "v")
    text = (tmp_path / "page.html").read_text()
    assert "fresh<b>" not in text and "2 more are left out" in text and "The 2 that changed most, of 4" in text
    assert len(re.findall("<tr>", text)) == 3 and 'class="tag shrunk"' in text and "script-src &#39;sha256-" in text
