"""Numbers, times and hostile text, as people read them; pure functions."""

import os
import re
import unicodedata

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
FIRST, MIDDLE, LAST = "\ue000\ue001\ue002"  # around a size in a sentence of the page; printable() lets none of them through
SIZED = re.compile(f"{FIRST}([+−±]?)(-?\\d+){MIDDLE}(.*?){LAST}")


def size(count: int) -> str:
    """Bytes for people: '10 bytes', '3.4 KiB', '120 MiB'."""
    if abs(count) < KIB:
        return plural(count, "byte")
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(count) >= unit:
            value = count / unit
            return f"{value:.0f} {name}" if abs(value) >= 100 else f"{value:.1f} {name}"
    raise AssertionError("unreachable")


def sized(count: int) -> str:
    """A size in a sentence of the page, whose units the reader may switch: SIZED. templates.py makes an element of it."""
    return f"{FIRST}{count}{MIDDLE}{size(count)}{LAST}"


def with_sized(sentence: str) -> str:
    """A sentence of the tracker's, in which the size of a stack is marked."""
    return re.sub(r"\b(\d+\.\d) MiB\b", lambda found: f"{FIRST}{round(float(found[1]) * MIB)}{MIDDLE}{found[0]}{LAST}", sentence)


def signed_sized(count: int) -> str:
    """A change, for the same."""
    return f"{FIRST}{_sign(count)}{abs(count)}{MIDDLE}{signed(count)}{LAST}"


def signed(count: int) -> str:
    """'+3.4 KiB', '−10 bytes'."""
    return _sign(count) + size(abs(count))


def signed_count(count: int) -> str:
    """'+1,000', '±0'."""
    return f"{_sign(count)}{abs(count):,}"


def _sign(count: int) -> str:
    return "+" if count > 0 else "−" if count < 0 else "±"


def plural(count: int, noun: str) -> str:
    """'1 block', '2,000 blocks'."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def seconds(value: float) -> str:
    """A duration for people: '0 s', '12 µs', '3.1 ms', '1.25 s', '3 min 4 s', '2 h 5 min'."""
    if value == 0:
        return "0 s"
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.1f} ms"
    if value < 60:
        return f"{value:.2f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60)} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60)} min"


def printable(text: str) -> str:
    """`text` fit for a terminal or a page: control bytes, bidi marks and undecodable bytes become visible escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as surrogateescape keeps it
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return char
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unescaped(text: str) -> str:
    """A name from a file in which bytes that are not fit to be shown are written \\ooo."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 255]), os.fsencode(text)))
