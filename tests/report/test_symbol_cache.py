"""The cache of names, by build-id."""

import json
import os

import pytest

from named import call_in, one, program  # noqa: F401 (one is a fixture)
from report import binary, symbol_cache, symbols
from report.symbolizer import Tools


class Counting(Tools):
    """Counts the addresses that are asked for."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def ask(self, path, module, addresses):
        self.asked += len(addresses)
        return super().ask(path, module, addresses)


def test_names_are_kept_by_build_id(program, own_cache):
    path = program()
    address, tools = call_in(path, "outer"), Counting()
    first, second = one(path, address, tools=tools)[0], one(path, address, tools=tools)[0]
    assert tools.asked == 1 and first == second
    assert os.listdir(own_cache / "crunch" / "symbols") == [next(iter(binary.build_ids(path))) + ".json"]
    os.utime(path, ns=(1, 1))  # another file of the same build: stripped, say
    one(path, address, tools=tools)
    assert tools.asked == 2


def test_a_file_that_is_gone_keeps_its_cached_names(program):
    path = program()
    address, identity = call_in(path, "outer"), next(iter(binary.build_ids(path)))
    one(path, address)
    path.unlink()
    symbols.why_not.cache_clear()
    found, troubles = one(path, address, identity)
    assert found[-1].name == "outer" and not troubles


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", b"{}", b'{"format":1,"stamp":[],"answers":{"x":[]}}', b"[" * 100_000,
                                    b'{"format":1,"stamp":null,"answers":{"1":[[1]]}}'])
def test_an_unreadable_cache_is_no_cache(program, own_cache, damage):
    path = program()
    folder = own_cache / "crunch" / "symbols"
    folder.mkdir(parents=True)
    (folder / (next(iter(binary.build_ids(path))) + ".json")).write_bytes(damage)
    assert one(path, call_in(path, "outer"))[0][-1].name == "outer"


def test_the_cache_stays_small(own_cache, monkeypatch):
    monkeypatch.setattr(symbol_cache, "MOST_BYTES", 3000)
    for number in range(10):
        symbol_cache.save(f"{number:040x}", ["tool"], {1: [("f" * 900, "", 0, 0)]})
        path = own_cache / "crunch" / "symbols" / f"{number:040x}.json"
        if path.exists():
            os.utime(path, (number, number))
    left = os.listdir(own_cache / "crunch" / "symbols")
    assert f"{9:040x}.json" in left and f"{0:040x}.json" not in left and 1 < len(left) < 4


def test_a_cache_that_cannot_be_written_is_no_error(program, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = program()
    assert one(path, call_in(path, "outer"))[0][-1].name == "outer"


def test_json_of_the_cache_is_what_it_says(program, own_cache):
    path = program()
    one(path, call_in(path, "outer"))
    kept = json.loads(next((own_cache / "crunch" / "symbols").iterdir()).read_text())
    assert kept["format"] == symbol_cache.FORMAT and list(kept) == ["format", "stamp", "answers"]
