"""Where programs allocate, from the run to the lines on the terminal, the page and the exports."""

import json
import random
import re
import resource

import pytest

from harness import CRUNCH, Folder, bare, crunch, preloaded, target
from launcher import sites
from report import exports, model, stacks, symbolizer, symbols
from report import run as runs
from report.errors import CrunchError

def stacks_of(folder):
    """Innermost function names (up to main) and the place, for all that the program itself allocated."""
    run = runs.load(folder.path)
    found = {}
    for place, leaf in zip(run.stacks.places, run.tree.leaves):
        names = [(frame.name, frame.line) for frame in run.tree.stack(leaf)]
        inside = next((number for number, (name, _) in enumerate(names) if name == "main"), None)
        if inside is not None:
            found[tuple(names[:inside + 1])] = place
    return run, found


def lines_of(name):
    """Line numbers of a target's source by the word behind `line:` in its comments."""
    text = open(re.sub(r"build/targets/(\w+)$", r"tests/targets/\1.c", target(name)), encoding="utf-8").read()
    return {match[1]: number for number, line in enumerate(text.splitlines(), 1) if (match := re.search(r"/\* line: (\w+) \*/", line))}


@pytest.fixture
def tree(folder):
    result, recorded = crunch(folder, target("call_tree"))
    assert result.status == 0
    recorded.check()
    return result, recorded


def test_counts_of_every_place_are_exact(tree):
    _, recorded = tree
    run, found = stacks_of(recorded)
    line = lines_of("call_tree")
    expected = {  # stack: allocations, bytes, live blocks, live bytes, bytes at the peak, temporary
        (("grab", line["grab"]), ("leak", line["leak"]), ("main", line["main_leak"])): (5, 500, 5, 500, 500, 0),
        (("grab", line["grab"]), ("hold", line["hold"]), ("main", line["main_hold"])): (1, 100_000, 0, 0, 100_000, 1),
        (("churn", line["churn"]), ("main", line["main_churn"])): (1000, 16_000, 0, 0, 0, 1000),
        (("grow", line["grow_first"]), ("main", line["main_grow"])): (1, 10, 0, 0, 0, 1),
        (("grow", line["grow_again"]), ("main", line["main_grow"])): (1, 20, 1, 20, 20, 0),
    }
    counted = {stack: (place.allocations, place.bytes, place.live_blocks, place.live_bytes, place.peak_bytes, place.temporary)
               for stack, place in found.items()}
    recursive = {stack: values for stack, values in counted.items() if any(name == "deep" for name, _ in stack)}
    assert {stack: values for stack, values in counted.items() if stack not in recursive} == expected
    (stack, values), = recursive.items()
    assert stack == (("deep", line["deep_end"]), *[("deep", line["deep"])] * 40, ("main", line["main_deep"]))
    assert values == (1, 7, 1, 7, 7, 0)
    assert run.stacks.cut_short() == {}


def test_sums_over_the_places_are_the_totals(tree):
    _, recorded = tree
    run, _ = stacks_of(recorded)
    places = run.stacks.places
    assert sum(place.live_bytes for place in places) == recorded.count("live_bytes")
    assert sum(place.live_blocks for place in places) == recorded.count("live_blocks")
    assert sum(place.bytes for place in places) == recorded.count("bytes_allocated")
    assert sum(place.allocations for place in places) == recorded.count("allocations") + recorded.count("reallocations")
    assert sum(place.peak_bytes for place in places) == recorded.count("peak_bytes")
    assert sum(place.peak_blocks for place in places) == recorded.count("peak_blocks")


def test_the_terminal_names_function_and_line(tree):
    result, _ = tree
    line = lines_of("call_tree")
    said = result.said[result.said.index("still allocated"):]
    said = said.replace("tests/targets/", "")  # where the program was started depends on who runs the test
    assert said == f"""\
still allocated, by call stack
  500 bytes in 5 blocks, 95 %
    grab (call_tree.c:{line['grab']})
    leak (call_tree.c:{line['leak']})
    main (call_tree.c:{line['main_leak']})
  20 bytes in 1 block, 4 %
    grow (call_tree.c:{line['grow_again']})
    main (call_tree.c:{line['main_grow']})
  7 bytes in 1 block, 1 %
    deep (call_tree.c:{line['deep_end']})
    deep (call_tree.c:{line['deep']})
    main (call_tree.c:{line['main_deep']})

at the peak of 98.2 KiB, by call stack
  97.7 KiB in 1 block, 99 %
    grab (call_tree.c:{line['grab']})
    hold (call_tree.c:{line['hold']})
    main (call_tree.c:{line['main_hold']})
  500 bytes in 5 blocks
    grab (call_tree.c:{line['grab']})
    leak (call_tree.c:{line['leak']})
    main (call_tree.c:{line['main_leak']})
  20 bytes in 1 block
    grow (call_tree.c:{line['grow_again']})
    main (call_tree.c:{line['main_grow']})
"""


