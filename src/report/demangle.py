"""C++ and Swift names as their authors wrote them, as far as tools for that are here."""

import re
import shutil
import subprocess
from typing import Dict, Iterable, List

SWIFT = re.compile(r"_?\$[sS][0-9A-Za-z]")


def demangled(mangled: List[str]) -> List[str]:
    """The names in their order, as far as a tool for that is here. -n: what begins with one underscore has none too many, also on macOS."""
    tool = next(filter(None, map(shutil.which, ("c++filt", "llvm-cxxfilt"))), None)
    return _filtered([tool, "-n"], mangled) if tool and mangled else mangled


def swift(names: Iterable[str]) -> Dict[str, str]:
    """Of those that are Swift's, the names it had before; llvm-symbolizer and addr2line know nothing of Swift, atos does."""
    mangled = sorted({name for name in names if SWIFT.match(name) and "\n" not in name})
    tool = shutil.which("swift-demangle")
    return dict(zip(mangled, _filtered([tool, "--simplified"], mangled))) if tool and mangled else {}


def _filtered(command: List[str], lines: List[str]) -> List[str]:
    """What a filter makes of the lines; the lines themselves if it gives others in number."""
    try:
        done = subprocess.run(command, input="\n".join(lines) + "\n", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace", check=False)
    except OSError:
        return lines
    found = done.stdout.split("\n")[:-1]
    return found if len(found) == len(lines) else lines
