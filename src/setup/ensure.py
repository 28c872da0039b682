"""Installs what `make demo` or `make check` lacks, or says the exact command that would.

usage: ensure.py demo | check      install what the goal needs; status 1 when something required is still missing
       ensure.py --python          print the python that can run crunch and its tests

Programs, headers and Python modules come from the system's packages (apt-get as root or by a sudo that asks nothing;
brew, and on a Mac without it the one header from its authors). Python modules that are not there come from PyPI into .venv at the repository's root, which sees the system's
modules too. A run that finds everything present installs nothing and asks no network.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
import needs as wanted  # noqa: E402
from needs import FETCHED, GOALS, MAC, ROOT, RUN, VENV_PYTHON, Need  # noqa: E402

UTHASH = "https://raw.githubusercontent.com/troydhanson/uthash/v2.3.0/src/uthash.h"
UTHASH_SHA256 = "344175d0ae3d0d7651887f932fc224f6d133559f0fc83ee73fe641697d77211a"

def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def run(command: List[str], quiet: bool = False) -> bool:
    """Whether it succeeded; of what it says, the last line is shown when it fails."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", PIP_DISABLE_PIP_VERSION_CHECK="1", HOMEBREW_NO_AUTO_UPDATE="1")
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, errors="replace", check=False)
    except OSError as error:
        done = subprocess.CompletedProcess(command, 127, f"{error}\n")
    if done.returncode != 0 and not quiet:
        last = (done.stdout.splitlines() or [f"status {done.returncode}"])[-1]
        say(f"this failed: {' '.join(command)}\n    {last}")
    return done.returncode == 0


# ---- the system's packages -------------------------------------------------------------------------------------------


def package(need: Need) -> str:
    return need.brew if MAC else need.debian


def installer() -> List[str]:
    """The command that installs packages without asking, as far as this user may; empty when not."""
    if MAC:
        return [wanted.brew(), "install", "--quiet"] if wanted.brew() else []
    if not shutil.which("apt-get"):
        return []
    apt = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"]
    if os.geteuid() == 0:
        return apt
    return ["sudo", "-n", *apt] if shutil.which("sudo") and run(["sudo", "-n", "true"], quiet=True) else []


def wants_packages(needs: Tuple[Need, ...], absent: List[Need]) -> List[Need]:
    """What of it the system's packages can bring. Their modules are the system python's, and one python must have all."""
    wants = [need for need in absent if package(need) and not need.module]
    if any(need.module and need.required for need in absent):
        modules = [need.module for need in needs if need.module]
        modules = wanted.lacking(wanted.SYSTEM_PYTHON, modules) or []
        wants += [need for need in needs if need.module in modules and package(need)]
    return wants


def install_packages(packages: List[str]) -> None:
    command = installer()
    packages = sorted(set(packages))
    if not command or not packages:
        return
    say(f"installing {' '.join(packages)}")
    if run([*command, *packages], quiet=True):
        return
    if not MAC:  # a machine that never asked for the lists has none
        run([*command[:command.index("apt-get")], "apt-get", "update", "--quiet"])
        if run([*command, *packages], quiet=True):
            return
    for name in packages:  # one that is not to be had must not keep the others away
        run([*command, name])


def fetch_uthash() -> None:
    """The header from its authors, by the curl that every Mac has; not kept if it is another one than is known."""
    FETCHED.mkdir(parents=True, exist_ok=True)
    fresh = FETCHED / "uthash.h.new"
    say(f"fetching {UTHASH}")
    if run(fetching(fresh)) and hashlib.sha256(fresh.read_bytes()).hexdigest() == UTHASH_SHA256:
        fresh.replace(FETCHED / "uthash.h")
    fresh.unlink(missing_ok=True)


def fetching(target: Path) -> List[str]:
    return ["curl", "-fsSL", "--max-time", "60", UTHASH, "-o", str(target)]


