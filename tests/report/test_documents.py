"""The documents agree with crunch and with each other."""

import re

from conftest import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))


USAGE = re.search(r'^"""(.*?)"""', (ROOT / "crunch.py").read_text(), re.MULTILINE | re.DOTALL)[1]


def test_help_fits_a_terminal():
    assert not [line for line in USAGE.splitlines() if len(line) > 80]


def test_the_commands_are_the_same_in_help_and_documents():
    commands = re.findall(r"^  crunch (.*)$", USAGE.split("Usage:")[1].split("\n\n")[0], re.MULTILINE)
    documented = re.findall(r"^    crunch (.*)$", (DOCS / "options.md").read_text(), re.MULTILINE)
    assert len(commands) >= 8 and documented == commands


def test_every_option_is_described_and_nothing_else():
    offered = {option for line in re.findall(r"^  (-.*?)(?:  |$)", USAGE.split("Options:")[1], re.MULTILINE)
               for option in re.findall(r"(?<!\S)--?\w[-\w]*", line)}
    table = [line.split("|")[1] for line in (DOCS / "options.md").read_text().splitlines() if line.startswith("| `-")]
    described = {option for cell in table for option in re.findall(r"`(--?\w[-\w]*)", cell)}
    assert len(offered) > 30 and described == offered


def test_every_decision_has_a_number_of_its_own():
    assert DECISIONS and [path.name[:4] for path in DECISIONS] == [f"{number + 1:04}" for number in range(len(DECISIONS))]


def test_links_lead_to_files_and_the_readme_to_every_page():
    linked = {}
    for page in [*PAGES, *DECISIONS]:
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        linked[page] = {(page.parent / target).resolve() for target in targets}
        assert not [target for target in linked[page] if not target.exists()], page
    missing = [page.name for page in PAGES[1:] if page.resolve() not in linked[PAGES[0]]]
    assert not missing and (DOCS / "decisions").resolve() in linked[PAGES[0]]


def test_the_readme_shows_the_example_of_the_test():
    text = (ROOT / "tests" / "e2e" / "test_readme_example.py").read_text()
    said = "".join(re.findall(r'= """\\\n(.*?)"""', text, re.DOTALL)[:1] + re.findall(r'CALL_STACKS = """(.*?)"""', text, re.DOTALL))
    plain = [re.sub(r"example\.c:\d", "a.c:N", line).replace("{out}", "/tmp/crunch_out") for line in said.splitlines()]
    readme = [re.sub(r"a\.c:\d", "a.c:N", line) for line in (ROOT / "README.md").read_text().splitlines()]
    pattern = [re.sub(r"\\\{\w+\\\}", "[0-9a-f]+", re.escape(line)) for line in plain]
    assert len(pattern) > 20
    start = next(at for at, line in enumerate(readme) if line.startswith("    crunch: SIGSEGV"))
    for expected, line in zip(pattern, readme[start:]):
        assert re.fullmatch("(    )?" + expected, line), (expected, line)
