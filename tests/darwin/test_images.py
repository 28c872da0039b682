"""Which memory belongs to an image of dyld's, by the tracker's own code for macOS, run here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SDK = "build/darwin/sdk"

pytestmark = pytest.mark.skipif(sys.platform == "darwin" or not shutil.which("clang"), reason="is built on Linux by clang")


def test_a_module_reaches_over_code_and_data(tmp_path):
    """The tracker's own data must not be taken for memory of the program's that holds blocks."""
    subprocess.run(["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "-s", "-C", str(ROOT), f"{SDK}/made"], check=True)
    program = tmp_path / "images"
    done = subprocess.run(["clang", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-builtin-requires-header", "-D__APPLE__", "-nostdlibinc", "-isystem", str(ROOT / SDK),
                           f"-I{ROOT / 'src/tracker'}", str(Path(__file__).with_name("images.c")),
                           str(ROOT / "src/tracker/platform/modules_darwin.c"), "-o", str(program)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    assert done.returncode == 0, done.stdout
    assert subprocess.run([str(program)], check=False).returncode == 0
