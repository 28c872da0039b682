"""C++ names as their authors wrote them."""

import shutil
import subprocess
from typing import List


def demangled(mangled: List[str]) -> List[str]:
    """The names in their order, as far as a tool for that is here. -n: what begins with one underscore has none too many, also on macOS."""
    tool = next(filter(None, map(shutil.which, ("c++filt", "llvm-cxxfilt"))), None)
    if not tool or not mangled:
        return mangled
    done = subprocess.run([tool, "-n"], input="\n".join(mangled) + "\n", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          universal_newlines=True, check=False)
    lines = done.stdout.splitlines()
    return lines if len(lines) == len(mangled) else mangled
