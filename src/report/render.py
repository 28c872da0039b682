"""The page as HTML: one file that needs nothing else, may fetch nothing, and runs no script but its own."""

import base64
import hashlib
import json
from pathlib import Path
from typing import List

import jinja2
from markupsafe import Markup

from .model import Page, Row

STYLES = ("report.css", "stacks.css")
SCRIPTS = ("stacks.js", "sites.js", "flame.js", "report.js")  # the last one starts them all
FIRST_ROWS = 50  # in the HTML itself; the script makes the others when they are asked for


def html(page: Page, templates: Path) -> str:
    """The finished page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(templates)), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True)
    style, script = ("".join((templates / name).read_text("utf-8") for name in names) for names in (STYLES, SCRIPTS))
    policy = (f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
              f"base-uri 'none'; form-action 'none'")
    return environment.get_template("report.html").render(
        page=page, first_rows=FIRST_ROWS, policy=policy, style=Markup(style), script=Markup(script),
        data=Markup(script_json(data(page))))


def data(page: Page) -> dict:
    """What the script works on."""
    return {"first": FIRST_ROWS, "blocks": _rows(page.blocks.rows), "runtime": _rows(page.blocks.runtime_rows),
            "stacks": page.stacks.data if page.stacks else None}


def script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rows(rows: List[Row]) -> List[list]:
    return [[row.address, row.size, row.size_words, row.time_ns, row.time_words, row.thread, row.kind,
             int(row.inherited), int(row.has_file), row.bytes, row.site] for row in rows]


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
