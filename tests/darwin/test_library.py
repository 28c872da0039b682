"""The macOS library, as built: what dyld will find in the file, for both architectures."""

import importlib.util
import platform
import re
import shutil
import struct
import sys
from pathlib import Path

import pytest

from macho import Image, read_exports, read_library, signature_errors

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / ("build/libcrunch.dylib" if sys.platform == "darwin" else "build/darwin/libcrunch.dylib")
HOOK_LIST = ROOT / "src/tracker/entry/hook_list.h"
ACCESS_LIST = ROOT / "src/tracker/access/access_list.h"
ARCHITECTURES = ("x86_64", "arm64")
NEWER_THAN_MINIMUM = {"x86_64": {"_aligned_alloc"}, "arm64": set()}  # macOS 10.15


@pytest.fixture(scope="session")
def images():
    can_build = sys.platform == "darwin" or importlib.util.find_spec("ziglang") or shutil.which("lld")
    if not LIBRARY.exists() and not can_build:
        pytest.skip("neither zig nor clang and lld are here, so the macOS library was not built")
    assert LIBRARY.exists(), "make darwin builds the library"
    return read_library(LIBRARY)


@pytest.fixture(params=ARCHITECTURES)
def image(images, request) -> Image:
    assert request.param in images, f"the library has {' and '.join(images)} only"
    return images[request.param]


def hooks(path: Path = HOOK_LIST) -> set:
    """Names in a list of hooks that are for macOS."""
    listed = re.findall(r"^\s*X\((BOTH|LINUX|DARWIN), [^,]+, (\w+),\s*\\?\s*\(", path.read_text(), re.MULTILINE)
    return {name for system, name in listed if system != "LINUX"}


def pairs(image: Image) -> list:
    """(replacement, replaced) of every interposing tuple, by name."""
    section = image.section("__DATA", "__interpose")
    assert section, "there is no section __DATA,__interpose"
    assert section.size and section.size % 16 == 0
    addresses = range(section.address, section.address + section.size, 16)
    return [(image.symbol_at(image.rebases[at]), image.binds[at + 8]) for at in addresses]


def functions(image: Image) -> list:
    """(name, address, code) of every function."""
    section = image.section("__TEXT", "__text")
    inside = {s.address: s.name for s in image.symbols
              if s.defined and section.address <= s.address < section.address + section.size}
    starts = sorted(inside)
    code = image.contents(section)
    ends = starts[1:] + [section.address + section.size]
    return [(inside[a], a, code[a - section.address:b - section.address]) for a, b in zip(starts, ends)]


