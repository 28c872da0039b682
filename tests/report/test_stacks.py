"""Call stacks from a recording: sums over threads, shares of the peak, and damage."""

import random
import shutil
import struct

import pytest

import folders
from folders import CallStacks, module, site
from report import problems, reader, stacks
from report.errors import CrunchError
from report.symbols import Symbols
from report.tree import build

FIRST = stacks.MARKERS


def read(tmp_path, call_stacks, **values):
    (tmp_path / "recording").write_bytes(folders.recording(call_stacks=call_stacks, **values))
    return stacks.read(reader.read_recording(tmp_path), tmp_path / "recording")


def test_the_items_of_a_place_are_summed_and_the_peaks_share_is_chosen_by_epoch(tmp_path):
    found = read(tmp_path, CallStacks(
        sites=[site(16, 17, allocations=3, bytes=30, live_bytes=20, live_blocks=2, epoch=5, peak_bytes=30, peak_blocks=3, lifetime_ns=100),
               site(16, 17, live_bytes=-10, live_blocks=-1, epoch=4, peak_bytes=999, peak_blocks=9, temporary=1, lifetime_ns=50, slot=1),
               site(0, 16, allocations=1, bytes=7, live_bytes=7, live_blocks=1)],
        nodes=[(0, 16)], pcs=[(0x1000, 0), (0x2000, 0)]), peak_epoch=5)
    first, second = found.places
    assert (first.allocations, first.bytes, first.live_bytes, first.live_blocks) == (3, 30, 10, 1)
    assert (first.peak_bytes, first.peak_blocks, first.temporary, first.mean_lifetime_ns) == (20, 2, 1, 75)
    assert (second.peak_bytes, second.live_bytes) == (7, 7)
    assert found.walk(first) == ([17, 16], 0) and found.walk(second) == ([16], 0)
    assert found.place_of == [-1, 0, 0, 1] and found.place_at(2) is first and found.place_at(0) is None and found.place_at(99) is None


def test_a_frame_entered_twice_after_an_unload_is_one(tmp_path):
    found = read(tmp_path, CallStacks(
        sites=[site(17, 18, allocations=1), site(19, 18, allocations=2)],
        nodes=[(0, 16), (16, 17), (0, 16), (18, 17)], pcs=[(0x1000, 0), (0x2000, 0), (0x3000, 0)]))
    assert [place.allocations for place in found.places] == [3]
    assert found.walk(found.places[0])[0] == [18, 17, 16]


def test_stacks_cut_short_are_counted_by_reason(tmp_path):
    found = read(tmp_path, CallStacks(sites=[site(16, 16, allocations=4), site(5, 16, allocations=3), site(17, 16, allocations=2)],
                                      nodes=[(1, 16), (0, 16)], pcs=[(0x1000, 0)]))
    assert found.cut_short() == {1: 4, 5: 3}
    assert found.walk(found.places[0]) == ([16, 16], 1)


def test_modules_and_their_paths(tmp_path):
    found = read(tmp_path, CallStacks(
        sites=[site(0, 16)], pcs=[(0x7F0000001234, 1)], modules=[module(0x7F0000000000, 0x7F0000010000, 1, b"\xab\xcd", 9)],
        strings=b"\0/opt/\xff.so\0"))
    assert found.modules[1].path == "/opt/\udcff.so" and found.modules[1].build_id == "abcd" and found.modules[1].unloaded_ns == 9
    assert found.addresses[16] == 0x7F0000001234 and found.pc_modules[16] == 1


def test_a_section_of_the_programs_is_the_outermost_frame_of_a_stack_cut_short_too(tmp_path):
    found = read(tmp_path, CallStacks(
        sites=[site(19, 18, allocations=1), site(16, 18, allocations=2), site(18, 18, allocations=4)],
        nodes=[(0, 16), (1, 16), (1, 17), (17, 17)], pcs=[(1, stacks.SECTION), (0x2000, 0), (0x3000, 0)], strings=b"\0a \xff\0b"))
    assert found.sections == {16: "a \udcff"} and found.addresses[16] == found.pc_modules[16] == 0
    assert [found.shown(*found.walk(place)) for place in found.places] == [[18, 17, 1, 16], [18, 16], [18, 17, 1]]
    assert found.cut_short() == {1: 5}
    tree = build(found, Symbols(found, folders.LIVE, 0, "/"), "")
    names = [[frame.name for frame in tree.stack(leaf)] for leaf in tree.leaves]
    marker = f"[frames missing: {stacks.REASONS[1]}]"
    assert names == [["0x3000", "0x2000", marker, "[section: a \\xff]"], ["0x3000", "[section: a \\xff]"], ["0x3000", "0x2000", marker]]
    assert [tree.frame_of[tree.sections[leaf]] >= 0 for leaf in tree.leaves] == [True, True, False]
    assert [tree.frames[tree.frame_of[node]].name for node in tree.short(tree.leaves[0], 1)] == ["0x3000", "[section: a \\xff]"]


