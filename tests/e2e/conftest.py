"""Finds the code under test and builds what the tests run."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(Path(__file__).parent)]

import harness  # noqa: E402 (found through the line above)


def pytest_configure():
    if not harness.LIBRARY.exists():
        pytest.exit(f"{harness.LIBRARY} is missing: run 'make'", 2)


def pytest_collection_modifyitems(items):
    """Most files here expect what Linux does, of its C library above all."""
    for item in items if sys.platform == "darwin" else ():
        if item.path.parent == Path(__file__).parent and item.path.name != "test_everywhere.py":
            item.add_marker(pytest.mark.skip(reason="expects what Linux does; test_everywhere.py is for both systems"))


@pytest.fixture
def folder(tmp_path):
    """Where a test's run folder goes."""
    return tmp_path / "out"
