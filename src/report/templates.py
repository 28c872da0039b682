"""The pages' templates, and what jinja2 compiles them to, kept between runs: compiling takes longer than filling them in.

A file per template under $XDG_CACHE_HOME/crunch/templates (~/.cache without it). What is kept is code, so the folder is used only if it
is the user's own and nobody else can write to it. Whatever is wrong with a file, it is as if it were not there.
"""

import hashlib
import marshal
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any, Optional

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from . import symbol_cache
from .words import FIRST, SIZED, signed_sized, sized


def environment(folder: Path) -> jinja2.Environment:
    """The templates of a folder; what they are given is escaped, and what they are not given is an error."""
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(str(folder)), autoescape=True, undefined=jinja2.StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True, bytecode_cache=Compiled(kept()), finalize=with_sizes)
    made.filters.update(sized=sized, signed_sized=signed_sized, in_drawing=in_drawing)
    return made


def with_sizes(value: Any) -> Any:
    """For jinja: what is put in as a text has its sizes as elements, which the page writes in other units when it is told to. In an attribute
    none may stand: an element beside it has to say the words."""
    return Markup(SIZED.sub(_size_element, str(escape(value)))) if isinstance(value, str) and FIRST in value else value


def in_drawing(text: str) -> Markup:
    """The same for the text of an SVG drawing."""
    return Markup(SIZED.sub(r'<tspan class="size" data-value="\2">\3</tspan>', str(escape(text))))


def _size_element(found: "re.Match[str]") -> str:
    sign, count, text = found.groups()
    return f'<data class="size{" signed" if sign else ""}" value="{"-" if sign == "−" else ""}{count}">{text}</data>'


def kept() -> Optional[Path]:
    """The folder of what was compiled before; None where there can be none."""
    symbols = symbol_cache.folder()
    if symbols is None:
        return None
    found = symbols.parent / "templates"
    try:
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = found.lstat()
    except OSError:
        return None
    others = stat.S_IWGRP | stat.S_IWOTH
    return found if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others else None


class Compiled(jinja2.BytecodeCache):
    """For jinja2. A file begins with a hash of all that its code depends on."""

    def __init__(self, folder: Optional[Path]) -> None:
        self._folder = folder
        self._made_by = [sys.implementation.cache_tag, sys.version, *(os.stat(file).st_mtime_ns for file in (jinja2.__file__, __file__))]

    def get_cache_key(self, name: str, filename: Optional[str] = None) -> str:
        """Installations share the files, so that old ones leave nothing behind."""
        return hashlib.sha256(name.encode()).hexdigest()

    def get_source_checksum(self, source: str) -> str:
        return hashlib.sha256(f"{self._made_by}\n{source}".encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Leaves the bucket empty unless there is a file, made of the same source by the same Python and jinja2."""
        if self._folder is None:
            return
        try:
            made_of, code = (self._folder / bucket.key).read_bytes().split(b"\n", 1)
            if made_of == bucket.checksum.encode():
                bucket.code = marshal.loads(code)
        except (OSError, ValueError, TypeError, EOFError):
            pass

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps what was compiled, if that is possible."""
        if self._folder is None:
            return
        unfinished = self._folder / f".{bucket.key}.{os.getpid()}"
        try:
            unfinished.write_bytes(bucket.checksum.encode() + b"\n" + marshal.dumps(bucket.code))
            os.replace(unfinished, self._folder / bucket.key)
        except OSError:
            pass
