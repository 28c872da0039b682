"""Runs programs bare, with the tracker preloaded directly, and under the launcher; reads what they leave.

Every program runs in a process group of its own with a time limit, and nothing of the group outlives it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import pytest

from launcher import inject
from report import block_file, reader, summary

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LIBRARY = BUILD / inject.LIBRARY
UBSAN_LIBRARY = BUILD / "ubsan" / inject.LIBRARY
TARGETS = ROOT / "tests" / "targets"
BUILT = BUILD / "targets"
CRUNCH = [sys.executable, str(ROOT / "crunch.py")]
SECONDS = 60

FLAGS = {".c": ["cc", "-std=gnu11"], ".cpp": ["c++", "-std=c++17"]}
C_OPTIONS = ["-g", "-O0", "-w", "-fno-builtin", "-pthread"]


def target(name: str, *options: str, compiler: str = "") -> str:
    """The path of tests/targets/NAME.c or .cpp, built; `options` of the compiler, or another one, make another file of it."""
    source = next(path for path in (TARGETS / f"{name}.c", TARGETS / f"{name}.cpp") if path.exists())
    shared = "-shared" in options
    suffix = "".join(re.sub(r"\W", "_", word) for word in (compiler, *options) if word != "-shared")
    program = BUILT / (name + suffix + (".so" if shared else ""))
    newest = max(path.stat().st_mtime for path in (source, *TARGETS.glob("*.h")))
    if not program.exists() or program.stat().st_mtime <= newest:
        BUILT.mkdir(parents=True, exist_ok=True)
        pic = ["-fPIC"] if shared else []
        usual, *standard = FLAGS[source.suffix]
        with tempfile.TemporaryDirectory(dir=BUILT) as folder:
            fresh = Path(folder, program.name)
            subprocess.run([compiler or usual, *standard, *C_OPTIONS, *pic, str(source), *options, "-o", str(fresh), "-ldl"], check=True)
            symbols = program.with_name(f"{program.name}.dSYM")  # on a Mac, what is known of lines
            shutil.rmtree(symbols, ignore_errors=True)
            for made in sorted(Path(folder).iterdir(), reverse=True):
                made.replace(program.with_name(made.name))
    return str(program)


def tags(name: str, kind: str) -> List[List[str]]:
    """The words behind `kind:` in the comments of a target's source."""
    source = next(path for path in (TARGETS / f"{name}.c", TARGETS / f"{name}.cpp") if path.exists())
    return [line.split() for line in re.findall(rf"/[/*] {kind}: (.*?)(?: \*/)?$", source.read_text(), re.MULTILINE)]


def tagged_blocks(name: str) -> List[Tuple[str, int]]:
    """Kind and size of the blocks that a target's source says remain."""
    return sorted((kind, int(size)) for kind, size in tags(name, "block"))


# ---- run folders -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folder:
    """A run folder, checked when read: its files agree with each other."""

    path: Path

    @cached_property
    def stats(self) -> Dict[str, reader.StatValue]:
        stats = reader.read_stats(self.path)
        assert stats is not None, f"no stats in {sorted(os.listdir(self.path))}"
        return stats

    @cached_property
    def blocks(self) -> List[block_file.Block]:
        blocks = block_file.read_blocks(self.path)
        assert blocks is not None, f"no blocks in {sorted(os.listdir(self.path))}"
        return [blocks[i] for i in range(len(blocks))]

    @property
    def own_blocks(self) -> List[block_file.Block]:
        return [block for block in self.blocks if not block.flags & (block_file.BLOCK_RUNTIME | block_file.BLOCK_INHERITED)]

    def kinds(self) -> List[Tuple[str, int]]:
        """Kind and size of the program's own blocks."""
        return sorted((block_file.KINDS[block.kind], block.size) for block in self.own_blocks)

    @property
    def recording(self) -> reader.Recording:
        recording = reader.read_recording(self.path)
        assert recording is not None
        return recording

    @property
    def fatal(self) -> Optional[reader.Fatal]:
        return reader.read_fatal(self.path)

    @property
    def end(self) -> str:
        return str(self.stats["end"])

    def count(self, key: str) -> int:
        return int(self.stats[key])

    def counts(self, *keys: str) -> Tuple[int, ...]:
        return tuple(self.count(key) for key in keys)

    @property
    def heap_files(self) -> List[str]:
        heap = self.path / "heap"
        return sorted(os.listdir(heap)) if heap.exists() else []

    @property
    def children(self) -> Dict[str, "Folder"]:
        children = self.path / "children"
        return {name: Folder(children / name) for name in sorted(os.listdir(children))} if children.exists() else {}

    def check(self, with_blocks: bool = True, errors: Optional[int] = 0) -> None:
        """The files of a complete folder agree, and so many errors of the program's were found (None: however many)."""
        stats, totals = self.stats, self.recording
        assert stats["live_blocks"] == stats["inherited_blocks"] + stats["allocations"] - stats["frees"]
        assert stats["live_bytes"] == stats["inherited_bytes"] + stats["bytes_allocated"] - stats["bytes_freed"]
        assert stats["peak_bytes"] >= stats["live_bytes"]
        assert summary.live(totals) == self.counts("live_bytes", "live_blocks")
        assert stats["tracking"] == "complete"
        assert stats["errors"] == totals.errors and errors in (None, stats["errors"])
        assert not list(self.path.glob("*.part"))
        if not with_blocks:
            return
        assert len(self.blocks) == stats["live_blocks"]
        assert sum(block.size for block in self.blocks) == stats["live_bytes"]
        assert sum(block.runtime for block in self.blocks) == stats["runtime_blocks"]
        kept = [block for block in self.blocks if block.flags & block_file.BLOCK_CONTENTS]
        assert sorted(f"0x{block.address:x}" for block in kept) == self.heap_files
        assert stats["heap_files"] == len(kept) and stats["heap_bytes"] == sum(block.size for block in kept)
        for block in kept:
            assert (self.path / "heap" / f"0x{block.address:x}").stat().st_size == block.size


