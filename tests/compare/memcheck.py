"""Programs under valgrind's memcheck, and what its XML says of them."""

import re
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Sequence

KINDS = {"Leak_DefinitelyLost": "definite", "Leak_PossiblyLost": "possible", "Leak_IndirectlyLost": "indirect",
         "Leak_StillReachable": "reachable"}


@dataclass
class Found:
    """What memcheck found: bytes and blocks of leaks by kind, errors of other kinds, entries that suppress every one."""

    bytes: Dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS.values(), 0))
    blocks: Dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS.values(), 0))
    errors: List[str] = field(default_factory=list)
    signal: str = ""  # that ended the program, and why
    suppressions: str = ""


def run(command: Sequence[str], folder: Path, options: Sequence[str] = (), seconds: float = 600) -> Found:
    """Runs a program under memcheck; its children are not looked at."""
    output = folder / "memcheck.xml"
    subprocess.run(
        ["valgrind", "--leak-check=full", "--show-leak-kinds=all", "--gen-suppressions=all", "--num-callers=40", "--error-limit=no",
         "--child-silent-after-fork=yes", "--xml=yes", f"--xml-file={output}", *options, *command],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds, check=False)
    return parse(output.read_text("utf-8", "replace"))


def parse(text: str) -> Found:
    """Memcheck's XML."""
    found = Found()
    document, end, _ = text.partition("</valgrindoutput>")  # messages of valgrind's own may stand behind it, or its end be missing
    root = ElementTree.fromstring(document + (end or "</valgrindoutput>"))
    fatal = root.find("fatal_signal")
    if fatal is not None:
        found.signal = ": ".join(filter(None, (fatal.findtext("signame", ""), fatal.findtext("event", ""))))
    for error in root.findall("error"):
        kind = error.findtext("kind", "")
        if kind in KINDS:
            what = error.findtext("xwhat/text", "")
            direct = re.search(r"\(([\d,]+) direct", what)
            found.bytes[KINDS[kind]] += int(direct[1].replace(",", "")) if direct else int(error.findtext("xwhat/leakedbytes", "0"))
            found.blocks[KINDS[kind]] += int(error.findtext("xwhat/leakedblocks", "0"))
        else:
            found.errors.append(f"{kind}: {error.findtext('what', '') or error.findtext('xwhat/text', '')}")
        found.suppressions += (error.findtext("suppression/rawtext", "") or "").strip() + "\n"
    return found
