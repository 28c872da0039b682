"""The exports: golden files for what each says, and for each a reader that is not ours, where there is one on this machine."""

import csv
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import folders
from folders import site
from report import exports, problems, run, symbols
from report.errors import CrunchError
from report.exports import flat

MAIN, LOAD, GROW, STD, EVIL = range(16, 21)  # of the fixture `recorded`
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def typical(recorded):
    """Some of everything, one name hostile."""
    return recorded(site(17, GROW, allocations=5, bytes=700, live_bytes=300, live_blocks=3, temporary=1, lifetime_ns=9000),
                    site(18, STD, allocations=2, bytes=50, epoch=1, peak_bytes=50, peak_blocks=2, lifetime_ns=4000),
                    site(16, EVIL, allocations=1, bytes=4, live_bytes=4, live_blocks=1),
                    site(1, MAIN, allocations=9, bytes=90, temporary=9))


@pytest.mark.parametrize("kind", [kind for kind in exports.FORMATS if kind != "pprof"])
def test_each_format_says_what_it_said(typical, kind):
    """To renew a golden file after a wanted change, delete it, run the test, and read the difference."""
    said = exports.render(typical, kind, "live", "crunch 1").replace(str(typical.folder).encode(), b"FOLDER")
    golden = GOLDEN / kind
    if not golden.exists():
        golden.write_bytes(said)
        pytest.fail(f"{golden} was missing and has been written: look at it")
    assert said == golden.read_bytes()


def test_folded_stacks(typical):
    lines = exports.render(typical, "folded", "live", "x").decode().splitlines()
    assert lines == ["main;load;grow 300", "main;ev:il\\x1b[2J <b> 4"]
    assert "[frames missing: no unwind table for the code, and no frame pointer];main 9" in exports.render(
        typical, "folded", "allocations", "x").decode()


def test_stacks_that_read_alike_are_one_line(recorded):
    found = recorded(site(17, GROW, bytes=1, slot=0), site(17, GROW, bytes=2, slot=1))
    assert exports.render(found, "folded", "bytes", "x") == b"main;load;grow 3\n"


def test_speedscope_follows_its_schema(recorded):
    """The rules of speedscope's file-format-schema.json for sampled profiles, field by field."""
    found = recorded(site(17, GROW, live_bytes=300, live_blocks=3), site(16, EVIL, live_bytes=4, live_blocks=1))
    document = json.loads(exports.render(found, "speedscope", "live", "crunch 1"))
    assert set(document) <= {"$schema", "shared", "profiles", "name", "activeProfileIndex", "exporter"}
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json" and isinstance(document["exporter"], str)
    frames = document["shared"]["frames"]
    for frame in frames:
        assert isinstance(frame["name"], str) and set(frame) <= {"name", "file", "line", "col"}
        assert isinstance(frame.get("file", ""), str) and isinstance(frame.get("line", 0), int) and isinstance(frame.get("col", 0), int)
    profile, = document["profiles"]
    assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
    assert profile["type"] == "sampled" and isinstance(profile["name"], str)
    assert profile["unit"] in {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}
    assert len(profile["samples"]) == len(profile["weights"]) and all(isinstance(weight, int) for weight in profile["weights"])
    assert all(0 <= index < len(frames) for sample in profile["samples"] for index in sample)
    assert (profile["startValue"], profile["endValue"]) == (0, 304)
    assert [[frames[index]["name"] for index in sample] for sample in profile["samples"]] == [
        ["main", "load", "grow"], ["main", "ev;il\\x1b[2J <b>"]]


@pytest.mark.parametrize("kind, value, words", [("svg", "live", ", ".join(exports.FORMATS)), ("folded", "sum", "live, peak, bytes, allocations, temporary")])
def test_unknown_formats_and_values_are_refused_with_the_known_ones(recorded, kind, value, words):
    with pytest.raises(CrunchError, match=words):
        exports.render(recorded(), kind, value, "x")


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_without_a_recording_there_is_no_export(recorded, kind):
    found = recorded()
    (found.folder / "recording").unlink()
    with pytest.raises(CrunchError, match="has no call stacks"):
        exports.render(run.load(found.folder), kind, "live", "x")


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_a_run_without_allocations_is_exported_too(recorded, kind):
    assert isinstance(exports.render(recorded(), kind, "live", "x"), bytes)


def test_a_frame_knows_no_more_than_it_must():
    frame = symbols.Frame("f", "", 0, 0, "", True)
    assert flat.folded_name(symbols.Frame("a;b\nc", "", 0, 0, "", True)) == "a:b c" and flat._frame(frame) == {"name": "f"}