def test_a_sections_name_that_is_lost(tmp_path):
    found = read(tmp_path, CallStacks(pcs=[(2, stacks.SECTION)], strings=b"\0ab\0cd\0"), lost=[reader.STRINGS])
    assert found.sections == {16: "b"}
    found = read(tmp_path, CallStacks(pcs=[(3, stacks.SECTION)], strings=b"\0ab\0cd\0"), lost=[reader.STRINGS])
    assert found.sections == {16: stacks.REASONS[stacks.LOST]}


@pytest.mark.parametrize("call_stacks, words", [
    (CallStacks(pcs=[(9, stacks.SECTION)], strings=b"\0name\0"), "a section of the program's has a name that does not exist"),
    (CallStacks(sites=[site(16, 16)], pcs=[(1, 0)]), "a site has a stack that does not exist"),
    (CallStacks(sites=[site(0, 16)]), "a site has a stack that does not exist"),
    (CallStacks(nodes=[(16, 16)], pcs=[(1, 0)]), "in a circle"),
    (CallStacks(nodes=[(17, 16), (0, 16)], pcs=[(1, 0)]), "in a circle"),
    (CallStacks(nodes=[(0, 16)]), "a frame that does not exist"),
    (CallStacks(pcs=[(1, 1)]), "a module that does not exist"),
    (CallStacks(modules=[module(2, 1, 0)]), "a module makes no sense"),
    (CallStacks(modules=[module(1, 2, 99)]), "a module makes no sense"),
])
def test_what_cannot_be_is_damage(tmp_path, call_stacks, words):
    with pytest.raises(CrunchError, match=words):
        read(tmp_path, call_stacks)


@pytest.mark.parametrize("lost", range(2, 8))
def test_a_lost_part_is_no_damage(tmp_path, lost):
    found = read(tmp_path, CallStacks(
        sites=[site(16 + number, 16 + number, allocations=1) for number in range(40)],
        nodes=[(15 + number if number else 0, 16 + number) for number in range(40)],
        pcs=[(0x1000 + number, 1 + number % 3) for number in range(40)],
        modules=[module(0x1000, 0x2000, 1 + 5 * number) for number in range(3)], strings=b"\0/a/b\0/c/d\0/e/f\0"), lost=[lost])
    assert found.places and all(found.walk(place)[0] for place in found.places)
    if lost == reader.NODES:
        assert found.walk(found.places[-1])[1] == stacks.LOST and found.cut_short()[stacks.LOST] > 0


def test_random_runs_against_a_slow_reference(tmp_path):
    """Threads allocate and free at random places by the tracker's rules; the sums are those of plain dictionaries."""
    chance = random.Random(7)
    for _ in range(20):
        items, live, peak, epoch = {}, {}, {}, 1
        totals, best = {}, 0
        blocks = []
        for _ in range(300):
            slot = chance.randrange(3)
            birth = not blocks or chance.random() < 0.6
            place, size = (chance.randrange(6), chance.randrange(1, 50)) if birth else blocks.pop(chance.randrange(len(blocks)))
            item = items.setdefault((slot, place), dict(allocations=0, bytes=0, live_bytes=0, live_blocks=0, epoch=0, peak_bytes=0,
                                                        peak_blocks=0, slot=slot))
            if item["epoch"] != epoch:
                item.update(epoch=epoch, peak_bytes=item["live_bytes"], peak_blocks=item["live_blocks"])
            sign = 1 if birth else -1
            item["live_bytes"] += sign * size
            item["live_blocks"] += sign
            live[place] = live.get(place, 0) + sign * size
            if birth:
                blocks.append((place, size))
                item["allocations"] += 1
                item["bytes"] += size
                totals[place] = totals.get(place, 0) + size
            if sum(live.values()) > best:
                best, peak, epoch = sum(live.values()), dict(live), epoch + 1
        found = read(tmp_path, CallStacks(sites=[site(0, FIRST + place, **item) for (_, place), item in items.items()],
                                          pcs=[(0x1000 + place, 0) for place in range(6)]), peak_epoch=epoch)
        by_place = {place.pc - FIRST: place for place in found.places}
        assert {number: place.bytes for number, place in by_place.items() if place.bytes} == totals
        assert {number: place.live_bytes for number, place in by_place.items()} == live
        assert {number: place.peak_bytes for number, place in by_place.items() if place.peak_bytes} == {n: b for n, b in peak.items() if b}