def calls_and_frame(image: Image, entries: set, address: int, code: bytes) -> tuple:
    """Whether the function calls another one, and whether it saves and sets the frame pointer."""
    if image.architecture == "arm64":
        words = struct.unpack(f"<{len(code) // 4}I", code[:len(code) // 4 * 4])
        calls = any(word & 0xFC000000 == 0x94000000 for word in words)  # bl
        # stp x29, x30, [sp, ...], stepping or not
        return calls, any(word & 0xFFC07FFF in (0xA9807BFD, 0xA9007BFD) for word in words)
    # Bytes that look like a call of something where a function begins; most functions that call are found so.
    targets = (address + at + 5 + int.from_bytes(code[at + 1:at + 5], "little", signed=True)
               for at in range(len(code) - 4) if code[at] == 0xE8)
    return any(target in entries for target in targets), b"\x55\x48\x89\xe5" in code  # push %rbp; mov %rsp, %rbp


def test_both_architectures_are_there(images):
    assert sorted(images) == sorted(ARCHITECTURES)


def test_every_hook_is_interposed_once(image):
    expected = {f"_{name}" for name in hooks()}
    assert len(expected) > 10, "the hook list was not understood"
    replaced = [old for _, old in pairs(image)]
    assert sorted(replaced) == sorted(expected)


@pytest.fixture(params=ARCHITECTURES)
def check_image(images, request) -> Image:
    """The library that --check inserts as well."""
    return read_library(LIBRARY.with_name("libcrunch-check.dylib"))[request.param]


def test_every_call_that_check_looks_at_is_interposed_once(check_image):
    expected = {f"_{name}" for name in hooks(ACCESS_LIST)}
    assert len(expected) > 30, "the list was not understood"
    assert sorted(old for _, old in pairs(check_image)) == sorted(expected)
    assert [(new, old) for new, old in pairs(check_image) if new != f"_crunch{old}"] == []


def test_check_library_is_bound_to_nothing_but_the_system(check_image, images):
    assert check_image.libraries == ["/usr/lib/libSystem.B.dylib"]
    assert check_image.install_name == "@rpath/libcrunch-check.dylib"
    assert [name for name in check_image.exports if not name.startswith("_crunch_")] == []
    assert "_crunch_access" in images[check_image.architecture].exports, "what it looks up by name"
    assert sys.platform == "darwin" or signature_errors(check_image) == []


def test_what_a_program_may_call_is_exported(image):
    asked = set(re.findall(r"CRUNCH_CALL_\(\w+, (crunch_tracker_\w+)", (ROOT / "src" / "crunch.h").read_text()))
    assert len(asked) >= 5 and {f"_{name}" for name in asked} <= set(image.exports)


def test_every_hook_is_replaced_by_its_own_function(image):
    wrong = [(new, old) for new, old in pairs(image) if new == old or not new.endswith(old)]
    assert not wrong
    assert len({new for new, _ in pairs(image)}) == len(pairs(image))


def test_only_intended_symbols_are_exported(image):
    assert [name for name in image.exports if not name.startswith("_crunch_")] == []
    external = [s.name for s in image.symbols if s.external and s.defined]
    assert sorted(external) == sorted(image.exports)


def test_only_libsystem_is_linked(image):
    assert image.libraries == ["/usr/lib/libSystem.B.dylib"]
    assert image.install_name == "@rpath/libcrunch.dylib"


def test_code_and_data_lie_one_behind_the_other(image):
    """By that the tracker knows its own data (platform/modules_darwin.c)."""
    *mapped, tables = image.segments
    assert [mapped[0].name, mapped[-1].name, tables.name] == ["__TEXT", "__DATA", "__LINKEDIT"]
    gaps = [after.address - (before.address + before.size) for before, after in zip(mapped, mapped[1:])]
    assert gaps and all(0 <= gap < 0x4000 for gap in gaps)


def test_no_typed_allocation_is_interposed(image):
    """libmalloc sends typed allocations, which system libraries make, through malloc and its like where these are interposed and the typed
    ones are not."""
    assert [name for name in hooks() if name.startswith("malloc_type_")] == []
    assert [old for _, old in pairs(image) if "malloc_type" in old] == []


def test_minimum_os(image):
    assert image.minimum_os == {"x86_64": (10, 13), "arm64": (11, 0)}[image.architecture]


def test_what_the_oldest_os_lacks_is_imported_weakly(image):
    imported = set(image.binds.values())
    assert imported
    assert NEWER_THAN_MINIMUM[image.architecture] & imported <= image.weak_imports


@pytest.mark.parametrize("name", ["libcrunch.dylib", "libcrunch-check.dylib"])
def test_every_function_is_bound_when_the_library_is_loaded(images, name):
    """The first call of a function that is bound late takes dyld's lock, which a stopped thread may hold."""
    for image in read_library(LIBRARY.with_name(name)).values():
        if sys.platform == "darwin" and image.lazy_binds and int(platform.mac_ver()[0].split(".")[0]) >= 12:
            continue  # whose dyld knows no other way
        assert image.lazy_binds == b""
        late = image.section("__DATA", "__la_symbol_ptr")
        pointers = range(late.address, late.address + late.size, 8) if late else ()
        assert [at for at in pointers if at not in image.binds] == []
        assert {"_vm_read_overwrite", "_thread_suspend"} <= set(image.binds.values()) or "check" in name


def test_names_that_are_hidden_leave_a_trie_that_fits():
    spec = importlib.util.spec_from_file_location("universal", ROOT / "src/setup/universal.py")
    universal = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(universal)
    exports = {f"_crunch_{name}".encode(): bytes([0, number]) for number, name in enumerate(
        ("access", "access_more", "a", *(f"tracker_{i:03}" for i in range(200))))}
    trie = universal.write_trie(exports)
    assert universal.read_trie(trie) == exports
    assert sorted(read_exports(trie)) == sorted(name.decode() for name in exports)
    assert len(trie) <= len(universal.write_trie({**exports, b"___dso_handle": b"\0\0"})), "room is never lacking"


def test_fork_handlers_are_not_run(image):
    """fork takes malloc's locks, which threads that are stopped for a snapshot may hold."""
    assert "___fork" in image.weak_imports, "the system call alone, of which no header says that it stays"
    assert "_fork" not in image.binds.values()


def test_signature_is_ad_hoc_and_right(image):
    if sys.platform == "darwin" and not image.signature:
        pytest.skip("the system's linker signs arm64 only")
    assert signature_errors(image) == []


def test_changed_code_does_not_pass_as_signed(image):
    if not image.signature:
        pytest.skip("not signed")
    changed = bytearray(image.data)
    changed[image.section("__TEXT", "__text").offset] ^= 1
    assert signature_errors(Image(bytes(changed), signature=image.signature)) != []


def test_optimised_code_keeps_frame_pointers(image):
    """Every function that calls another saves and sets the frame pointer, for the unwinder."""
    stubs = image.section("__TEXT", "__stubs")
    entries = {address for _, address, _ in functions(image)} | set(range(stubs.address, stubs.address + stubs.size))
    seen = [(name, *calls_and_frame(image, entries, address, code)) for name, address, code in functions(image)]
    assert sum(calls for _, calls, _ in seen) > 50
    assert [name for name, calls, framed in seen if calls and not framed] == []
