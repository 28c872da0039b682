"""What is kept of the templates between runs: it saves time, and changes nothing."""

import os
import subprocess
import sys

import pytest

import folders
from conftest import ROOT
from report import build, run, templates

FOLDER = ROOT / "templates"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of what is compiled, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "crunch" / "templates"


@pytest.fixture
def page(tmp_path):
    """Makes a page and gives its text."""
    folder = folders.run_folder(tmp_path / "run", [(0x10, 4, 0)])

    def made():
        build.reports(run.load(folder), FOLDER, "crunch 0.1.0")
        return (folder / "report.html").read_text("utf-8")

    return made


def compiled(monkeypatch):
    """Counts what jinja2 compiles from now on."""
    names = []
    before = templates.jinja2.Environment.compile
    monkeypatch.setattr(templates.jinja2.Environment, "compile",
                        lambda self, source, name=None, *rest, **more: names.append(name) or before(self, source, name, *rest, **more))
    return names


def test_templates_are_compiled_once(cache, page, monkeypatch):
    names = compiled(monkeypatch)
    first = page()
    assert "report.html" in names and len(list(cache.iterdir())) == len(set(names))
    names.clear()
    assert page() == first and names == []


def test_a_changed_template_is_compiled_again(cache, tmp_path):
    for text in ("one", "two"):
        (tmp_path / "a.html").write_text(text)
        assert templates.environment(tmp_path).get_template("a.html").render() == text
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"\n", b"nothing of the kind", None])
def test_a_damaged_file_is_as_if_it_were_not_there(cache, page, damage):
    first = page()
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:80] if damage is None else damage)
    assert page() == first


def test_code_that_others_could_have_written_is_not_run(cache, page, monkeypatch):
    first = page()
    os.chmod(cache, 0o777)
    names = compiled(monkeypatch)
    assert templates.kept() is None and page() == first and "report.html" in names


def test_a_folder_that_leads_elsewhere_is_not_used(cache, tmp_path):
    cache.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    assert templates.kept() is None


@pytest.mark.parametrize("place", ["", "relative", "/dev/null"])
def test_without_a_place_for_it_nothing_is_kept(place, page, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    monkeypatch.setenv("HOME", "nowhere")
    assert templates.kept() is None and "<html" in page()


def test_what_hardly_anybody_needs_is_not_imported():
    """urllib.request alone takes as long as all of crunch's launcher."""
    code = "import sys, crunch; print(*[name for name in ('urllib.request', 'http.client', 'ssl', 'email', 'asyncio') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == []
