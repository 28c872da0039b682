"""Numbers and hostile text in words."""

import pytest

from report import templates, words
from report.words import plural, printable, seconds, size


@pytest.mark.parametrize("count, expected", [
    (0, "0 bytes"), (1, "1 byte"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (3 << 20, "3.0 MiB"), (500 << 30, "500 GiB")])
def test_sizes_are_binary(count, expected):
    assert size(count) == expected


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


def test_sizes_in_sentences_are_marked_for_the_page_and_elements_in_it():
    text = f"{words.sized(1536)} <b> of {words.signed_sized(-2048)}, {words.sized(-3)}"
    assert words.SIZED.sub(r"\3", text) == "1.5 KiB <b> of −2.0 KiB, -3 bytes"
    assert str(templates.with_sizes(text)) == ('<data class="size" value="1536">1.5 KiB</data> &lt;b&gt; of <data class="size signed" value="-2048">−2.0 KiB</data>, '
                                               '<data class="size" value="-3">-3 bytes</data>')
    assert str(templates.in_drawing(words.sized(1536))) == '<tspan class="size" data-value="1536">1.5 KiB</tspan>'
    assert templates.with_sizes("plain <b>") == "plain <b>" and words.printable(words.FIRST) == "\\ue000"


def test_the_size_of_a_stack_in_the_trackers_sentence_is_marked():
    assert str(templates.with_sizes(words.with_sized("stack overflow, 8.0 MiB used"))) == 'stack overflow, <data class="size" value="8388608">8.0 MiB</data> used'
    assert words.with_sized("a write of 8 bytes") == "a write of 8 bytes"


def test_names_with_octal_escapes_are_turned_back():
    assert words.unescaped(r"a\040b\342\200\256\377") == "a b\u202e\udcff"
