#!/usr/bin/env python3
"""Installs crunch: a folder of its own, and a `crunch` link where the shell finds it.

An installation is staged beside its place and moved there by rename when it is whole, so an interrupted one leaves what
was there before. A marker in the folder says that it is crunch's and what was put there: nothing else is ever replaced
or removed.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import List

if sys.version_info < (3, 9):
    sys.exit("install: crunch needs Python 3.9 or newer; this is %d.%d." % sys.version_info[:2])

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "src/setup"))
import ensure  # noqa: E402
import needs  # noqa: E402

MARKER = ".crunch-installed"
LIBRARIES = ("libcrunch.dylib", "libcrunch-check.dylib") if needs.MAC else ("libcrunch.so", "libcrunch-check.so")
COPIED = ("crunch.py", "LICENSE", "templates", "src/launcher", "src/report")
INSTALLED = (MARKER, "crunch.py", "LICENSE", "templates", "src", "lib", ".venv")
MODULES = ("docopt", "jinja2", "markupsafe")  # jinja2 needs the last one


class InstallError(Exception):
    """One sentence for the person at the terminal."""


def say(text: str) -> None:
    print(text, flush=True)


# ---- questions -------------------------------------------------------------------------------------------------------


def default_bindir() -> Path:
    shared = Path("/usr/local/bin")
    return shared if os.access(shared, os.W_OK) else Path.home() / ".local/bin"


def ask(question: str, default: str, options: argparse.Namespace) -> str:
    if options.yes or options.dry_run:
        return default
    try:
        return input(f"{question} [{default}]: ").strip() or default
    except EOFError:
        raise InstallError("there is nobody to ask; --yes takes the defaults.") from None


def place(given: str, question: str, default: Path, options: argparse.Namespace) -> Path:
    answer = given or ask(question, str(default), options)
    return Path(os.path.realpath(os.path.expanduser(answer)))


# ---- what crunch needs -----------------------------------------------------------------------------------------------


def check_needs(options: argparse.Namespace) -> None:
    say("What crunch needs:")
    absent = needs.missing(needs.GOALS["demo"])
    say(f"  Python {sys.version_info[0]}.{sys.version_info[1]}: here")
    for need in needs.GOALS["demo"]:
        say(f"  {need.name}: {'missing' if need in absent else 'here'}")
    if not absent or options.dry_run:
        return
    if not options.yes and ask("Install what is missing now?", "yes", options).lower() not in ("y", "yes"):
        raise InstallError("something is missing and was not to be installed.")
    if ensure.ensure("demo") != 0:
        raise InstallError("something is missing, see above.")


# ---- places ----------------------------------------------------------------------------------------------------------


def beside(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(prefix.name + suffix)


def is_ours(folder: Path) -> bool:
    return (folder / MARKER).is_file()


def check_folder(folder: Path) -> None:
    if is_ours(folder) or not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InstallError(f"{folder} is there and no folder.")
    if any(folder.iterdir()):
        raise InstallError(f"{folder} is there and not crunch's; name another folder with --prefix.")


def check_link(link: Path) -> None:
    if not os.path.lexists(link):
        return
    if link.is_symlink():
        target = Path(os.path.abspath(link.parent / os.readlink(link)))
        if target.name == "crunch.py" and (is_ours(target.parent) or not target.parent.exists()):
            return
    raise InstallError(f"{link} is there and not crunch's; name another folder with --bindir.")


def recover(prefix: Path) -> None:
    """Finishes or takes back what an interrupted installation left."""
    if not os.path.lexists(prefix) and is_ours(beside(prefix, ".old")):
        beside(prefix, ".old").rename(prefix)
    for suffix in (".new", ".old"):
        leftover = beside(prefix, suffix)
        check_folder(leftover)
        if leftover.exists():
            retire(leftover, prefix)


def retire(old: Path, prefix: Path) -> None:
    """Removes an installation that was replaced; files in it that are not crunch's move to the new one."""
    for entry in old.iterdir():
        if entry.name not in INSTALLED:
            entry.rename(prefix / entry.name)
    shutil.rmtree(old)


def links_of(prefix: Path) -> List[Path]:
    """The links that lead into the installation, of those that were ever made for it."""
    if not is_ours(prefix):
        return []
    links = [Path(line) for line in (prefix / MARKER).read_text().splitlines()]
    return [link for link in links if link.is_symlink() and os.readlink(link) == str(prefix / "crunch.py")]


# ---- installation ----------------------------------------------------------------------------------------------------


def build() -> None:
    done = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory"], stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise InstallError("the tracker could not be built, see above.")


