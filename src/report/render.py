"""The page as HTML: one file that needs nothing else, may fetch nothing, and runs no script but its own."""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from markupsafe import Markup

from . import templates
from .errors import CrunchError
from .model import Page
from .pack import Pack

STYLES = ("base.css", "frame.css", "overview.css", "table.css", "flame.css", "sites.css", "errors.css", "crash.css", "time.css", "blocks.css", "changes.css", "print.css")
SCRIPTS = ("element.js", "format.js", "data.js", "order.js", "chart.js", "stacks.js", "flame_tree.js", "bytes.js", "hash.js", "openings.js", "grid.js", "histograms.js", "sites.js",
           "changes.js", "time.js",
           "flame.js", "flame_bars.js", "blocks.js", "block.js", "leaks.js", "errors.js", "help.js", "report.js")  # the last one starts them all


def html(page: Page, folder: Path) -> str:
    """The finished page of a run."""
    return framed(page, packs(page), page.facts, folder)


def framed(page: Any, found: List[Tuple[str, Pack]], facts: Dict[str, Any], folder: Path) -> str:
    """A page: the frame, the views that `page.views` names, and the data for the scripts."""
    style = "".join((folder / name).read_text("utf-8") for name in STYLES)
    script = '"use strict";\n' + "".join((folder / name).read_text("utf-8") for name in SCRIPTS)
    policy = (f"default-src 'none'; style-src '{hashed(style)}'; script-src '{hashed(script)}'; "
              f"base-uri 'none'; form-action 'none'")
    return templates.environment(folder).get_template("report.html").render(
        page=page, policy=policy, style=Markup(style), script=Markup(script), data=Markup(script_json(data(found, facts))),
        packs=[(name, Markup(pack.base64())) for name, pack in found])


def packs(page: Page) -> List[Tuple[str, Pack]]:
    """The columns that the scripts work on, by name."""
    found = [("stacks", page.stacks.pack if page.stacks else None), ("snapshots", snapshot_pack(page)),
             ("time", page.time.pack if page.time else None), ("blocks", page.blocks.blocks), ("contents", page.blocks.contents)]
    return [(name, pack) for name, pack in found if pack is not None]


def snapshot_pack(page: Page) -> Optional[Pack]:
    """What was live in each snapshot, by site."""
    if not page.snapshots or not page.snapshots.columns:
        return None
    pack = Pack()
    for name, values in page.snapshots.columns.items():
        pack.numbers("site." + name, values)
    return pack


def data(found: List[Tuple[str, Pack]], facts: Dict[str, Any]) -> Dict[str, Any]:
    """What the scripts know besides."""
    return {"packs": {name: pack.directory for name, pack in found}, "facts": facts}


def write(path: Path, text: str) -> None:
    """Writes a page so that it is there completely or not at all; CrunchError if it cannot be."""
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.write_text(text, "utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise CrunchError(f"{path} cannot be written: {error.strerror}") from None


def script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def hashed(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
