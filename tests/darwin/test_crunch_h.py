"""Programs that use crunch.h, as built for macOS: they need nothing of crunch's to be linked or to start."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from macho import read_image

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "src/crunch.h"
TARGETS = {"x86_64": "x86_64-macos.10.13", "arm64": "aarch64-macos.11.0"}

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="zig is not here")


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("language", ["c", "c++"])
def test_programs_look_the_functions_up(architecture, language, tmp_path):
    names = re.findall(r"CRUNCH_CALL_\(\w+, (crunch_tracker_\w+),", HEADER.read_text())
    assert len(names) > 4
    (tmp_path / "prog").write_text('#include "crunch.h"\n#include <stddef.h>\nint main(void) { return crunch_ignore(NULL) + crunch_root(NULL, 0) + '
                                   '(int)crunch_leak_check() + (int)crunch_check() + crunch_snapshot("a") + crunch_section(NULL); }\n')
    done = subprocess.run([sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[architecture], "-x", language, "-O1", "-Wall", "-Wextra",
                           "-Wshadow", "-Werror", f"-I{HEADER.parent}", "prog", "-o", "a.out"], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    assert done.returncode == 0, done.stdout
    image = read_image((tmp_path / "a.out").read_bytes())
    assert "_dlsym" in image.binds.values()
    assert [name for name in image.binds.values() if "crunch" in name] == []
    assert [name for name in names if name.encode() + b"\0" not in image.data] == []