def command_for(needs: List[Need]) -> str:
    """What a person types to install them."""
    packages = " ".join(sorted({package(need) for need in needs if package(need)}))
    if MAC:
        tools = any(need.header == "stdlib.h" or "cc" in need.commands or "make" in need.commands for need in needs)
        steps = ["xcode-select --install"] if tools else []
        if packages and wanted.brew():
            steps.append(f"brew install {packages}")
        elif any(need.header == "uthash.h" for need in needs):
            steps.append(f"mkdir -p {FETCHED} && {' '.join(fetching(FETCHED / 'uthash.h'))}")
        return " && ".join(steps)
    return f"sudo apt-get install {packages}" if packages else ""


# ---- .venv -----------------------------------------------------------------------------------------------------------


def requirement(module: str) -> str:
    """The line of the requirements files that names the module's package, with its version."""
    lines = (ROOT / "requirements.txt").read_text().split() + (ROOT / "requirements-dev.txt").read_text().split()
    return next(line for line in lines if line.replace("-", "_").startswith(module))


def make_venv(base: str, folder: Path) -> bool:
    """A virtual environment that sees the base's own modules; with pip where that is to be had."""
    plain = [base, "-m", "venv", "--system-site-packages", "--clear"]
    if run([*plain, str(folder)], quiet=True):
        return True
    if shutil.which("virtualenv") and run(["virtualenv", "-q", "--system-site-packages", "-p", base, str(folder)], True):
        return True
    if not MAC:
        install_packages(["python3-venv"])
        if run([*plain, str(folder)], quiet=True):
            return True
    return run([*plain, "--without-pip", str(folder)])


def pip_install(modules: List[str]) -> bool:
    packages = [requirement(module) for module in modules]
    say(f"installing {' '.join(packages)} into {VENV_PYTHON.parents[1].relative_to(ROOT)}")
    return run([str(VENV_PYTHON), "-m", "pip", "install", "--quiet", "--no-input",
                "--retries", "1", "--timeout", "30", *packages])


def ensure_modules(needs: Tuple[Need, ...]) -> None:
    """Leaves a python that has the required modules of the goal, and as many of the others as can be had.

    crunch.py runs in the caller's python3 or, where that lacks a module, in .venv: a .venv is made also when all that
    is missing is in a python that is not the caller's python3."""
    python, lacking = wanted.best_python(needs)
    caller = shutil.which("python3") or ""
    modules_to_run = [need.module for need in RUN]
    if not lacking and (python == str(VENV_PYTHON) or not wanted.lacking(caller, modules_to_run)):
        return
    fresh = not VENV_PYTHON.exists()
    if fresh and not make_venv(python, VENV_PYTHON.parents[1]):
        return
    lacking = wanted.lacking(str(VENV_PYTHON), [need.module for need in needs if need.module]) or []
    required = [need.module for need in needs if need.required and need.module in lacking]
    if required:
        pip_install(required)
    for need in needs:
        if need.module in lacking and not need.required:
            pip_install([need.module])
    # Half a .venv would be preferred to a python that is whole.
    if fresh and wanted.lacking(str(VENV_PYTHON), modules_to_run) != []:
        shutil.rmtree(VENV_PYTHON.parents[1])


# ---- the goal --------------------------------------------------------------------------------------------------------


def ensure(goal: str) -> int:
    needs = GOALS[goal]
    absent = wanted.missing(needs)
    if absent:
        install_packages([package(need) for need in wants_packages(needs, absent)])
    if MAC and any(need.header == "uthash.h" for need in absent) and any(need.header == "uthash.h" for need in wanted.missing(needs)):
        fetch_uthash()
    ensure_modules(needs)
    absent = wanted.missing(needs) if absent else []
    required = [need.name for need in absent if need.required]
    if not required:
        for need in absent:
            say(f"no {need.name}: tests that want it are skipped")
        return 0
    command = command_for(wants_packages(needs, absent))
    if command:
        say(f"missing and not to be installed from here: {', '.join(required)}; run this, then the same again:\n"
            f"    {command}")
    else:
        say(f"missing: {', '.join(required)}; install with this system's packages, then try again.")
    return 1


def main(arguments: List[str]) -> int:
    if arguments == ["--python"]:
        print(wanted.best_python(GOALS["check"])[0])
        return 0
    if len(arguments) == 1 and arguments[0] in GOALS:
        return ensure(arguments[0])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
