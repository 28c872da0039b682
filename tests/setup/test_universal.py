"""The table of a macOS library's exports: what is written is what is read, with few and many names, some of them the beginnings of others."""

import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src" / "setup"))

import universal  # noqa: E402 (found through the line above)


def test_exports_are_read_as_they_were_written():
    chance = random.Random(5)
    for count in (0, 1, 2, 20, 300, 5000):
        names = {bytes(chance.choice(b"_ab") for _ in range(chance.randint(1, 30))) for _ in range(count)}
        exports = {name: bytes([0]) + universal.uleb(chance.randrange(1 << 20)) for name in names}
        assert universal.read_trie(universal.write_trie(exports)) == exports


def test_what_names_have_in_common_is_written_once():
    exports = {b"_crunch_tracker_%d" % number: b"\0\1" for number in range(9)}
    assert universal.write_trie(exports).count(b"_crunch_tracker_") == 1
