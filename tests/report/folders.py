"""Run folders made by hand: a small writer of src/tracker/base/format.h's files."""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from report import block_file, files, histograms, perf_map, problems, reader, stacks, threads, timeline

LIVE = 1 << 22  # a process number that no Linux or macOS system gives out

DEFAULTS = dict(
    state=reader.EXITED, end_detail=0, flags=0, pid=LIVE, ppid=1, start_wall_ns=1_700_000_000 * 10**9, start_ns=10**9,
    end_ns=3 * 10**9, max_rss=1 << 20, threads=1, inherited_bytes=0, inherited_blocks=0, shared_bytes=0, shared_blocks=0,
    peak_bytes=0, peak_blocks=0, heap_bytes_left=0, heap_files_left=0, runtime_bytes=0, runtime_blocks=0, heap_files=0,
    heap_bytes=0, heap_left_out_files=0, heap_left_out_bytes=0, message=b"", peak_epoch=1, errors=0, errors_left_out=0)


def mapped(folder: Path) -> mmap.mmap:
    """While this is open, the process of the test is one that writes the folder's recording."""
    with open(folder / "recording", "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def slot(**values: int) -> bytes:
    """One struct cr_slot."""
    return reader.SLOT.pack(*(values.get(name, 0) for name in reader.Slot.__dataclass_fields__))


def site(parent: int, pc: int, **values: int) -> Tuple[bytes, bytes]:
    """One struct cr_site and its cr_site_extra."""
    names = ("allocations", "bytes", "live_bytes", "live_blocks", "epoch", "peak_bytes", "peak_blocks", "slot")
    return (stacks.SITE.pack(0, parent, pc, *(values.get(name, 0) for name in names)),
            stacks.EXTRA.pack(*(values.get(name, 0) for name in ("temporary", "lifetime_ns", "size", "lives", "sizes", "resizes"))))


def point(time_ns: int, live: int, low: Optional[int] = None, high: Optional[int] = None, resident: int = 0, **values: int) -> bytes:
    """One struct cr_point."""
    return timeline.POINT.pack(time_ns, live, values.get("live_blocks", 1), live if low is None else low, live if high is None else high,
                               values.get("allocations", 0), values.get("bytes_allocated", 0), resident)


def moment(time_ns: int, *top: Tuple[int, int], places: Optional[int] = None) -> bytes:
    """One struct cr_series_point of (site, bytes)."""
    head = timeline.SERIES_POINT.pack(time_ns, len(top), len(top) if places is None else places)
    return (head + b"".join(timeline.ENTRY.pack(site, 1, size) for site, size in top)).ljust(1024, b"\0")


def histogram(site: int, kind: int, *counts: int) -> bytes:
    """One struct cr_histogram."""
    body = histograms.RESIZE.pack(*counts) if kind == histograms.RESIZES else histograms.COUNTS.pack(*counts, *[0] * (30 - len(counts)))
    return (histograms.HEAD.pack(site, kind) + body).ljust(128, b"\0")


def thread_info(state: int, number: int, slot: int, name: bytes = b"", end_ns: int = 0, **values: int) -> bytes:
    """One struct cr_thread_info."""
    counts = (values.get(key, 0) for key in ("allocations", "frees", "bytes_allocated", "bytes_freed"))
    return threads.INFO.pack(state, number, slot, 0, 4711, 10, end_ns, *counts, name)


def error(kind: int, **values) -> bytes:
    """One struct cr_error."""
    words = {"flags": problems.BLOCK, "thread": 1, "allocated_thread": 1, "freed_thread": 0, "stack": 0, "allocated": 0, "freed": 0,
             "time_ns": 2_000_000, "address": 0x5000, "block_address": 0x5000, "block_size": 24, **values}
    head = ["flags", "thread", "allocated_thread", "freed_thread", "stack", "allocated", "freed", "time_ns", "address",
            "block_address", "block_size"]
    changed, expected = values.get("changed", b""), values.get("expected", b"")
    return problems.ERROR.pack(kind, *(words[name] for name in head), *(*values.get("detail", ()), 0, 0, 0, 0)[:4], values.get("count", 1),
                               values.get("function", b"free"), changed, expected, len(changed), values.get("block_kind", 0))


def module(start: int, end: int, path: int, build_id: bytes = b"", unloaded_ns: int = 0) -> bytes:
    """One struct cr_module; path is an offset into STRINGS."""
    return stacks.MODULE.pack(start, end, start, 1, unloaded_ns, path, len(build_id), build_id)


@dataclass
class CallStacks:
    """The sections of call stacks. Real items begin at 1 for sites and modules, at 16 for nodes and pcs."""

    sites: Sequence[Tuple[bytes, bytes]] = ()
    nodes: Sequence[Tuple[int, int]] = ()  # parent, pc
    pcs: Sequence[Tuple[int, int]] = ()  # address, module
    modules: Sequence[bytes] = ()
    strings: bytes = b"\0"
    errors: Sequence[bytes] = ()
    points: Sequence[bytes] = ()  # of TIMELINE, as `point` makes them
    span: Tuple[int, int] = (0, 0)  # extremes since the last of them
    moments: Sequence[bytes] = ()  # of SERIES, as `moment` makes them
    histograms: Sequence[bytes] = ()
    threads: Sequence[bytes] = ()  # of THREADINFO, without item 0
    summed: bytes = bytes(128)  # its item 0
    leaks: Sequence[bytes] = ()

    def sections(self) -> Dict[int, bytes]:
        markers = range(stacks.MARKERS)
        return {
            reader.SITES: bytes(64) + b"".join(item for item, _ in self.sites),
            reader.EXTRAS: bytes(reader.ITEM_BYTES[reader.EXTRAS]) + b"".join(extra for _, extra in self.sites),
            reader.NODES: b"".join(struct.pack("<II", *node) for node in [*((0, n) for n in markers), *self.nodes]),
            reader.PCS: b"".join(struct.pack("<Q", address | number << 48) for address, number in [*((0, 0) for _ in markers), *self.pcs]),
            reader.MODULES: bytes(80) + b"".join(self.modules),
            reader.STRINGS: self.strings,
            reader.ERRORS: b"".join(self.errors),
            reader.TIMELINE: timeline.TIMELINE.pack(len(self.points) << 1, 1 << 15, *self.span) + b"".join(self.points),
            reader.SERIES: timeline.HISTORY.pack(len(self.moments) << 1, 1 << 20).ljust(1024, b"\0") + b"".join(self.moments),
            reader.HISTOGRAMS: bytes(128) + b"".join(self.histograms),
            reader.THREADINFO: self.summed + b"".join(self.threads),
            reader.LEAKS: b"".join(self.leaks),
        }


def recording(slots: Sequence[bytes] = (), arguments: Sequence[bytes] = (b"prog",), facts: Optional[Dict[str, bytes]] = None,
              call_stacks: CallStacks = CallStacks(), lost: Sequence[int] = (), **values: object) -> bytes:
    """A whole `recording`. Every section has two chunks; of the sections in `lost` the second is lost."""
    fields = {**DEFAULTS, **values}
    entries = [key.encode() + b"=" + value for key, value in (facts or {"exe": b"/opt/prog", "cwd": b"/tmp"}).items()]
    contents = {reader.META: b"".join(entry + b"\0" for entry in entries + [b"arg=" + argument for argument in arguments]),
                reader.THREADS: b"".join(slots) or slot(), **call_stacks.sections()}
    table, chunks, body = b"", b"", b""
    for kind, item_bytes in enumerate(reader.ITEM_BYTES):
        table += reader.SECTION.pack(item_bytes, len(contents[kind]) // item_bytes)
        half = len(contents[kind]) // 2
        for part in (contents[kind][:half], b"" if kind in lost else contents[kind][half:]):
            chunks += reader.CHUNK.pack(kind, reader.HEADER_BYTES + len(body), len(part))
            body += part
    *head, message, epoch, errors, errors_left_out = (fields[name] for name in DEFAULTS)
    header = reader.HEADER.pack(b"crunch-r", files.FORMAT_VERSION, reader.HEADER_BYTES, reader.HEADER_BYTES + len(body),
                                2 * len(reader.ITEM_BYTES), *head, message, epoch, errors, errors_left_out)
    return (header + table + chunks).ljust(reader.HEADER_BYTES, b"\0") + body


def blocks(entries: Sequence[Tuple[int, int, int]], pid: int = LIVE) -> bytes:
    """A `blocks` file of (address, size, flags)."""
    head = block_file.BLOCKS_HEADER.pack(b"crunch-b", files.FORMAT_VERSION, block_file.BLOCK.size, len(entries), pid, 0, 0)
    return head + b"".join(block_file.BLOCK.pack(address, size, 1500, number, 1, 0, flags, 0, 0)
                           for number, (address, size, flags) in enumerate(entries, 1))


def stats(**values: object) -> str:
    """A `stats` file."""
    fields: Dict[str, object] = {"format": files.FORMAT_VERSION, "pid": LIVE, "ppid": 1, "end": "exit 0"}
    fields.update({key: 0 for key in reader.NUMBERS if key not in fields})
    fields.update({"threads": 1, "wall_seconds": "0.250000", "max_rss": 1 << 20, "tracking": "complete"})
    fields.update(values)
    return "".join(f"{key} {value}\n" for key, value in fields.items())


def run_folder(path: Path, entries: Sequence[Tuple[int, int, int]] = (), contents: Optional[Dict[int, bytes]] = None,
               fatal: str = "", arguments: Sequence[bytes] = (b"./prog", b"x"), message: bytes = b"",
               call_stacks: CallStacks = CallStacks(), **values: object) -> Path:
    """A complete run folder whose totals agree with its blocks; the first block belongs to site 1, the second to site 2, and so on."""
    path.mkdir(parents=True)
    (path / reader.MARKER).write_text("run folder of crunch, written by process 1\n")
    runtime = [size for _, size, flags in entries if flags & block_file.BLOCK_RUNTIME]
    kept = contents or {}
    totals = dict(
        allocations=len(entries), bytes_allocated=sum(size for _, size, _ in entries), live_blocks=len(entries),
        live_bytes=sum(size for _, size, _ in entries), runtime_blocks=len(runtime), runtime_bytes=sum(runtime),
        peak_bytes=sum(size for _, size, _ in entries), peak_blocks=len(entries), heap_files=len(kept),
        heap_bytes=sum(map(len, kept.values())))
    (path / "recording").write_bytes(recording(
        [slot(allocations=len(entries), bytes_allocated=totals["bytes_allocated"])], arguments, message=message,
        call_stacks=call_stacks))
    flagged = [(address, size, flags | (block_file.BLOCK_CONTENTS if address in kept else 0)) for address, size, flags in entries]
    (path / "blocks").write_bytes(blocks(flagged))
    (path / "stats").write_text(stats(**{**totals, **values}))
    if fatal:
        (path / "fatal").write_text(fatal)
    for address, data in kept.items():
        (path / "heap").mkdir(exist_ok=True)
        (path / "heap" / f"0x{address:x}").write_bytes(data)
    return path


def perf_stacks(path: Path, monkeypatch, names: Sequence[bytes], sites: Sequence[Tuple[bytes, bytes]],
                nodes: Sequence[Tuple[int, int]]) -> CallStacks:
    """Call stacks whose pcs 16, 17, … have these names, by a perf map in `path`."""
    path.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(perf_map, "FOLDER", path)
    (path / f"perf-{LIVE}.map").write_bytes(b"".join(b"%x 10 %b\n" % (0x1000 + 0x10 * n, name) for n, name in enumerate(names)))
    return CallStacks(sites=sites, nodes=nodes, pcs=[(0x1008 + 0x10 * n, 0) for n in range(len(names))])


def lines_of(path: Path) -> List[str]:
    return path.read_text().splitlines()
