"""Why it crashed: every verdict, in words, on a target that crashes so; and its twin, which does the same rightly."""

import platform
import re

import pytest

from harness import CRUNCH, TARGETS, bare, crunch, preloaded, target
from report import run as runs
from report import summary

NUMBERS = {"SIGSEGV": 11, "SIGBUS": 7, "SIGABRT": 6, "SIGILL": 4, "SIGTRAP": 5, "SIGFPE": 8, "SIGSYS": 31}

# name: signal, access, the sentence, function on the stack
VERDICTS = {
    "after": ("SIGSEGV", "write", r"a write to an address 16777216 bytes after a live block of 100 bytes, where nothing is mapped"),
    "far_after": ("SIGSEGV", "write", r"a write to 0x[0-9a-f]+, where nothing is mapped"),
    "before": ("SIGSEGV", "read", r"a read from an address 16777216 bytes before a live block of 100 bytes, where nothing is mapped"),
    "before_mapped": ("SIGSEGV", "write", r"a write to an address 24 bytes before a live block of 1048576 bytes, where nothing is mapped"),
    "on_and_on": ("SIGSEGV", "write", r"a write to an address \d+ bytes after a live block of 1048576 bytes, (where nothing is mapped|in memory "
                                      r"that allows no such access)"),
    "inside": ("SIGSEGV", "write", r"a write to an address 20 bytes inside a live block of 8192 bytes, in memory that allows no such access"),
    "use_after_free": ("SIGSEGV", "read", r"a read from an address 5000 bytes inside a freed block of 1048576 bytes, where nothing is mapped"),
    "read_only_block": ("SIGSEGV", "write", r"a write to read-only memory, 20 bytes inside a live block of 8192 bytes"),
    "null_field": ("SIGSEGV", "read", r"a read of the field at offset 24 of a null pointer"),
    "null": ("SIGSEGV", "write", r"a write through a null pointer"),
    "null_far": ("SIGSEGV", "write", r"a write to what lies at offset 60000 from a null pointer"),
    "null_very_far": ("SIGSEGV", "write", r"a write to 0xc3500, where nothing is mapped: maybe a null pointer with an offset of 800000 bytes"),
    "null_negative": ("SIGSEGV", "read", r"a read of what lies at offset -16 from a null pointer"),
    "null_call": ("SIGSEGV", "execute", r"a call through a null function pointer"),
    "wild_call": ("SIGSEGV", "execute", r"a jump to 0x123456789000, where nothing is mapped"),
    "call_data": ("SIGSEGV", "execute", r"a jump to memory that is not executable, 0 bytes inside a live block of 64 bytes"),
    "overflow": ("SIGSEGV", "write", r"stack overflow, \d+\.\d MiB used in the main thread"),
    "unlimited_overflow": ("SIGSEGV", "write", r"stack overflow, 24\.0 MiB used in the main thread"),
    "string": ("SIGSEGV", "write", r"a write to a read-only mapping of \S*/crashes, where string constants and other constants lie"),
    "large_frame": ("SIGSEGV", "write", r"stack overflow, \d\.\d MiB used in the main thread, and a large array or alloca wanted (39|40)\.\d MiB more"),
    "read_only_file": ("SIGSEGV", "write", r"a write to a read-only mapping of /etc/passwd"),
    "code": ("SIGSEGV", "write", r"a write to the code of \S*/crashes"),
    "beyond_file": ("SIGBUS", "read", r"a read from the mapped file \S+ \(deleted\) where it has no bytes: it has become shorter"),
    "beyond_named_file": ("SIGBUS", "read", r"a read from the mapped file \S*/mapped file, 4900 bytes beyond its end"),
    "unmapped": ("SIGSEGV", "write", r"a write to 0x[0-9a-f]+, where nothing is mapped"),
    "forbidden": ("SIGSEGV", "read", r"a read from 0x[0-9a-f]+, in memory that allows no such access"),
    "noncanonical": ("SIGSEGV", None, r"an access through 0x8000000000001234, which is no address: its upper bits are not all alike"),
    "text_pointer": ("SIGSEGV", None, r'an access through 0x64726f7773736170, the text "password", which is no address: its upper bits are not all alike'),
    "text_address": ("SIGSEGV", "write", r'a write to 0x747865742061, the text "a text", where nothing is mapped'),
    "poison": ("SIGSEGV", None, r"an access through 0xdddddddddddddddd in r\w+, which fills freed blocks: a pointer was read from a freed "
                                r"block's content \(crunch --check and debugging allocators\)"),
    "poison_fresh": ("SIGSEGV", None, r"an access through 0xcdcdcdcdcdcdcdcd in r\w+, which fills new blocks: a pointer was read that had "
                                      r"never been set \(crunch --check and debugging allocators\)"),
    "bad_return": ("SIGSEGV", None, r'a return to 0x4141414141414141, the text "AAAAAAAA", which is no address: the return address on the stack has been overwritten'),
    "smashing": ("SIGABRT", None, r"a function found its stack frame overwritten when it returned: .*\(stack smashing\)"),
    "assertion": ("SIGABRT", None, r"a failed assertion: crashes: .*crashes\.c:\d+: assertion: Assertion `twin \|\| zero == 1' failed\."),
    "corrupt_heap": ("SIGABRT", None, r"the allocator found its heap damaged and gave up: malloc\(\): corrupted top size"),
    "aborts": ("SIGABRT", None, r"abort was called"),
    "trap": ("SIGILL", None, r"a trap instruction, as __builtin_trap, .*"),
    "breakpoint": ("SIGTRAP", None, r"a breakpoint instruction, .*"),
    "divide": ("SIGFPE", None, r"integer division by zero"),
    "raises": ("SIGSEGV", None, r"the program sent the signal to itself"),
    "refused_call": ("SIGSYS", None, r"a system call that is not allowed, number \d+"),
    "in_malloc": ("SIGSEGV", None, r"an access through 0x41414141414141\w\w(, the text \S+)?, which is no address: .*"),
    "in_handler": ("SIGSEGV", "write", r"a write to an address 16777216 bytes after a live block of 100 bytes, where nothing is mapped"),
    "corrupt_stack": ("SIGSEGV", "write", r"a write through a null pointer"),
    "wild_stack_pointer": ("SIGSEGV", "write", r"a write to the field at offset 8 of a null pointer"),
    "lose_altstack": ("SIGSEGV", "write", r"a write through a null pointer"),
}
HANDLED = "in its handler of SIGSEGV at 0x18: a read of the field at offset 24 of a null pointer"
if platform.machine() == "x86_64":
    VERDICTS.update({
        "misaligned": ("SIGSEGV", None, r"an access to an address 1 byte inside a live block of 64 bytes, which is not aligned as the instruction demands"),
        "system_instruction": ("SIGSEGV", None, r"an instruction that only the operating system may use"),
        "handled_raises": ("SIGSEGV", None, rf"the program sent the signal to itself, {HANDLED}"),
        "handled_returns": ("SIGSEGV", None, rf"the program sent the signal to itself, {HANDLED}"),
        "handled_aborts": ("SIGABRT", None, rf"abort was called, {HANDLED.replace('its', 'the program.s')}"),
        "divide_large": ("SIGFPE", None, r"an integer division whose result is too large, as of the smallest number by -1"),
    })
