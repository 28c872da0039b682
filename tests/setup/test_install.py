"""install.py, run for real into folders of the test's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


# Dies without a word, as by SIGKILL, when half of the new installation is written.
DIES_STAGING = """
import os, sys
sys.path.insert(0, sys.argv[1])
import install
install.copy_modules = lambda *_: os._exit(77)
install.main(["--yes", "--prefix", sys.argv[2], "--bindir", sys.argv[3]])
"""


class Place:
    """A prefix and a bindir, and install.py for them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.prefix = folder / "home/.crunch"
        self.bindir = folder / "bin"
        self.link = self.bindir / "crunch"

    def run(self, *options: str, **how) -> subprocess.CompletedProcess:
        command = [sys.executable, str(ROOT / "install.py"), "--prefix", str(self.prefix), *options]
        if "--uninstall" not in options:
            command += ["--bindir", str(self.bindir)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, timeout=120, check=False, **how)

    def install(self) -> str:
        done = self.run("--yes")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def works(self) -> bool:
        done = subprocess.run([str(self.link), "--version"], cwd="/", stdout=subprocess.PIPE, check=False)
        return done.returncode == 0 and b"crunch" in done.stdout


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture(scope="module")
def installed_once(tmp_path_factory):
    """An installation for tests that change nothing."""
    place = Place(tmp_path_factory.mktemp("installed"))
    place.said = place.install()
    return place


def copy_of(place: Place, folder: Path) -> Place:
    """The same installation at another place, faster than a new one."""
    shutil.copytree(place.prefix, folder / "home/.crunch", symlinks=True)
    copy = Place(folder)
    copy.bindir.mkdir()
    copy.link.symlink_to(copy.prefix / "crunch.py")
    (copy.prefix / ".crunch-installed").write_text(f"{copy.link}\n")
    return copy


@pytest.fixture
def installed(installed_once, tmp_path):
    return copy_of(installed_once, tmp_path)


def test_installed_crunch_works_from_any_folder(installed_once):
    assert installed_once.works()
    assert (installed_once.prefix / "lib").is_dir() and list((installed_once.prefix / "lib").glob("libcrunch.*"))


def test_installed_crunch_needs_nothing_of_the_shells_python(installed_once):
    """-S: a python that finds no installed package, as the shell's may be."""
    crunch = installed_once.prefix / "crunch.py"
    done = subprocess.run([sys.executable, "-S", str(crunch), "--version"], cwd="/", check=False)
    assert done.returncode == 0


def test_modules_are_compiled_for_users_who_cannot_write_there(installed_once):
    modules = [path for folder in ("src", ".venv/lib") for path in (installed_once.prefix / folder).rglob("*.py")]
    assert len(modules) > 50
    assert [path for path in modules if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))] == []


def test_it_says_when_the_link_is_not_on_path(installed_once):
    assert "is not on your PATH" in installed_once.said


def test_repeated_installation_leaves_a_working_crunch(installed):
    installed.install()
    assert installed.works()
    assert sorted(path.name for path in installed.prefix.parent.iterdir()) == [".crunch"]


def test_a_new_version_replaces_the_old_and_keeps_what_is_not_crunchs(installed):
    (installed.prefix / "notes").write_text("mine")
    (installed.prefix / "templates/old.html").write_text("of the version before")
    installed.install()
    assert (installed.prefix / "notes").read_text() == "mine"
    assert not (installed.prefix / "templates/old.html").exists()


def test_a_second_link_is_removed_with_the_first(installed):
    first, installed.bindir = installed.link, installed.folder / "bin2"
    installed.install()
    installed.run("--uninstall", "--yes")
    assert not os.path.lexists(first) and not os.path.lexists(installed.bindir / "crunch")


def test_an_installation_broken_off_while_staging_leaves_the_old_one(installed):
    done = subprocess.run([sys.executable, "-c", DIES_STAGING, ROOT, installed.prefix, installed.bindir],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 77, done.stdout
    assert installed.works()
    installed.install()
    assert installed.works()
    assert sorted(path.name for path in installed.prefix.parent.iterdir()) == [".crunch"]


def test_an_installation_broken_off_between_its_renames_is_repaired(installed):
    installed.prefix.rename(installed.prefix.with_name(".crunch.old"))
    installed.install()
    assert installed.works()


def test_dry_run_changes_nothing(place):
    done = place.run("--dry-run")
    assert done.returncode == 0
    assert f"install it in {place.prefix}" in done.stdout
    assert list(place.folder.iterdir()) == []


def test_without_anybody_to_ask_it_says_so(tmp_path):
    done = subprocess.run([sys.executable, str(ROOT / "install.py")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, env={**os.environ, "HOME": str(tmp_path)},
                          check=False)
    assert done.returncode == 1
    assert "--yes" in done.stdout.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_answers_are_taken(place):
    answers = f"{place.prefix}\n{place.bindir}\n"
    done = subprocess.run([sys.executable, str(ROOT / "install.py")], input=answers, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    assert done.returncode == 0, done.stdout
    assert place.works()


def test_a_folder_that_is_not_crunchs_is_refused(place):
    place.prefix.mkdir(parents=True)
    (place.prefix / "thesis").write_text("years of work")
    done = place.run("--yes")
    assert done.returncode == 1
    assert "not crunch's" in done.stdout.splitlines()[-1]
    assert (place.prefix / "thesis").read_text() == "years of work"


@pytest.mark.parametrize("kind", ("file", "link", "folder"))
def test_a_crunch_command_that_is_not_ours_is_refused(place, kind):
    place.bindir.mkdir()
    if kind == "file":
        place.link.write_text("another program")
    elif kind == "link":
        place.link.symlink_to("/bin/sh")
    else:
        place.link.mkdir()
    done = place.run("--yes")
    assert done.returncode == 1
    assert "not crunch's" in done.stdout.splitlines()[-1]
    assert os.path.lexists(place.link) and not place.prefix.exists()


def test_a_folder_that_may_not_be_written_is_one_sentence(place):
    place.folder.joinpath("home").write_text("a file where a folder should be")
    done = place.run("--yes")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("install: ")
    assert "Traceback" not in done.stdout


def test_uninstall_removes_all_that_was_installed(installed):
    done = installed.run("--uninstall", "--yes")
    assert done.returncode == 0, done.stdout
    assert not os.path.lexists(installed.link) and not installed.prefix.exists()
    assert installed.bindir.exists()


def test_uninstall_leaves_what_is_not_crunchs(installed):
    (installed.prefix / "notes").write_text("mine")
    installed.link.unlink()
    installed.link.write_text("another program")
    installed.run("--uninstall", "--yes")
    assert [path.name for path in installed.prefix.iterdir()] == ["notes"]
    assert installed.link.read_text() == "another program"


def test_uninstall_refuses_a_folder_that_is_not_crunchs(place):
    place.prefix.mkdir(parents=True)
    done = place.run("--uninstall", "--yes")
    assert done.returncode == 1
    assert place.prefix.is_dir()
