"""docs/errors.md says of crunch what is true: every case of its tables, and every twin, is run again."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import harness

sys.path.append(str(harness.ROOT / "tests" / "compare"))
import detection  # noqa: E402 (found through the line above)

VARIABLES = {"--check": "CRUNCH_CHECK", "--guard": "CRUNCH_GUARD", "--guard-below": "CRUNCH_GUARD_BELOW"}
SECTIONS = {part.split("`")[1]: part for part in detection.DOCUMENT.read_text("utf-8").split("\n## ")[1:]}


def documented(target):
    """By case: what the document says of it, a cell for each of crunch's columns."""
    lines = [[word.strip() for word in line.strip("|").split(" | ")] for line in SECTIONS[f"tests/targets/{target.source}"].splitlines()
             if line.startswith("| ")]
    return {line[0].replace(" (no defect)", ""): line[1:1 + len(target.modes)] for line in lines[1:-1]}


@pytest.mark.parametrize("target", detection.TARGETS_COMPARED, ids=lambda target: target.source)
def test_the_table_of_what_is_found_is_true(target, tmp_path):
    program = harness.target(Path(target.source).stem)

    def cell(case, number):
        found = []
        for name, arguments in zip(("defect", "twin"), target.arguments(case)):
            environment = {"CRUNCH_HEAP_LIMIT": "0", **{VARIABLES[option]: "1" for option in target.modes[number]}}
            out = tmp_path / f"{number}-{case}-{name}"
            more = [str(harness.BUILD / "libcrunch-check.so")] if "--check" in target.modes[number] else []
            _, folder = harness.preloaded(out, [program, *arguments], env=environment, after=more, cwd=tmp_path)
            found.append(detection.found_by_crunch(folder.path, target))
        return detection.cell(*found)

    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = {case: [pool.submit(cell, case, number) for number in range(len(target.modes))] for case in target.cases}
        found = {case: [job.result() for job in row] for case, row in jobs.items()}
    assert found == documented(target), "tests/compare/detection.py makes docs/errors.md again"
    assert not any("(twin: " in cell for row in found.values() for cell in row), "a twin without the defect must be silent"


def test_every_target_with_twins_is_compared():
    """Their sources speak of twins, and have a table of cases."""
    with_twins = {path.name for path in harness.TARGETS.iterdir() if path.is_file() and "twin" in path.read_text() and
                  detection.Target(path.name, "").cases}
    assert with_twins == {target.source for target in detection.TARGETS_COMPARED}
