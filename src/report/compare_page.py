"""The page of a comparison: one file that needs nothing else and runs no script."""

from pathlib import Path

from markupsafe import Markup

from . import compare, frames, render, templates
from .compare import Comparison
from .words import size

MOST_ROWS = 2000
LABEL_COLUMNS = 100
PAGE = "compare.html"


def write(comparison: Comparison, path: Path, folder: Path, version: str) -> None:
    """Writes the page, completely or not at all."""
    style = (folder / "compare.css").read_text("utf-8")
    rows = comparison.changes
    if len(rows) > MOST_ROWS:  # those that changed most, either way
        kept = sorted(rows, key=lambda change: -abs(change.bytes))[:MOST_ROWS]
        chosen = set(map(id, kept))
        rows = [change for change in rows if id(change) in chosen]
    text = templates.environment(folder).get_template("compare.html").render(
        comparison=comparison, rows=rows, left_out=len(comparison.changes) - len(rows), old=compare.named(comparison.old), new=compare.named(comparison.new),
        sentence=compare.sentence(comparison), signed=compare.signed, signed_count=compare.signed_count, size=size, line=frames.line,
        label=lambda change: frames.chain(change.stack, comparison.new.program, comparison.new.cwd, LABEL_COLUMNS), version=version,
        style=Markup(style), policy=f"default-src 'none'; style-src '{render.hashed(style)}'; base-uri 'none'; form-action 'none'")
    render.write(path, text)
