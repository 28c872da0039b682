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


@pytest.fixture
def folder(tmp_path):
    """Where a test's run folder goes."""
    return tmp_path / "out"
