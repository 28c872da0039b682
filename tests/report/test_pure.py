"""The pure functions of the page's scripts, by node's own test runner."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_pure_functions():
    done = subprocess.run(["node", "--test", "--test-reporter=tap", str(Path(__file__).parent / "pure.test.js")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)[1]) >= 12