def copy_modules(python: str, folder: Path) -> None:
    """Gives the installation a Python with docopt and jinja2, whatever python3 its user's shell finds."""
    base = needs.output([python, "-c", "import sys; print(getattr(sys, '_base_executable', sys.executable))"])
    if not ensure.run([base, "-m", "venv", "--system-site-packages", "--without-pip", str(folder)]):
        raise InstallError(f"{folder} could not be made.")
    find = "import importlib, sys; print(*[importlib.import_module(m).__file__ for m in sys.argv[1:]], sep='\\n')"
    packages = next(folder.glob("lib/python3*/site-packages"))
    for found in map(Path, needs.output([python, "-W", "ignore", "-c", find, *MODULES]).splitlines()):
        if found.name == "__init__.py":
            shutil.copytree(found.parent, packages / found.parent.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(found, packages)


def compile_all(folder: Path) -> None:
    """Makes Python's bytecode now: users who may not write to the folder would make it in every run, which takes as long as the rest of it."""
    python = str(folder / ".venv/bin/python3")
    if not ensure.run([python, "-W", "ignore", "-m", "compileall", "-q", str(folder / "src"), *map(str, folder.glob(".venv/lib/*/site-packages"))]):
        raise InstallError(f"the modules in {folder} could not be compiled.")


def stage(folder: Path, links: List[Path]) -> None:
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("".join(f"{link}\n" for link in links))
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    (folder / "crunch.py").chmod(0o755)
    (folder / "lib").mkdir()
    for library in LIBRARIES:
        shutil.copy2(ROOT / "build" / library, folder / "lib" / library)
    python, _ = needs.best_python(needs.RUN)
    copy_modules(python, folder / ".venv")
    compile_all(folder)


def swap(new: Path, prefix: Path) -> None:
    """Puts the new folder in the old one's place."""
    old = beside(prefix, ".old")
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        if os.path.lexists(prefix):
            prefix.rename(old)
        new.rename(prefix)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if old.exists():
        retire(old, prefix)


def set_link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    unfinished = link.with_name(f".{link.name}.{os.getpid()}")
    unfinished.symlink_to(target)
    unfinished.replace(link)


def install(prefix: Path, link: Path) -> None:
    recover(prefix)
    build()
    new = beside(prefix, ".new")
    links = list(dict.fromkeys([*links_of(prefix), link]))
    try:
        stage(new, links)
        swap(new, prefix)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    set_link(link, prefix / "crunch.py")
    say(f"crunch is installed in {prefix}.")
    if str(link.parent) in os.environ.get("PATH", "").split(os.pathsep):
        say("Try: crunch <program>")
    else:
        say(f"{link.parent} is not on your PATH: add it, or run {link} <program>")


def uninstall(prefix: Path) -> None:
    if not is_ours(prefix):
        raise InstallError(f"no crunch is installed in {prefix}.")
    for link in links_of(prefix):
        link.unlink()
        say(f"removed {link}")
    for name in reversed(INSTALLED):  # the marker last: an interrupted removal can be repeated
        path = prefix / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
    if any(prefix.iterdir()):
        say(f"{prefix} stays: it has files that are not crunch's")
    else:
        prefix.rmdir()
        say(f"removed {prefix}")


# ---- command line ----------------------------------------------------------------------------------------------------


def parse(arguments: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="install.py", description="Installs crunch, asking where.")
    parser.add_argument("--yes", action="store_true", help="ask nothing, take the defaults")
    parser.add_argument("--prefix", metavar="FOLDER", default="", help="where crunch goes (default ~/.crunch)")
    parser.add_argument("--bindir", metavar="FOLDER", default="", help="where the `crunch` link goes (default "
                        "/usr/local/bin, or ~/.local/bin where that is not writable)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--uninstall", action="store_true", help="remove an installed crunch")
    return parser.parse_args(arguments)


def guide(options: argparse.Namespace) -> None:
    if options.uninstall:
        prefix = place(options.prefix, "Where is crunch installed?", Path.home() / ".crunch", options)
        plan, do = f"remove {prefix} and the links to it", lambda: uninstall(prefix)
    else:
        check_needs(options)
        prefix = place(options.prefix, "Install crunch in which folder?", Path.home() / ".crunch", options)
        link = place(options.bindir, "Put the `crunch` link into which folder?", default_bindir(), options) / "crunch"
        check_folder(prefix)
        check_link(link)
        plan, do = f"build crunch, install it in {prefix} and link {link} to it", lambda: install(prefix, link)
    if options.dry_run:
        say(f"This would {plan}.")
    else:
        do()


def main(arguments: List[str]) -> int:
    try:
        guide(parse(arguments))
    except InstallError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"install: {error.filename or 'the installation'}: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninstall: interrupted; what was installed before still is.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