def test_stacks_from_the_loader_are_whole(folder):
    """What libraries' initialisers allocate: the loader's first instructions have no unwind table, and nothing is outside of them."""
    recorded = crunch(folder, target("hello"))[1]
    found = runs.load(recorded.path).stacks
    assert any(place.runtime_bytes > 4096 for place in found.places) and found.cut_short() == {}


@pytest.mark.parametrize("options, words", [(["--stacks", "0"], []), (["--stacks", "1"], ["_start"]), (["--stacks", "1", "-n"], ["_start"])])
def test_whole_stacks_or_none_on_demand(folder, options, words):
    result = crunch(folder, target("call_tree"), options=options)[0]
    assert ("by call stack" in result.said) == bool(words) and all(word in result.said for word in words)


def test_the_exports_hold_every_stack(tree):
    _, recorded = tree
    folded = bare([*CRUNCH, "--export", "folded", str(recorded.path)])
    lines = dict(line.rsplit(" ", 1) for line in folded.stdout.decode().splitlines())
    ending = {name.split(";main;", 1)[1]: int(value) for name, value in lines.items() if ";main;" in name}
    assert ending == {"leak;grab": 500, "grow": 20, ";".join(["deep"] * 41): 7}
    speedscope = bare([*CRUNCH, "--export", "speedscope", "--value", "allocations", str(recorded.path)])
    assert sum(json.loads(speedscope.stdout)["profiles"][0]["weights"]) == recorded.count("allocations") + recorded.count("reallocations")


def cpu_seconds(command, **options):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = preloaded(*command, env={"CRUNCH_HEAP_LIMIT": "0"}, **options)[0]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.status == 0
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def unlimited_stack():
    resource.setrlimit(resource.RLIMIT_STACK, (resource.getrlimit(resource.RLIMIT_STACK)[1],) * 2)


def test_recursion_costs_the_same_at_any_depth(tmp_path):
    """300,000 calls each time; the bound is wide, since test machines are busy."""
    seconds = {depth: cpu_seconds((tmp_path / str(depth), [target("deep"), str(depth), str(300_000 // depth)]), preexec_fn=unlimited_stack)
               for depth in (400, 100_000)}
    assert seconds[100_000] < 4 * seconds[400] + 0.1, seconds
    run, found = stacks_of(Folder(tmp_path / "100000"))
    assert run.stacks.cut_short().keys() == {stacks.TOO_DEEP}
    assert sum(place.live_blocks for place in run.stacks.places) == 3 * 100_001 == sum(place.allocations for place in run.stacks.places) - 3 * 100_001
    deepest = max(len(run.tree.path(leaf)) for leaf in run.tree.leaves)
    assert 512 - 256 < deepest <= 512 + 1, "the innermost 512 frames, and what stands for the others"


def test_a_closed_plugin_still_has_names(folder):
    _, recorded = crunch(folder, target("plugin_closed"), target("plugin_leak", "-shared"))
    run, found = stacks_of(recorded)
    assert any(stack[0][0] == "plugin_leak" and place.live_bytes == 77 for stack, place in found.items())
    assert any(module.unloaded_ns for module in run.stacks.modules)


def test_a_small_program_is_reported_quickly(folder, tmp_path):
    """CPU time of launcher, report and symbol tool without a cache; the bound is wide, since test machines are busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    crunch(folder, "true", env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_random_damage_to_a_real_recording_is_a_sentence_or_a_report(tree, monkeypatch):
    _, recorded = tree
    monkeypatch.setattr(symbols, "tools", no_tools)
    whole = (recorded.path / "recording").read_bytes()
    used = [at for at in range(len(whole)) if whole[at]]
    chance = random.Random(5)
    outcomes = set()
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.choice((chance.choice(used), chance.randrange(8192)))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        (recorded.path / "recording").write_bytes(damaged[:chance.choice((len(damaged),) * 4 + (chance.randrange(len(damaged)),))])
        try:
            run = runs.load(recorded.path)
            sites.lines(run, sites.Wanted())
            model.page(run, "crunch")
            exports.render(run, "folded", "live", "crunch")
            outcomes.add("report")
        except CrunchError as error:
            assert "\n" not in error.message
            outcomes.add("sentence")
    assert outcomes == {"report", "sentence"}


def no_tools():
    tools = symbolizer.Tools()
    tools._tools = []
    return tools
