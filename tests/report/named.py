"""A program compiled here, and the names that its return addresses get. `program` is a fixture."""

import os
import shutil
import subprocess
import sys

import pytest

from report import binary, symbols
from report.stacks import Module, Stacks
from report.symbolizer import Tools

SOURCE = """\
#include <cstdlib>
#include <vector>
template <class T> struct Box { T *keep; __attribute__((noinline)) T *fill(T value) { keep = new T(value); return keep; } };
static inline __attribute__((always_inline)) void *inner(std::size_t n) { return std::malloc(n); }
static inline __attribute__((always_inline)) void *middle(std::size_t n) { return inner(n + 1); }
extern "C" __attribute__((noinline)) void *outer(std::size_t n) { return middle(n); }
int main() { Box<int> box; return outer(10) == nullptr || box.fill(3) == nullptr; }
"""
START = 0x7F0000000000


@pytest.fixture
def program(tmp_path):
    compiler = shutil.which("c++") if sys.platform != "darwin" else None
    if not compiler:
        pytest.skip("no C++ compiler that makes ELF files")

    def build(name="prog", *options, source=SOURCE):
        (tmp_path / "prog.cpp").write_text(source)
        subprocess.run([compiler, "-O1", "-g", "-fPIE", "-pie", "-Wl,--build-id", str(tmp_path / "prog.cpp"), "-o", str(tmp_path / name),
                        *options], check=True)
        return tmp_path / name

    return build


def call_in(path, function):
    """The file's address behind the first call in a function, by objdump."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True, check=True).stdout
    body = text[text.index(f"<{function}>:"):].splitlines()
    at = next(number for number, line in enumerate(body) if "call" in line or "\tbl\t" in line)
    return int(body[at + 1].split(":")[0], 16)


def symbols_of(path, address, build_id=None, tools=None, start_ns=1 << 62, module_path=None):
    """Names of one return address in a file, which is pc 16."""
    identity = next(iter(binary.build_ids(path)), "") if build_id is None else build_id
    module = Module(START, START + (1 << 30), START, 1, 0, str(module_path or path), identity)
    stacks = Stacks([0] * 16, list(range(16)), [0] * 16 + [START + address], [0] * 16 + [1],
                    [Module(0, 0, 0, 0, 0, "", ""), module], [], [])
    return symbols.Symbols(stacks, 1 << 22, start_ns, str(path.parent), tools)


def one(path, address, *others, **more):
    """The frames of one return address in a file."""
    found = symbols_of(path, address, *others, **more)
    return found.frames(16), found.troubles


def tools_of(kind):
    tools = Tools()
    tools._tools = [tool for tool in tools._tools if isinstance(tool, kind)] or pytest.skip(f"{kind.name} is not installed")
    return tools


def shown(found):
    return [(frame.name, os.path.basename(frame.file), frame.line, frame.inlined) for frame in found]
