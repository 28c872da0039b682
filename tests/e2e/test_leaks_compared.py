"""Programs of the distribution have no definite leak that memcheck does not report too, and no errors. docs/leaks-compared.md has them all."""

import sys

import pytest

import harness

sys.path.append(str(harness.ROOT / "tests" / "compare"))
import leaks  # noqa: E402 (found through the line above)
import programs  # noqa: E402

BY_NAME = {program.name: program for program in programs.PROGRAMS}


@pytest.mark.parametrize("name", programs.CHEAP)
def test_no_leak_and_no_error_that_memcheck_does_not_report(name, tmp_path):
    harness.needs("valgrind")
    found = leaks.compare(BY_NAME[name], tmp_path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    assert (found.only_crunch, found.only_memcheck, found.errors) == ([], [], [])


def test_the_document_has_every_program_and_nothing_that_only_crunch_found():
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in leaks.DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert {row[0] for row in rows[1:]} == set(BY_NAME)
    assert all(row[5] == row[7] == "0" for row in rows[1:])