def test_a_large_recording_is_read_fast(tmp_path):
    """100,000 sites and 600,000 nodes: the work is one pass over each."""
    import time

    nodes = [(0, 16)] + [(max(16, 15 + number - number % 30), 16 + number % 5000) for number in range(1, 600_000)]
    data = CallStacks(sites=[site(16 + 6 * number, 16 + number % 5000, allocations=1, bytes=10) for number in range(100_000)],
                      nodes=nodes, pcs=[(0x1000 + number, 0) for number in range(5000)])
    (tmp_path / "recording").write_bytes(folders.recording(call_stacks=data))
    start = time.process_time()
    found = stacks.read(reader.read_recording(tmp_path), tmp_path / "recording")
    assert time.process_time() - start < 4 and sum(place.allocations for place in found.places) == 100_000


def flip(data, chance):
    """A few bytes of a recording changed, most of them in its header and at the beginning of items."""
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        where = chance.choice((chance.randrange(8192), chance.randrange(len(data))))
        damaged[where] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    if chance.random() < 0.2:
        del damaged[chance.randrange(len(damaged)):]
    return bytes(damaged)


def test_random_damage_is_a_sentence_or_a_model(tmp_path):
    whole = folders.recording(call_stacks=CallStacks(
        sites=[site(16 + number % 9, 16 + number, allocations=number, bytes=5) for number in range(30)],
        nodes=[(15 + number if number else 1, 16 + number) for number in range(10)], pcs=[(4, stacks.SECTION), *((0x1000 + n, n % 3) for n in range(29))],
        modules=[module(0x1000, 0x9000, 1, b"12345"), module(0x9000, 0xA000, 1)], strings=b"\0/a/b\0"))
    chance = random.Random(3)
    outcomes = set()
    for _ in range(1500):
        (tmp_path / "recording").write_bytes(flip(whole, chance))
        try:
            found = stacks.read(reader.read_recording(tmp_path), tmp_path / "recording")
            for place in found.places:
                found.walk(place)
            found.cut_short()
            outcomes.add("model")
        except CrunchError as error:
            assert "\n" not in error.message
            outcomes.add("sentence")
    assert outcomes == {"model", "sentence"}


def test_the_layout_of_items_is_the_headers(tmp_path):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    import subprocess

    from conftest import ROOT
    source = tmp_path / "sizes.c"
    source.write_text('#include "format.h"\n#include <stddef.h>\n#include <stdio.h>\nint main(void) { printf("%zu %zu %zu %zu %zu %zu %zu %u %zu %zu %zu %u", '
                      "sizeof(struct cr_site), offsetof(struct cr_site, live_bytes), offsetof(struct cr_site, peak_bytes), "
                      "offsetof(struct cr_site, slot), sizeof(struct cr_site_extra), sizeof(struct cr_module), "
                      "offsetof(struct cr_module, path), CR_MARKERS, sizeof(struct cr_error), offsetof(struct cr_error, detail), "
                      "offsetof(struct cr_error, function), CR_ERROR_KINDS); return 0; }\n")
    subprocess.run([compiler, "-std=c11", "-I", str(ROOT / "src/tracker"), "-I", str(ROOT / "src/tracker/base"), "-o", str(tmp_path / "sizes"), str(source)], check=True)
    sizes = [int(word) for word in subprocess.run([str(tmp_path / "sizes")], check=True, capture_output=True).stdout.split()]
    assert sizes == [stacks.SITE.size, 32, 48, 60, stacks.EXTRA.size, stacks.MODULE.size, 40, stacks.MARKERS,
                     problems.ERROR.size, 64, 104, len(problems.KINDS)]
    assert reader.ITEM_BYTES[reader.ERRORS] == problems.ERROR.size and struct.calcsize("<8I4Q") == 64
    assert struct.calcsize("<QIIQQ") == 32 and struct.calcsize("<QIIQQqiI") == 48
