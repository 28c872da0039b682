"""The heap over time as it is read: points, moments, histograms and threads, whole, lost in part, damaged, and of a killed run."""

import random
import shutil
import struct
import subprocess

import pytest

import folders
from conftest import ROOT
from folders import CallStacks, histogram, moment, point, site, slot, thread_info
from report import fragmentation, histograms, reader, threads, time_view, timeline
from report import run as runs
from report.errors import CrunchError

SITES = [site(0, 16, allocations=10, live_blocks=4), site(0, 17, allocations=1000, live_blocks=0, temporary=500, size=24, lives=1, sizes=2),
         site(0, 16, allocations=3, live_blocks=-1, resizes=3)]
PCS = [(0x1000, 0), (0x2000, 0)]


def loaded(path, call_stacks, entries=(), **values):
    return runs.load(folders.run_folder(path / "run", entries, call_stacks=call_stacks, **values))


def recorded(path, call_stacks, slots=(), **values):
    folder = path / "run"
    folder.mkdir()
    (folder / "recording").write_bytes(folders.recording(slots, call_stacks=call_stacks, **values))
    return reader.read_recording(folder), folder


def test_points_are_read_in_order(tmp_path):
    found = loaded(tmp_path, CallStacks(points=[point(0, 0), point(10**9, 500, 100, 700, 4096, allocations=20),
                                                point(3 * 10**9, 300, 300, 500, allocations=60)])).timeline
    assert [(one.time_ns, one.live_bytes, one.low_bytes, one.high_bytes) for one in found.points] == [
        (0, 0, 0, 0), (10**9, 500, 100, 700), (3 * 10**9, 300, 300, 500)]
    assert found.resident == [(10**9, 4096)] and found.rates == [0.0, 20.0, 20.0] and found.interval_ns == 1 << 15


def test_points_of_both_halves_and_either_turn(tmp_path):
    """The first half of a full history is in the low or in the high third of the room."""
    half = timeline.TIMELINE_HALF
    for high in (0, 1):
        items = [point(7, 0)] * (3 * half)  # what is not the history's is older
        for number in range(half + 5):
            items[number + (2 * half if high and number < half else 0)] = point(1000 + number, number)
        calls = CallStacks(points=items)
        data = bytearray(folders.recording(call_stacks=calls))
        folder = tmp_path / str(high)
        folder.mkdir()
        at = data.index(timeline.TIMELINE.pack(3 * half << 1, 1 << 15, 0, 0))
        data[at:at + 8] = ((half + 5) << 1 | high).to_bytes(8, "little")
        (folder / "recording").write_bytes(data)
        found = timeline.read(reader.read_recording(folder), folder)
        assert [one.live_bytes for one in found.points] == list(range(half + 5))


def test_a_killed_run_ends_with_what_its_threads_had_counted(tmp_path):
    calls = CallStacks(points=[point(0, 0), point(100, 50)], span=(20, 60))
    slots = [slot(allocations=5, frees=1, bytes_allocated=90, bytes_freed=10, high_bytes=95, low_bytes=75, handed_bytes=80),
             slot(allocations=1, bytes_allocated=7, high_bytes=7, low_bytes=0, handed_bytes=7)]
    recording, folder = recorded(tmp_path, calls, slots, state=reader.RUNNING)
    last = timeline.read(recording, folder, 5000).points[-1]
    assert last == timeline.Point(5000, 87, 5, 20, 102, 6, 97)
    assert timeline.read(recording, folder).points[-1].time_ns == 100
    ended, folder = recorded(tmp_path / "run", calls, slots, state=reader.EXITED)
    assert len(timeline.read(ended, folder).points) == 2


def test_samples_of_the_launcher_fill_in(tmp_path):
    recording, folder = recorded(tmp_path, CallStacks(points=[point(0, 0, resident=10), point(100, 0, resident=30)]), start_ns=1000)
    (folder / "resident").write_text("990 5\n1050 20\n1200 40\n")
    assert timeline.read(recording, folder).resident == [(0, 10), (50, 20), (100, 30), (200, 40)]
    (folder / "resident").write_text("1050 x\n")
    with pytest.raises(CrunchError, match="resident is damaged"):
        timeline.read(recording, folder)


