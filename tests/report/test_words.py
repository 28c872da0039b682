"""Numbers and hostile text in words."""

import pytest

from report.words import plural, printable, seconds, size


@pytest.mark.parametrize("count, words", [
    (0, "0 bytes"), (1, "1 byte"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (3 << 20, "3.0 MiB"), (500 << 30, "500 GiB")])
def test_sizes_are_binary(count, words):
    assert size(count) == words


@pytest.mark.parametrize("value, words", [
    (0.0000021, "2 µs"), (0.25, "250.0 ms"), (3.14159, "3.14 s"), (125, "2 min 5 s"), (7500, "2 h 5 min")])
def test_durations_have_a_fitting_unit(value, words):
    assert seconds(value) == words


def test_one_is_singular():
    assert plural(1, "block") == "1 block" and plural(2000, "block") == "2,000 blocks"


@pytest.mark.parametrize("text, shown", [
    ("plain name", "plain name"), ("naïve …", "naïve …"), ("a\x1b[31mred", "a\\x1b[31mred"), ("two\nlines\ttab", "two\\x0alines\\x09tab"),
    ("\u202egnp.exe", "\\u202egnp.exe"), ("bad\udcff", "bad\\xff"), ("c1\x9b", "c1\\x9b"), ("\U000e0041", "\\U000e0041")])
def test_bytes_that_a_terminal_would_obey_are_shown(text, shown):
    assert printable(text) == shown