def pprof(data, tmp_path, *options):
    go = shutil.which("go")
    if not go:
        pytest.skip("no go")
    (tmp_path / "x.pprof").write_bytes(data)
    try:
        done = subprocess.run([go, "tool", "pprof", *options, str(tmp_path / "x.pprof")], capture_output=True, text=True, timeout=30,
                              env={**os.environ, "PPROF_TMPDIR": str(tmp_path)}, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("this go has to build its pprof first, which takes too long")
    if "no such tool" in done.stderr:
        pytest.skip("this go has no pprof")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pprof_reads_every_value(typical, tmp_path):
    data = exports.render(typical, "pprof", "peak", "crunch 1")
    raw = pprof(data, tmp_path, "-raw")
    types = next(line for line in raw.splitlines() if "inuse_space" in line)
    assert types.split() == ["alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes",
                             "peak_objects/count", "peak_space/bytes[dflt]", "temporary_objects/count"]
    samples = {tuple(map(int, line.split(":")[0].split())) for line in raw.splitlines() if line.strip()[:1].isdigit() and ":" in line
               and len(line.split(":")[0].split()) == 7}
    assert samples == {(5, 700, 3, 300, 3, 300, 1), (2, 50, 0, 0, 2, 50, 0), (1, 4, 1, 4, 1, 4, 0), (9, 90, 0, 0, 0, 0, 9)}
    top = pprof(data, tmp_path, "-top", "-sample_index=alloc_space")
    assert "844B total" in top and any(line.split()[0] == "700B" and line.endswith(" grow") for line in top.splitlines() if line.split())


def test_pprof_is_the_same_bytes_for_the_same_run(typical):
    assert len({exports.render(typical, "pprof", "live", "crunch 1") for _ in range(2)}) == 1


def test_a_spreadsheet_takes_no_name_for_a_formula(recorded, monkeypatch):
    from report.exports import table
    assert [table._cell(text) for text in ("=1+1", "+x", "-x", "@x", "main")] == ["'=1+1", "'+x", "'-x", "'@x", "main"]
    rows = list(csv.DictReader(io.StringIO(exports.render(recorded(site(17, GROW, live_bytes=3, live_blocks=1)), "csv", "live", "x").decode())))
    assert rows[0]["function"] == "grow" and rows[0]["live_bytes"] == "3" and rows[0]["stack"] == "grow < load < main"


def test_the_json_follows_its_schema(typical):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).resolve().parents[2] / "docs" / "model.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(exports.render(typical, "json", "live", "crunch 1"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert [[row["node"] for row in document["sites"]]] and all(0 <= parent < number for number, (parent, _) in enumerate(document["nodes"]) if number)


def test_dhats_viewer_shows_it(typical, tmp_path):
    """valgrind's own page, in a browser, with the file chosen as its user would."""
    viewer = next((path for path in (Path("/usr/libexec/valgrind/dh_view.html"), Path("/usr/lib/valgrind/dh_view.html")) if path.exists()), None)
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not viewer or not chromium:
        pytest.skip("no dh_view.html or no browser")
    (tmp_path / "x.dhat").write_bytes(exports.render(typical, "dhat", "live", "crunch 1"))
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        failures = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(viewer.as_uri())
        page.set_input_files("input[type=file]", str(tmp_path / "x.dhat"))
        page.get_by_text("PP 1/").wait_for(timeout=10_000)
        shown = page.inner_text("body")
        browser.close()
    assert not failures and "844 bytes" in shown and "grow" in shown


def test_ms_print_shows_the_peak(typical, tmp_path):
    if not shutil.which("ms_print"):
        pytest.skip("no ms_print")
    (tmp_path / "massif.out").write_bytes(exports.render(typical, "massif", "live", "crunch 1"))
    shown = subprocess.run(["ms_print", str(tmp_path / "massif.out")], capture_output=True, text=True, check=True)
    assert "(peak)" in shown.stdout and "grow" in shown.stdout and not shown.stderr


def test_a_reader_of_valgrinds_xml_finds_the_errors(recorded, tmp_path):
    parse = pytest.importorskip("ValgrindCI.parse")
    ours = recorded(site(17, GROW, live_bytes=3, live_blocks=1), errors=[folders.error(problems.DOUBLE_FREE, stack=18, allocated=17)])
    (tmp_path / "x.xml").write_bytes(exports.render(ours, "xml", "live", "crunch 1"))
    theirs = parse.ValgrindData()
    theirs.parse(str(tmp_path / "x.xml"))
    assert theirs.list_error_kinds() == ["InvalidFree"] and theirs.get_num_errors() == 1
    frames = ElementTree.parse(tmp_path / "x.xml").getroot().findall("error/stack")[0]
    assert [frame.findtext("fn") for frame in frames] == ["grow", "load", "main"]  # theirs reads only frames in files