def test_a_heap_that_stood_still_is_filled_in(tmp_path):
    """A point long after the one before tells what was there since soon after it; the extremes were there in between."""
    found = loaded(tmp_path, CallStacks(points=[point(0, 0), point(10**7, 5), point(10**10, 50, 0, 60), point(10**10 + 9, 7)])).timeline
    assert [(one.time_ns, one.live_bytes, one.low_bytes, one.high_bytes) for one in found.filled] == [
        (0, 0, 0, 0), (10**7, 5, 5, 5), (10**7 + timeline.LATE_NS // 2, 50, 0, 60), (10**7 + timeline.LATE_NS, 50, 50, 50), (10**10, 50, 50, 50), (10**10 + 9, 7, 7, 7)]


def test_places_stand_still_with_the_heap(tmp_path):
    """Of a heap that stood still since 60 ms the moment at 10 s tells what was there, not what had been there before."""
    points = [point(0, 0), point(10**7, 100), point(10**10, 400), point(10**10 + 9, 7)]
    kept = [moment(10**7, (1, 100)), moment(10**10, (1, 400)), moment(10**10 + 9, (1, 7))]
    found = loaded(tmp_path, CallStacks(sites=[site(0, 16)], pcs=PCS, points=points, moments=kept))
    assert [(one.time_ns, one.top[0][1]) for one in found.moments] == [(10**7, 100), (10**7 + timeline.LATE_NS, 400), (10**10, 400), (10**10 + 9, 7)]
    shown = time_view.view(found, [0])
    assert [(row.time, row.live) for row in shown.rows] == [("0 s", 0), ("10.0 ms", 100), ("35.0 ms", 400), ("60.0 ms", 400), ("10.00 s", 400), ("10.00 s", 7)]


def test_places_of_a_killed_run_go_on_to_its_end(tmp_path):
    sites = [site(0, 16, allocations=4, live_blocks=4, live_bytes=900), site(0, 17, live_bytes=0), site(0, 16, live_blocks=1, live_bytes=8)]
    kept = dict(sites=sites, pcs=PCS, points=[point(0, 0), point(10**7, 100)], moments=[moment(10**7, (1, 100))])
    ended = loaded(tmp_path, CallStacks(**kept))
    assert len(ended.moments) == 1
    (ended.folder / "recording").write_bytes(folders.recording(call_stacks=CallStacks(**kept), state=reader.RUNNING))
    assert [(one.time_ns, one.top) for one in runs.load(ended.folder).moments] == [
        (10**7, ((0, 100, 1),)), (10**7 + timeline.LATE_NS, ((0, 908, 5),)), (250 * 10**6, ((0, 908, 5),))]


def test_moments_name_places(tmp_path):
    found = loaded(tmp_path, CallStacks(sites=SITES, pcs=PCS, moments=[
        moment(5, (2, 100), (1, 300)), moment(9, (1, 40), (3, 70), places=5)])).moments
    assert found[0] == timeline.Moment(5, ((0, 300, 1), (1, 100, 1)), True) and found[0].threshold == 0
    assert found[1] == timeline.Moment(9, ((0, 110, 2),), False) and found[1].threshold == 110  # items 1 and 3 are one place


def test_histograms_say_what_their_sums_lack(tmp_path):
    kept = loaded(tmp_path, CallStacks(sites=SITES, pcs=PCS, histograms=[
        histogram(2, histograms.LIVES, 100, 200, *[0] * 14, 7, 9), histogram(2, histograms.SIZES, *[0] * 7, 30),
        histogram(3, histograms.RESIZES, 17, 1, 6, 8 << 20, 17)])).histograms
    assert kept[1].ended == 1000 and kept[1].temporary == 500 and kept[1].by_others == 200
    assert kept[1].by_allocations[:2] == [100, 200] and kept[1].by_time[:3] == [984, 7, 9]
    assert kept[1].sizes[7] == 30 and kept[1].sizes[4] == 970 and sum(kept[1].sizes) == 1000  # 24 bytes, of extra.size
    assert (kept[0].grown, kept[0].longest, kept[0].ended) == (17, 17, 10)
    assert histograms.resize_words(kept[0]) == "grew 17 times, shrank 1 time, 8.0 MiB copied, one block 17 times"
    assert histograms.resize_words(kept[1]) == ""


def test_threads_by_name(tmp_path):
    run = loaded(tmp_path, CallStacks(summed=thread_info(0, 3, 0, allocations=9, bytes_allocated=1), threads=[
        thread_info(threads.RUNS, 1, 0, b"main", bytes_allocated=2), thread_info(0, 9, 0, b"half written"),
        thread_info(threads.ENDED, 2, 0, b"worker", 77, allocations=4, bytes_allocated=1000, bytes_freed=900)]),
        [(0x100, 30, 0), (0x200, 12, 0)])
    found = run.threads
    assert [(one.number, one.name, one.bytes_allocated, one.end_ns, one.threads) for one in found] == [
        (2, "worker", 1000, 77, 1), (1, "main", 40, 0, 1), (0, "", 1, 0, 3)]
    assert (found[1].live_bytes, found[1].live_blocks, found[0].live_blocks) == (42, 2, 0)


@pytest.mark.parametrize("broken", [
    dict(points=[point(9, 0), point(5, 0)]), dict(points=[point(1, 5, low=6)]), dict(moments=[moment(9), moment(5)]),
    dict(moments=[moment(1, (99, 5))]), dict(moments=[moment(1, (1, 5), places=0)]),
    dict(threads=[thread_info(threads.RUNS, 1, 44)]), dict(sites=[site(0, 16, lives=1)], histograms=[histogram(2, 1)]),
    dict(sites=[site(0, 16, sizes=9)])])
def test_damage_is_one_sentence(tmp_path, broken):
    run = loaded(tmp_path, CallStacks(**{"sites": SITES[:1], "pcs": PCS, **broken}))
    with pytest.raises(CrunchError, match="recording is damaged"):
        run.timeline, run.moments, run.histograms, run.threads


def test_lost_ends_are_left_out(tmp_path):
    calls = CallStacks(sites=SITES, pcs=PCS, points=[point(n, n) for n in range(20)], moments=[moment(n, (1, 9)) for n in range(6)],
                       histograms=[histogram(2, 1), histogram(2, 2)],
                       threads=[thread_info(threads.ENDED, n, 0) for n in range(1, 9)])
    recording, folder = recorded(tmp_path, calls, lost=(reader.TIMELINE, reader.SERIES, reader.HISTOGRAMS, reader.THREADINFO))
    found = timeline.read(recording, folder).points
    assert 5 < len(found) < 20 and [one.live_bytes for one in found] == list(range(len(found)))
    assert 0 < len(timeline.moments(recording, folder, [-1, 0, 1, 0])) < 6
    assert 0 < len(threads.read(recording, None, folder)) < 8


def test_random_damage_never_surprises(tmp_path):
    calls = CallStacks(sites=SITES, pcs=PCS, points=[point(n, n) for n in range(9)], moments=[moment(n, (1, 9), (2, 5)) for n in range(3)],
                       histograms=[histogram(2, 1, 5), histogram(2, 2, 5), histogram(3, 3, 1, 2, 3, 4, 5)],
                       threads=[thread_info(1, 1, 0), thread_info(2, 2, 0)])
    path = folders.run_folder(tmp_path / "run", [(0x100, 5, 0)], call_stacks=calls)
    data = (path / "recording").read_bytes()
    dice = random.Random(5)
    read = 0
    for _ in range(1500):
        bad = bytearray(data)
        for _ in range(dice.choice((1, 1, 4))):
            bad[dice.randrange(8000, len(bad))] = dice.randrange(256)
        (path / "recording").write_bytes(bad)
        try:
            run = runs.load(path)
            run.timeline, run.moments, run.growth, run.histograms, run.threads
            read += 1
        except CrunchError:
            pass
    assert 100 < read < 1500


def test_fragmentation_is_read_and_its_damage_told(tmp_path):
    run = loaded(tmp_path, CallStacks(sites=SITES, pcs=PCS))
    assert run.fragmentation is None
    text = ("page_bytes 4096\n" + "".join(f"{name} {n}\nlive_there {10 * n}\n" for n, (name, _) in enumerate(fragmentation.CLASSES)) +
            "heap_bytes 100000\nheap_unused 500\nasked 1000\nusable 1024\nunknown_blocks 1\nsite 1 24\nsite 3 1000\nsite 99 5\n")
    (run.folder / "fragmentation").write_text(text)
    found = runs.load(run.folder).fragmentation
    assert (found.slack, found.by_place, found.heap_bytes, found.heap_unused) == (24, {0: 1024}, 100000, 500)
    assert found.sparse(1 / 4) == fragmentation.Pages(1 / 4, 3, 30) and len(found.pages) == 6
    for bad in ("", "page_bytes x\n", text.replace("site 1 24", "site 1"), text.replace("asked", "asking"), "pages_full 1\n"):
        (run.folder / "fragmentation").write_text(bad)
        with pytest.raises(CrunchError, match="fragmentation is damaged"):
            runs.load(run.folder).fragmentation


def test_the_layout_is_the_headers(tmp_path):
    """What the C compiler writes into every field is read from where it wrote it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler")
    (tmp_path / "layout.c").write_text("""#include "base/format.h"
#include <stdio.h>
int main(void) {
    struct cr_timeline control = {{1, 2}, 3, 4, {0}};
    struct cr_point point = {1, 2, 3, 4, 5, 6, 7, 8};
    struct cr_series_point moment = {1, 2, 3, {{4, 5, 6}, {7, 8, 9}}};
    struct cr_histogram lives = {.site = 1, .kind = 2}, resizes = {.site = 1, .kind = 2, .resizes = {3, 4, 5, 6, 7}};
    struct cr_thread_info info = {1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 10, "eleven", {0}};
    struct cr_site_extra extra = {1, 2, 3, 4, 5, 6};
    lives.lives.by_allocations[15] = 3;
    lives.lives.by_time[13] = 4;
    fwrite(&control, sizeof control, 1, stdout); fwrite(&point, sizeof point, 1, stdout); fwrite(&moment, sizeof moment, 1, stdout);
    fwrite(&lives, sizeof lives, 1, stdout); fwrite(&resizes, sizeof resizes, 1, stdout); fwrite(&info, sizeof info, 1, stdout);
    fwrite(&extra, sizeof extra, 1, stdout);
    printf("%u %u %u %u %u", CR_TIMELINE_HALF, CR_SERIES_HALF, CR_SERIES_SITES, CR_LIVES_BY_ALLOCATIONS, CR_LIVES_BY_TIME);
    return 0;
}""")
    subprocess.run([compiler, "-std=c11", "-I", str(ROOT / "src/tracker"), "-o", str(tmp_path / "layout"), str(tmp_path / "layout.c")],
                   check=True)
    data = subprocess.run([str(tmp_path / "layout")], check=True, capture_output=True).stdout
    items = []
    for kind in (reader.TIMELINE, reader.TIMELINE, reader.SERIES, reader.HISTOGRAMS, reader.HISTOGRAMS, reader.THREADINFO, reader.EXTRAS):
        items.append(data[:reader.ITEM_BYTES[kind]])
        data = data[reader.ITEM_BYTES[kind]:]
    control, one, moment_, lives, resizes, info, extra = items
    assert timeline.TIMELINE.unpack(control) == (1, 2, 3, 4) and timeline.POINT.unpack(one) == (1, 2, 3, 4, 5, 6, 7, 8)
    assert timeline.SERIES_POINT.unpack_from(moment_) + struct.unpack_from("<IIQIIQ", moment_, 16) == (1, 2, 3, 4, 5, 6, 7, 8, 9)
    counts = histograms.COUNTS.unpack_from(lives, histograms.HEAD.size)
    assert (counts[15], counts[29], sum(counts)) == (3, 4, 7)
    assert histograms.RESIZE.unpack_from(resizes, histograms.HEAD.size) == (3, 4, 5, 6, 7)
    assert threads.INFO.unpack(info) == (1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 10, b"eleven".ljust(32, b"\0"))
    assert histograms.EXTRA.unpack(extra) == (1, 2, 3, 4, 5, 6)
    assert data.split() == [str(number).encode() for number in (
        timeline.TIMELINE_HALF, timeline.SERIES_HALF, timeline.SERIES_SITES, histograms.BY_ALLOCATIONS, histograms.BY_TIME)]
