"""A run for other programs. One module a format; each has a function from a run to the file's bytes.

`flat` holds the formats that show one value (--value), the others show all that they have a place for. docs/exports.md says
what each holds and which programs read it.
"""

from typing import Callable, Dict

from ..errors import CrunchError
from ..run import Run
from ..words import printable
from . import dhat, flat, massif, pprof, table, valgrind_xml, whole

WRITERS: Dict[str, Callable[[Run, str, str], bytes]] = {  # run, --value, name and version of crunch
    "folded": flat.folded,
    "speedscope": flat.speedscope,
    "pprof": pprof.write,
    "massif": massif.write,
    "dhat": dhat.write,
    "xml": valgrind_xml.write,
    "csv": table.write,
    "json": whole.write,
}
FORMATS = tuple(WRITERS)


def render(run: Run, kind: str, value: str, exporter: str) -> bytes:
    """The whole export; CrunchError where format or value is unknown, or the run has no call stacks."""
    if kind not in WRITERS:
        raise CrunchError(f"--export takes one of {', '.join(WRITERS)}, not '{printable(kind)}'")
    if value not in flat.VALUES:
        raise CrunchError(f"--value takes one of {', '.join(flat.VALUES)}, not '{printable(value)}'")
    if run.tree is None:
        raise CrunchError(f"{run.folder} has no call stacks: {run.message or 'its recording is missing'}")
    return WRITERS[kind](run, value, exporter)