STACKLESS = ("corrupt_stack", "wild_stack_pointer", "smashing")  # whose main is not found again
ON_STACK = {"handled_raises": "follow", "handled_returns": "follow", "handled_aborts": "follow", "in_handler": "after", "bad_return": "smash"}  # others have a function of their own name there
IN_THREAD = ["after", "use_after_free", "null_field", "null_call", "overflow", "poison", "assertion", "divide", "corrupt_heap"]


def explained(folder):
    """The crash of a run folder, complete."""
    summary.complete(folder)
    return runs.load(folder).crash


def names(stack):
    return [frame.name for frame in stack]


@pytest.mark.parametrize("way", VERDICTS)
def test_says_why(way, folder):
    name, access, sentence = VERDICTS[way]
    program = [target("crashes"), way]
    result, run = preloaded(folder, program, cwd=folder.parent)
    assert result.status == -NUMBERS[name] and run.end == f"signal {name}"
    run.check()
    assert run.fatal.line.startswith(f"{name} ")
    assert re.fullmatch(sentence, run.fatal.values["explanation"])
    assert run.fatal.values.get("access") == access
    crash = explained(folder)
    assert crash.sentence == run.fatal.values["explanation"] and crash.thread == run.count("pid")
    functions = names(crash.stack)
    assert way in STACKLESS or (ON_STACK.get(way, way) in functions and "main" in functions)
    values = dict(crash.registers)
    assert len(values) >= 20 and [key for key in ("rip", "pc") if key in values]
    assert any(mapping.path.endswith("/crashes") for mapping in crash.mappings)


