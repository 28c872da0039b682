"""What a large report costs: 100,000 call stacks and 1,000,000 blocks, 10,000 of them with contents.

    report.py [--sites N] [--blocks N] [--keep FOLDER]

Makes a run folder, renders it in a process of its own (CPU time and largest resident size), opens the page in headless Chromium and
measures how long it takes until the view is drawn, and until a click is answered: from the event to the end of the second frame after it, the
least of five times; and of each view the first click that opens it, once the page has made its views ready, the least of three pages. Each line
ends with its limit; the status is 1 if one is exceeded.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "report")]

import folders  # noqa: E402 (found through the line above)
from folders import site  # noqa: E402
from report import block_file, leaks, perf_map, reader, run  # noqa: E402

FUNCTIONS = 20_000
CONTENTS = 10_000
OPENS, CLICKS, FRESH_PAGES = 5, 5, 3
FIRST_VIEWS = ("leaks", "flame", "sites", "time", "blocks", "snapshots", "flame?by=total&up=1", "blocks?at=0x7f0000000010")
POINTS, MOMENTS = 2000, 100
FLAGS_AT = 36  # in a recording's header


def make_folder(path: Path, sites: int, blocks: int) -> None:
    """Deep stacks with shared callers; sizes mostly of their site's own, times and addresses mostly ascending."""
    pick = random.Random(7)
    names = [b"ns%d::Type<%d, std::allocator<int> >::method_%d(int, char const*)" % (n % 97, n % 11, n) for n in range(FUNCTIONS)]
    (path.parent / f"perf-{folders.LIVE}.map").write_bytes(b"".join(b"%x 10 %b\n" % (0x1000 + 0x10 * n, name) for n, name in enumerate(names)))
    pcs = [(0x1008 + 0x10 * n, 0) for n in range(FUNCTIONS)]
    nodes, depth = [(0, 16)], [1]
    while len(nodes) < sites:
        parent = pick.randrange(max(0, len(nodes) - 3000), len(nodes)) if pick.random() < 0.8 else pick.randrange(len(nodes))
        if depth[parent] < 40:
            nodes.append((16 + parent, 16 + pick.randrange(FUNCTIONS)))
            depth.append(depth[parent] + 1)
    live = [[0, 0] for _ in range(sites)]
    own = [pick.choice((16, 24, 32, 40, 48, 64, 100, 4096)) for _ in range(sites)]
    entries, address, now = [], 0x7F0000000000, 0
    for _ in range(blocks):
        number = min(int(pick.paretovariate(0.6)) * 37, 10**9) % sites
        size = own[number] if pick.random() < 0.7 else int(pick.paretovariate(0.7) * 16) % 10**7 + 1
        address += (size + 15 & ~15) + 16 * (1 + int(pick.paretovariate(1)) % 100)
        now += pick.randrange(20_000)
        entries.append((address, size, now + pick.randrange(10**8), number + 1, 1 + pick.randrange(8), pick.choice((0, 0, 0, 1, 2, 4, 5))))
        live[number][0] += size
        live[number][1] += 1
    kinds = [pick.choice((1, 1, 1, 2, 3, 4)) for _ in range(blocks)]
    sums: dict = {}
    for (_, size, _, owner, *_), kind in zip(entries, kinds):
        amount = sums.setdefault((owner, kind), [0, 0])
        amount[0] += 1
        amount[1] += size
    span = 100 * 10**9
    points = [folders.point(span * n // POINTS, pick.randrange(10**8), resident=10**8 + n, live_blocks=n, allocations=n * 1000) for n in range(POINTS)]
    moments = [folders.moment(span * n // MOMENTS, *((1 + pick.randrange(100), pick.randrange(10**6)) for _ in range(60))) for n in range(MOMENTS)]
    items = [site(16 + n, 16 + pick.randrange(FUNCTIONS), allocations=b + pick.randrange(10**6), bytes=s + pick.randrange(10**9), live_bytes=s,
                  live_blocks=b, temporary=pick.randrange(10**5), lifetime_ns=pick.randrange(10**13)) for n, (s, b) in enumerate(live)]
    kept = set(pick.sample(range(blocks), min(blocks, CONTENTS)))
    found = folders.CallStacks(sites=items, nodes=nodes, pcs=pcs, points=points, moments=moments,
                               leaks=[leaks.SUM.pack(owner, kind, count, size, 0, 0) for (owner, kind), (count, size) in sums.items()])
    total = sum(entry[1] for entry in entries)
    folders.run_folder(path, call_stacks=found, allocations=10**9, live_blocks=blocks, live_bytes=total, peak_bytes=total, peak_blocks=blocks)
    earlier = [site(16 + n, 16, live_bytes=s // 2 + pick.randrange(2) * 100, live_blocks=b) for n, (s, b) in enumerate(live)]
    then = [item[:12] + old[12:] for (item, _), (old, _) in zip(items, earlier)]
    folders.run_folder(path / "snapshots" / "1", call_stacks=replace(found, sites=[(old, extra) for old, (_, extra) in zip(then, items)]), end="snapshot")
    head = (path / "blocks").read_bytes()[:block_file.BLOCKS_HEADER.size]
    magic, version, width, _, pid, *_ = block_file.BLOCKS_HEADER.unpack(head)
    with open(path / "blocks", "wb") as file:
        file.write(block_file.BLOCKS_HEADER.pack(magic, version, width, blocks, pid, 0, 0))
        for number, (address, size, when, owner, thread, kind) in enumerate(entries):
            leak = kinds[number]
            holder = 1 + max(0, number - int(pick.paretovariate(0.5))) if leak != 4 and number else 0
            file.write(block_file.BLOCK.pack(address, size, when, owner, thread, kind, block_file.BLOCK_CONTENTS if number in kept else 0, leak, holder))
    with open(path / "recording", "r+b") as file:  # the leak check has looked
        file.seek(FLAGS_AT)
        file.write(struct.pack("<I", reader.CLASSIFIED))
    (path / "heap").mkdir()
    for number in kept:
        address, size = entries[number][:2]
        words = [entries[pick.randrange(blocks)][0] if pick.random() < 0.3 else pick.randrange(2**16) for _ in range(min(size, 65536) // 8)]
        (path / "heap" / f"0x{address:x}").write_bytes(struct.pack(f"<{len(words)}Q", *words).ljust(min(size, 65536), b"text "[:1]))


def render(path: Path) -> None:
    """In a process of its own: makes the page, prints CPU seconds and bytes."""
    from report import build

    perf_map.FOLDER = path.parent
    start = time.process_time()
    build.reports(run.load(path), ROOT / "templates", "crunch")
    scale = 1 if sys.platform == "darwin" else 1024
    print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale)


AFTER_FRAME = """(act) => new Promise((done) => {
  const start = performance.now();
  eval(act);
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(performance.now() - start))));
})"""
ACTIONS = {
    "sort a million blocks by address": ("blocks", "document.querySelector('#grid-blocks .grid-head button').click()"),
    "sort a million blocks by time": ("blocks", "document.querySelectorAll('#grid-blocks .grid-head button')[4].click()"),
    "scroll to the middle of the blocks": ("blocks", "document.querySelector('#grid-blocks').scrollTop = 7e6"),
    "filter the blocks by size": ("blocks?min=100&max=5000", ""),
    "search in contents": ("blocks?text=text", ""),
    "open a block": ("blocks", "document.querySelector('#grid-blocks .grid-row').click()"),
    "sort the sites by bytes in all": ("sites", "document.querySelectorAll('#grid-sites .grid-head button')[2].click()"),
    "filter the sites": ("sites?find=method_77", ""),
    "open a site": ("sites", "document.querySelector('#grid-sites .grid-row').click()"),
    "flame graph, bytes in all": ("flame?by=total", ""),
    "flame graph, zoom": ("flame?by=total", "document.querySelectorAll('.bar')[3].click()"),
    "flame graph, upside down": ("flame?by=total&up=1", ""),
    "flame graph, by library": ("flame?by=total&merge=module", ""),
    "flame graph, search": ("flame?by=total&find=method_7", ""),
    "leaks": ("leaks", ""),
    "leaks, open a record": ("leaks?open=none", "document.querySelectorAll('#leaks .records > li > details')[160].open = true"),
    "changes since a snapshot": ("snapshots?from=snapshot1&to=live", ""),
    "changes, sort by blocks": ("snapshots", "document.querySelectorAll('#grid-snapshots .grid-head button')[1].click()"),
    "flame graph, compared": ("flame?by=live&before=snapshot1", ""),
    "time": ("time?show=rate", ""),
    "time, a window": ("time?from=20000000&to=70000000", ""),
    "overview": ("overview", ""),
}


def first_clicks(started, page_path: Path) -> list[tuple[str, float, float]]:
    """Milliseconds of the first look at each view, in pages that have just been opened."""
    times: dict = {view: [] for view in FIRST_VIEWS}
    for _ in range(FRESH_PAGES):
        page = started.new_page(viewport={"width": 1366, "height": 850})
        page.goto(page_path.as_uri())
        page.wait_for_selector("body[data-warm]", timeout=120_000)
        for view in FIRST_VIEWS:
            times[view].append(page.evaluate(AFTER_FRAME, f"location.hash = '#{view}'"))
            page.wait_for_selector(f"body[data-ready='{view.split('?')[0]}']")
        page.close()
    return [(f"first look: {view}", min(found), 100) for view, found in times.items()]


def browse(page_path: Path) -> list[tuple[str, float, float]]:
    """Milliseconds and limit of each thing a reader does."""
    import browser

    found = []
    with browser.playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=browser.CHROMIUM, args=browser.OPTIONS)
        opened = []
        for _ in range(OPENS):
            page = started.new_page(viewport={"width": 1366, "height": 850})
            page.goto(page_path.as_uri() + "#blocks")
            page.wait_for_selector("body[data-ready='blocks'] .grid-row")
            opened.append(page.evaluate("performance.now()"))
            page.close()
        found.append(("open the page at its blocks", min(opened), 2000))
        found += first_clicks(started, page_path)
        page = started.new_page(viewport={"width": 1366, "height": 850})
        page.goto(page_path.as_uri())
        for name, (hash_, act) in ACTIONS.items():
            times = []
            for _ in range(CLICKS):
                other = "overview" if hash_ != "overview" else "about"
                page.evaluate(f"location.hash = '#{other}'")
                page.wait_for_selector(f"body[data-ready='{other}']")
                base = hash_.split("?")[0]
                if act:
                    page.evaluate(f"location.hash = '#{hash_}'")
                    page.wait_for_selector(f"body[data-ready='{base}']")
                    page.wait_for_timeout(50)
                else:
                    page.evaluate(f"location.hash = '#{base}?reset=1'")
                    page.wait_for_selector(f"body[data-ready='{base}']")
                    page.wait_for_timeout(50)
                times.append(page.evaluate(AFTER_FRAME, act or f"location.hash = '#{hash_}'"))
            found.append((name, min(times), 100))
        started.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=100_000)
    parser.add_argument("--blocks", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where the run folder stays")
    parser.add_argument("--render", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.render:
        render(chosen.render)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        base = chosen.keep or Path(temporary)
        path = base / "out"
        base.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            make_folder(path, chosen.sites, chosen.blocks)
        done = subprocess.run([sys.executable, __file__, "--render", path], stdout=subprocess.PIPE, universal_newlines=True, check=True,
                              env={**os.environ, "XDG_CACHE_HOME": temporary})
        seconds, resident = map(float, done.stdout.split())
        rows = [("render, CPU time", seconds, 10, "s"), ("largest resident size", resident / 2**20, 1024, "MiB"),
                ("size of the page", (path / "report.html").stat().st_size / 10**6, 15, "MB")]
        rows += [(name, value, limit, "ms") for name, value, limit in browse(path / "report.html")]
    for name, value, limit, unit in rows:
        print(f"{name:40} {value:8.1f} {unit:4} (limit {limit:,}){'  EXCEEDED' if value > limit else ''}")
    return int(any(value > limit for _, value, limit, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
