"""The tracker's levels: a file includes only lower ones, and what depends on the system stands behind the seam."""

import re

from harness import ROOT

TRACKER = ROOT / "src" / "tracker"
LEVELS = ["base", "services", "state", "events", "entry", "access"]  # from low to high; access is a library of its own
SYSTEMS = re.compile(r"^\s*#\s*(?:el)?if.*\b(?:__APPLE__|__MACH__|__linux__|__gnu_linux__|_WIN32|__unix__|__FreeBSD__|TARGET_OS_\w+)",
                     re.MULTILINE)


def sources():
    found = sorted(TRACKER.rglob("*.[ch]"))
    assert len(found) > 20
    return found


def includes(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE)


def test_files_include_only_lower_levels():
    wrong = []
    for path in sources():
        level = path.relative_to(TRACKER).parts[0]
        for name in includes(path):
            other = name.split("/")[0] if "/" in name else level
            assert other in [*LEVELS, "platform"], f"{path} includes {name} by a path that is not from src/tracker"
            if "platform" not in (level, other) and LEVELS.index(other) > LEVELS.index(level):
                wrong.append(f"{path.relative_to(TRACKER)} includes {name}")
            if level == "platform" and not path.name.startswith(("interpose", "access")) and other not in ("base", "platform"):
                wrong.append(f"{path.relative_to(TRACKER)} includes {name}")
    assert wrong == []


def test_systems_differ_behind_the_seam_only():
    wrong = [path.relative_to(TRACKER) for path in sources()
             if path.parent.name != "platform" and SYSTEMS.search(path.read_text())]
    assert wrong == []
    assert any(SYSTEMS.search(path.read_text()) for path in (TRACKER / "platform").glob("*.h")), "the pattern finds something"


def test_only_the_table_includes_uthash():
    assert [path.name for path in sources() if "<uthash.h>" in path.read_text()] == ["table.c"]


def test_banned_calls_stand_last():
    """The header forbids names, so every include behind it may break."""
    for path in sources():
        names = includes(path)
        if "base/banned.h" in names:
            assert names[-1] == "base/banned.h", path
            rest = path.read_text().split('"base/banned.h"')[1]
            assert "#include <" not in rest, path


def test_files_fit_a_reader():
    for path in sources():
        assert len(path.read_text().splitlines()) <= 400, path