def test_twins_without_the_defect_say_nothing(folder):
    result, run = preloaded(folder, [target("crashes"), "all", "twin"], cwd=folder.parent)
    assert result.status == 0 and run.fatal is None and run.end == "exit 0"
    assert not (folder / "maps").exists()


@pytest.mark.parametrize("way", IN_THREAD)
def test_says_why_in_another_thread(way, folder):
    name, _, sentence = VERDICTS[way]
    result, run = preloaded(folder, [target("crashes"), way, "thread"])
    assert result.status == -NUMBERS[name]
    said = run.fatal.values["explanation"].replace("a thread other than the main one", "the main thread")
    said = said.replace("in memory that allows no such access", "where nothing is mapped")  # glibc reserves more for a thread's heap
    assert re.fullmatch(sentence, said)
    crash = explained(folder)
    assert crash.thread != run.count("pid") and "in_thread" in names(crash.stack) and "main" not in names(crash.stack)


@pytest.mark.parametrize("way", ["after", "before", "null_field", "null_call", "string", "poison", "overflow"])
def test_says_why_at_O2(way, folder):
    program = target("crashes", "-O2", "-fno-inline", "-fno-optimize-sibling-calls")
    _, run = preloaded(folder, [program, way])
    assert re.fullmatch(VERDICTS[way][2].replace("/crashes", "/crashes\\w*"), run.fatal.values["explanation"])
    assert "main" in names(explained(folder).stack)


def test_names_the_lines_of_crash_and_block(folder):
    preloaded(folder, [target("crashes"), "after"])
    crash = explained(folder)
    source = (TARGETS / "crashes.c").read_text().splitlines()
    assert "/* crash: after */" in source[crash.stack[0].line - 1] and crash.stack[0].name == "after"
    block = crash.explaining
    assert (block.where, block.size, block.state, block.kind, block.thread) == ("below", 100, "live", "malloc", 1)
    assert "/* allocated: make_block */" in source[block.allocated[0].line - 1]
    assert names(block.allocated)[:3] == ["make_block", "after", "main"]
    assert crash.address == block.address + 100 + 0x1000000
    assert len(crash.instruction) == 16


@pytest.mark.parametrize("options", [[], ["--guard"]])
def test_names_where_a_block_was_freed(options, tmp_path):
    result, run = crunch(tmp_path / "out", target("crashes"), "use_after_free", options=options)
    source = (TARGETS / "crashes.c").read_text().splitlines()
    block = explained(run.path).explaining
    assert (block.state, block.size) == ("freed", 1 << 20) and names(block.allocated)[0] == "make_block"
    assert block.freed[0].name == "release" and "/* freed: release */" in source[block.freed[0].line - 1]
    assert "  and freed in\n    release (" in result.said


def test_a_field_is_read_at_its_own_line(folder):
    preloaded(folder, [target("crashes"), "null_field"])
    crash = explained(folder)
    source = (TARGETS / "crashes.c").read_text().splitlines()
    assert "/* crash: null_field */" in source[crash.stack[0].line - 1]
    assert names(crash.stack)[:3] == ["follow", "null_field", "main"]


def test_a_register_names_the_block_at_any_distance(folder):
    """At -O2 the block's address stands in a register, and the offset in the instruction."""
    _, run = preloaded(folder, [target("crashes", "-O2", "-fno-inline", "-fno-optimize-sibling-calls"), "far_after"])
    assert run.fatal.values["explanation"].startswith(f"a write to an address {0x70000000 - 100} bytes after a live block of 100 bytes")


def test_deep_recursion_keeps_both_ends(folder):
    preloaded(folder, [target("crashes"), "overflow"])
    found = names(explained(folder).stack)
    assert found[0] == "dig" and "main" in found and len(found) < 300
    assert "[frames left out]" in found


def test_the_launcher_says_it_and_puts_names_into_fatal(tmp_path):
    result, run = crunch(tmp_path / "out", target("crashes"), "overflow")
    assert result.status == 139
    said = result.said.split("\n\n")[0].splitlines()
    assert re.fullmatch(r"  stack overflow, \d+\.\d MiB used in the main thread", said[1]) and said[2] == "  in"
    assert re.fullmatch(r"    dig \(\S*crashes\.c:\d+\), [\d,]{5,} times", said[4]), said
    frames = [value for key, value in run.fatal.details if key == "frame"]
    assert re.search(r" at \S+/crashes\+0x[0-9a-f]+ dig \(\S*crashes.c:\d+\)$", frames[0])
    before = (run.path / "fatal").read_bytes()
    assert bare([*CRUNCH, "--report", str(run.path)]).status == 0
    assert (run.path / "fatal").read_bytes() == before


