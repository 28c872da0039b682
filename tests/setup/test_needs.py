"""What a machine lacks is found, and said with the command that brings it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src/setup"))
import ensure  # noqa: E402
import needs  # noqa: E402
from needs import Need  # noqa: E402

JQ = Need("jq", ("no-such-jq",), debian="jq", brew="jq", required=False)
HEADER = Need("uthash", header="no-such-uthash.h", debian="uthash-dev", brew="uthash")
MODULE = Need("docopt", module="no_such_docopt", debian="python3-docopt")


@pytest.fixture
def nothing_installs(monkeypatch):
    """Commands that would change the machine are noted instead."""
    ran = []
    monkeypatch.setattr(ensure, "run", lambda command, quiet=False: ran.append(command) or False)
    monkeypatch.setattr(needs, "MAC", False)
    monkeypatch.setattr(ensure, "MAC", False)
    return ran


def test_what_is_here_is_not_missing():
    assert needs.missing((Need("shell", ("sh",)), Need("libc", header="stdio.h"), Need("json", module="json"))) == []


def test_each_kind_of_need_is_missed():
    assert needs.missing((JQ, HEADER, MODULE)) == [JQ, HEADER, MODULE]


def test_the_exact_command_is_said(nothing_installs, monkeypatch, capsys):
    monkeypatch.setitem(ensure.GOALS, "demo", (HEADER, MODULE))
    monkeypatch.setattr(ensure, "ensure_modules", lambda _: None)
    assert ensure.ensure("demo") == 1
    assert "sudo apt-get install python3-docopt uthash-dev" in capsys.readouterr().out


@pytest.fixture
def bare_mac(nothing_installs, monkeypatch, tmp_path):
    """A Mac with Apple's command line tools and nothing else; the folder for what is fetched."""
    monkeypatch.setattr(needs, "MAC", True)
    monkeypatch.setattr(ensure, "MAC", True)
    monkeypatch.setattr(needs, "brew", lambda: "")
    monkeypatch.setattr(ensure, "FETCHED", tmp_path)
    monkeypatch.setitem(ensure.GOALS, "demo", (Need("uthash", header="uthash.h", brew="uthash"),))
    monkeypatch.setattr(ensure, "ensure_modules", lambda _: None)
    monkeypatch.setattr(needs, "header_folders", lambda: [tmp_path])
    return tmp_path


def brings(content: bytes):
    def run(command, quiet=False):
        Path(command[-1]).write_bytes(content)
        return True
    return run


def test_a_mac_without_homebrew_fetches_the_header_from_its_authors(bare_mac, monkeypatch):
    real = b"#define UTHASH_VERSION 2.3.0\n"
    monkeypatch.setattr(ensure, "UTHASH_SHA256", hashlib.sha256(real).hexdigest())
    monkeypatch.setattr(ensure, "run", brings(real))
    assert ensure.ensure("demo") == 0
    assert [path.name for path in bare_mac.iterdir()] == ["uthash.h"]


def test_another_header_than_the_known_one_is_not_kept(bare_mac, monkeypatch, capsys):
    monkeypatch.setattr(ensure, "run", brings(b"<html>not found</html>"))
    assert ensure.ensure("demo") == 1
    assert list(bare_mac.iterdir()) == []
    assert f"curl -fsSL --max-time 60 {ensure.UTHASH} -o {bare_mac / 'uthash.h'}" in capsys.readouterr().out


def test_the_known_header_is_the_one_that_distributions_have():
    here = [folder / "uthash.h" for folder in needs.header_folders() if (folder / "uthash.h").exists()]
    if not here or b"UTHASH_VERSION 2.3.0" not in here[0].read_bytes():
        pytest.skip("no uthash 2.3.0 is here")
    assert hashlib.sha256(here[0].read_bytes()).hexdigest() == ensure.UTHASH_SHA256


def test_homebrew_is_found_where_the_shell_does_not_look(monkeypatch):
    monkeypatch.setattr(needs.shutil, "which", lambda name: name if name == "/opt/homebrew/bin/brew" else None)
    assert needs.brew() == "/opt/homebrew/bin/brew"


def test_a_missing_tool_of_the_tests_is_no_failure_and_seen(nothing_installs, monkeypatch, capsys):
    monkeypatch.setitem(ensure.GOALS, "check", (JQ,))
    assert ensure.ensure("check") == 0
    assert "no jq: tests that want it are skipped" in capsys.readouterr().out


def test_packages_are_installed_together_then_with_new_lists_then_one_by_one(nothing_installs, monkeypatch):
    monkeypatch.setattr(ensure, "installer", lambda: ["apt-get", "install"])
    ensure.install_packages(["jq", "clang"])
    assert nothing_installs == [["apt-get", "install", "clang", "jq"], ["apt-get", "update", "--quiet"],
                                ["apt-get", "install", "clang", "jq"], ["apt-get", "install", "clang"],
                                ["apt-get", "install", "jq"]]


def test_nothing_is_run_when_all_is_here(nothing_installs, monkeypatch):
    monkeypatch.setitem(ensure.GOALS, "demo", (Need("shell", ("sh",)),))
    monkeypatch.setattr(ensure, "RUN", ())
    assert ensure.ensure("demo") == 0
    assert nothing_installs == []


def test_every_module_has_a_line_in_the_requirements():
    for need in needs.RUN + needs.TEST:
        if need.module:
            assert ensure.requirement(need.module).replace("-", "_").startswith(need.module)


@pytest.fixture
def checkout(tmp_path):
    """A repository with the set-up's files and nothing else."""
    shutil.copytree(ROOT / "src/setup", tmp_path / "src/setup", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run_python(checkout: Path, code: str) -> subprocess.CompletedProcess:
    """Runs code with the checkout's set-up; no package index answers, and no package manager is found."""
    environment = {"PATH": str(Path(sys.executable).parent), "HOME": str(checkout), "PIP_CONFIG_FILE": os.devnull,
                   "PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_NO_INDEX": "1"}
    return subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, 'src/setup')\n{code}"], cwd=checkout,
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=120, check=False)


def test_half_a_venv_is_not_left(checkout):
    done = run_python(checkout, """
import ensure, needs
ensure.requirement = lambda module: module
ensure.RUN = (needs.Need("x", module="no_such_module"),)
ensure.ensure_modules(ensure.RUN)
""")
    assert done.returncode == 0, done.stdout
    assert "this failed" in done.stdout
    assert not (checkout / ".venv").exists()


def test_a_python_whose_modules_are_the_systems_gets_a_venv_without_network(checkout):
    """As where python3 is one of the user's own and Debian's has the modules: crunch.py finds them through .venv."""
    done = run_python(checkout, """
import ensure, needs, sys
real = needs.lacking
needs.lacking = lambda python, modules: modules if python == "/usr/bin/other" else real(python, modules)
needs.pythons = lambda: [sys.executable]
ensure.shutil.which = lambda name: "/usr/bin/other" if name == "python3" else None
ensure.RUN = (needs.Need("x", module="json"),)
ensure.ensure_modules(ensure.RUN)
""")
    assert done.returncode == 0, done.stdout
    assert (checkout / ".venv/bin/python3").exists()