# ---- running ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """How a program ended: status as Python has it (-n after signal n)."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def said(self) -> str:
        return self.stderr.decode()


def clean_environment() -> Dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("CRUNCH_") and key != inject.VARIABLE}


def start(command: Sequence[str], env: Optional[Mapping[str, str]] = None, **options) -> subprocess.Popen:
    """A program in a process group of its own, with pipes where nothing else is said."""
    chosen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
              "start_new_session": True, **options}
    return subprocess.Popen(list(command), env={**clean_environment(), **(env or {})}, **chosen)


def finish(process: subprocess.Popen, seconds: float = SECONDS, stdin: Optional[bytes] = None) -> Result:
    try:
        stdout, stderr = process.communicate(stdin, timeout=seconds)
        return Result(process.returncode, stdout or b"", stderr or b"")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        pytest.fail(f"{process.args} does not end: {stdout!r} {stderr!r}")


def bare(command: Sequence[str], seconds: float = SECONDS, stdin: Optional[bytes] = None, **options) -> Result:
    """Runs a program without crunch."""
    if stdin is not None:
        options["stdin"] = subprocess.PIPE
    return finish(start(command, **options), seconds, stdin)


def preload_environment(out: Path, library: Path = LIBRARY, before: Sequence[str] = (), after: Sequence[str] = (),
                        **settings) -> Dict[str, str]:
    """What the launcher would set."""
    return {inject.VARIABLE: ":".join([*before, str(library), *after]), "CRUNCH_OUT": str(out), **({inject.NANO: "0"} if inject.MACOS else {}),
            **{key: str(value) for key, value in settings.items()}}


def preloaded(out: Path, command: Sequence[str], seconds: float = SECONDS, stdin: Optional[bytes] = None,
              library: Path = LIBRARY, env: Optional[Mapping[str, str]] = None, before: Sequence[str] = (),
              after: Sequence[str] = (), **options) -> Tuple[Result, Folder]:
    """Runs a program with the tracker preloaded and no launcher, so that nothing completes the folder afterwards."""
    out.mkdir(parents=True, exist_ok=True)
    environment = {**preload_environment(out, library, before, after), **(env or {})}
    return bare(command, seconds, stdin, env=environment, **options), Folder(out)


def crunch(out: Optional[Path], *arguments: str, options: Sequence[str] = (), seconds: float = SECONDS,
           stdin: Optional[bytes] = None, **popen) -> Tuple[Result, Folder]:
    """Runs a program under the launcher; `out` None: its default folder is meant."""
    where = ["--out", str(out)] if out else []
    result = bare([*CRUNCH, *where, *options, *arguments], seconds, stdin, **popen)
    return result, Folder(out or Path(popen.get("cwd", ".")) / "crunch_out")


def needs(program: str) -> str:
    """The path of a program of the system; the test is skipped when it is missing."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def wait_until(condition, seconds: float = 20):
    """The condition's value once it is true; the test fails when that takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail("what the test waits for does not come")


def own_lines(stderr: bytes) -> List[str]:
    return [line for line in stderr.decode().splitlines() if line.startswith("crunch:")]