def test_the_stacks_of_other_threads(folder):
    preloaded(folder, [target("crashes"), "others"])
    crash = explained(folder)
    assert "null" in names(crash.stack) and len(crash.threads) == 3
    stacks = [names(thread.frames) for thread in crash.threads if thread.frames]
    assert any("wait_for_lock" in stack for stack in stacks)
    assert [stack[0] for stack in stacks if "wait_for_lock" not in stack] == ["work"]
    assert [thread.name for thread in crash.threads if "work" in names(thread.frames)] == ["at work\\x0a"]
    deaf = [thread for thread in crash.threads if not thread.frames]
    assert len(deaf) == 1 and "signals blocked" in deaf[0].note
    assert len({crash.thread, *(thread.id for thread in crash.threads)}) == 4


def test_a_constant_of_a_library(folder):
    library = target("crash_library", "-shared")
    _, run = preloaded(folder, [target("crashes"), "library", "", library])
    assert run.fatal.values["explanation"] == (f"a write to a read-only mapping of {library}, where string constants and other "
                                               f"constants lie")
    first = explained(folder).stack[0]
    assert first.name == "library_write" and first.module == library and first.line


@pytest.mark.parametrize("way, thrown", [("standard", "std::runtime_error"), ("own", "app::Error"), ("number", "int"),
                                         ("through_noexcept", "std::runtime_error")])
def test_an_exception_that_nobody_caught(way, thrown, folder):
    result, run = preloaded(folder, [target("crashes_cxx"), way])
    assert result.status == -NUMBERS["SIGABRT"]
    assert run.fatal.values["explanation"] == f"a C++ exception that nobody caught: {thrown}"
    assert "main" in names(explained(folder).stack)


@pytest.mark.parametrize("way", ["standard", "own", "number"])
def test_an_exception_that_somebody_caught(way, folder):
    result, run = preloaded(folder, [target("crashes_cxx"), way, "twin"])
    assert result.status == 0 and run.fatal is None


def test_a_second_crash_while_explaining_ends_nothing(folder):
    """Crunch's own tables cannot be read: what can be told is told, and the rest is written."""
    result, run = preloaded(folder, [target("crashes"), "ruined_tables"])
    assert result.status == -NUMBERS["SIGSEGV"] and run.end == "signal SIGSEGV"
    assert run.fatal.values["explanation"] == "a write through a null pointer"
    assert ("note", "not everything could be read while the crash was explained") in run.fatal.details
    assert "damaged what crunch knows of the blocks" in run.recording.message
    assert "ruined_tables" in names(explained(folder).stack)


@pytest.mark.parametrize("way", ["heapless_overflow", "many_threads"])
def test_stack_overflow_of_a_thread_that_never_used_the_heap(way, folder):
    result, run = preloaded(folder, [target("crashes"), way])
    assert result.status == -NUMBERS["SIGSEGV"]
    assert re.fullmatch(r"stack overflow, [78]\.\d MiB used in a thread other than the main one", run.fatal.values["explanation"])
    found = names(explained(folder).stack)
    assert "dig_in_thread" in found and not any("crunch" in name for name in found)


def test_a_child_that_crashes_is_explained_too(tmp_path):
    _, run = crunch(tmp_path / "out", "sh", "-c", f"{target('crashes')} null_field; true")
    child = next(folder for folder in run.children.values() if folder.fatal)
    assert child.fatal.values["explanation"] == "a read of the field at offset 24 of a null pointer"
    assert any(re.search(r" null_field \(\S*crashes\.c:\d+\)$", value) for key, value in child.fatal.details if key == "frame")


def test_what_is_sent_is_no_crash_of_the_program(folder):
    _, run = preloaded(folder, ["sh", "-c", 'kill -SEGV $$'])
    assert run.fatal.values["explanation"] == "the program sent the signal to itself"


def test_perturbed_memory_is_recognised(folder):
    _, run = preloaded(folder, [target("crashes"), "in_malloc"], env={"MALLOC_PERTURB_": str(0x41)})
    assert "fills freed blocks" in run.fatal.values["explanation"] and "malloc.perturb" in run.fatal.values["explanation"]
