"""What a machine lacks is found, and said with the command that brings it."""

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
