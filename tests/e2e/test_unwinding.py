"""Every frame of every stack against another unwinder: glibc's backtrace() and, where it is installed, libunwind.

compare_stacks is preloaded into real programs and into mixed_stacks, which has everything that makes stacks hard. It is
linked with the objects that libcrunch.so is made of.
"""

import json
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness import BUILD, ROOT, TARGETS, bare, needs, target

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no backtrace() to compare with")

LEAST = 200_000  # allocations that are compared, of each program
REFERENCES = ("backtrace", "libunwind")
SECONDS = 60


# ---- what is compared ------------------------------------------------------------------------------------------------


def compiled(folder: Path, source: Path, *options: str) -> str:
    made = folder / source.stem
    subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fomit-frame-pointer", str(source), *options,
                    "-o", str(made)], check=True)
    return str(made)


def has_libunwind() -> bool:
    program = "#include <libunwind.h>\nint main(void) { return 0; }"
    return subprocess.run(["cc", "-x", "c", "-", "-lunwind", "-o", "/dev/null"], input=program.encode(),
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(scope="module", params=REFERENCES)
def library(request, tmp_path_factory):
    """compare_stacks with each other unwinder."""
    if request.param == "libunwind" and not has_libunwind():
        pytest.skip("libunwind is not installed")
    objects = sorted(map(str, (BUILD / "linux").glob("*/unwind*.o")))
    assert objects, "the library's own objects"
    chosen = ["-DCOMPARE_LIBUNWIND", "-lunwind"] if request.param == "libunwind" else []
    return compiled(tmp_path_factory.mktemp(request.param), TARGETS / "compare_stacks.c", f"-I{ROOT / 'src' / 'tracker'}",
                    "-fPIC", "-shared", *objects, "-ldl", "-pthread", *chosen)


def finished(command, stdin, env, library):
    """The run with libunwind, asked in a signal handler wherever that interrupts the loader, hung in about one of a hundred runs; that with
    backtrace() never did. So with libunwind a run that does not end is made again, twice at most."""
    for _ in range(2 if "libunwind" in library else 0):
        try:
            return bare(command, SECONDS, stdin, env=env)
        except pytest.fail.Exception:
            Path(env["COMPARE_OUT"]).unlink(missing_ok=True)
    return bare(command, SECONDS, stdin, env=env)


@pytest.fixture
def count(library, tmp_path):
    """Runs a command with its stacks compared, and gives the counts of all its processes."""

    def run(command, stdin=None, **settings) -> Counter:
        out = tmp_path / "counts"
        env = {"LD_PRELOAD": library, "COMPARE_OUT": str(out), **{key: str(value) for key, value in settings.items()}}
        result = finished(command, stdin, env, library)
        assert result.status == 0, result.said[-3000:]
        total: Counter = Counter()
        for line in out.read_text().splitlines():
            total.update(json.loads(line))
        print(dict(total), result.said[-6000:])  # where they differ, the stacks
        return total

    return run


def assert_same(counts: Counter, least: int = LEAST) -> None:
    """No frame is wrong, and none is missing."""
    assert (counts["wrong"], counts["shorter"], counts["longer"], counts["memo_wrong"]) == (0, 0, 0, 0), counts
    assert counts["compared"] >= least, counts


def assert_complete(counts: Counter) -> None:
    """Every stack reaches the outermost frame, in the other unwinder's eyes too."""
    assert counts["root"] == counts["captures"] and counts["given_up"] == 0, counts


# ---- real programs ---------------------------------------------------------------------------------------------------

PYTHON = """
import json, re
text = json.dumps([{"k%d" % i: [i, str(i)]} for i in range(9000)])
print(len(json.loads(text)), len(re.findall(r"k(\\d+)", text)))
"""
PERL = """
my %h; for my $i (1 .. 60000) { $h{"k$i"} = [$i, "v" . ($i * 3)]; }
my $s = 0; for (sort keys %h) { $s += length($h{$_}[1]); s/k/zz/g; } print "$s\\n";
"""
CXX = """
#include <iostream>
#include <map>
#include <regex>
int main() {
    std::regex word("a+(b|c)*");
    std::map<std::string, int> map{{"a", 1}};
    std::cout << std::regex_match("abcb", word) << map.size();
}
"""


def json_text() -> str:
    return json.dumps([{"name": f"n{i}", "v": [i, i / 3, "x" * (i % 50)]} for i in range(50000)])


def sql_text() -> str:
    rows = "".join(f"insert into t values({i}, 'text{i * 7}', {i / 3});\n" for i in range(12000))
    return f"create table t(a integer primary key, b text, c real);\n{rows}create index i on t(b);\nselect count(*) from t;\n"


def xml_text() -> str:
    rows = "".join(f'<item id="{i}"><name>n{i}</name><value unit="m">{i / 7}</value></item>\n' for i in range(20000))
    return f"<all>\n{rows}</all>\n"


# Each reads its input from the standard input. Compilers have so many and so deep stacks that one in some is compared.
PROGRAMS = {
    "jq": (["jq", "[.[].v[0]] | add"], json_text, 1),
    "sqlite3": (["sqlite3", ":memory:"], sql_text, 1),
    "python": ([sys.executable, "-"], lambda: PYTHON, 1),
    "perl": (["perl", "-"], lambda: PERL, 1),
    "xmllint": (["xmllint", "--noout", "-"], xml_text, 1),
    "clang++": (["clang++", "-O1", "-S", "-x", "c++", "-o", "/dev/null", "-"], lambda: CXX, 10),
    "g++": (["g++", "-O1", "-S", "-x", "c++", "-o", "/dev/null", "-"], lambda: CXX, 8),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_stacks_of_real_programs(name, count):
    (program, *arguments), text, every = PROGRAMS[name]
    counts = count([needs(program), *arguments], text().encode(), COMPARE_EVERY=every, PYTHONMALLOC="malloc")
    assert_same(counts)
    assert_complete(counts)


def test_stacks_of_the_allocating_benchmark(count, tmp_path):
    counts = count([compiled(tmp_path, ROOT / "tests" / "bench" / "bignum.c"), "8000"])
    assert_same(counts)
    assert_complete(counts)


JAVASCRIPT = """
function below(n) { return n ? below(n - 1) + new Array(n).length : Buffer.alloc(20000).length; }
let sum = 0; for (let i = 0; i < 3000; i++) sum += below(i % 40);
const map = new Map(); for (let i = 0; i < 100000; i++) map.set("k" + i, {i});
console.log(sum, JSON.stringify([...map.keys()]).length);
"""


def test_stacks_through_code_made_at_run_time(count, library):
    """The chain of frame pointers leads through most of it. There backtrace() stops; libunwind follows it unchecked."""
    counts = count([needs("node"), "-"], JAVASCRIPT.encode())
    assert counts["longer"] == 0 if "libunwind" in library else counts["longer"] > 0, counts
    assert counts["shorter"] <= counts["no_rule"], counts
    counts["longer"] = counts["shorter"] = 0
    assert_same(counts)
    assert counts["captures"] - counts["root"] == counts["no_rule"] < counts["captures"] // 1000, counts


# ---- everything that makes stacks hard -------------------------------------------------------------------------------

PARTS = ("exceptions", "frames", "recursion", "deep", "callbacks", "threads", "coroutines", "alternate", "lazy")
EVERY_BUILD = [("g++", "-O0", "-fomit-frame-pointer"), ("g++", "-O0", "-fno-omit-frame-pointer"),
               ("g++", "-O2", "-fomit-frame-pointer"), ("g++", "-O2", "-fno-omit-frame-pointer"),
               ("clang++", "-O0", "-fomit-frame-pointer"), ("clang++", "-O0", "-fno-omit-frame-pointer"),
               ("clang++", "-O2", "-fomit-frame-pointer"), ("clang++", "-O2", "-fno-omit-frame-pointer"),
               ("g++", "-O2", "-no-pie", "-Wl,-z,separate-code,-z,max-page-size=0x200000")]  # gaps between the segments


@pytest.fixture(params=EVERY_BUILD, ids=lambda build: "".join(build))
def mixed(request):
    """mixed_stacks, built in every way."""
    compiler, *options = request.param
    needs(compiler)
    return target("mixed_stacks", *options, compiler=compiler)


def plugins():
    frames = [target("plugin_frames", "-shared", "-O2", f"-DFRAME={size}") for size in (400, 1200, 3000)]
    return {"MIXED_PLUGINS": ":".join(frames), "MIXED_LAZY": target("plugin_lazy", "-shared", "-O2")}


def test_hard_stacks_and_signals_anywhere(mixed, count, library):
    # After dlclose libunwind itself remembers code that is no longer there.
    parts = PARTS if "libunwind" in library else (*PARTS, "modules")
    counts = count([mixed, *parts], COMPARE_PROFILE=200, COMPARE_EVERY=2, **plugins())
    assert_same(counts)
    assert counts["given_up"] <= counts["compared"] // 1000, counts  # now and then, not as a rule
    assert counts["truncated"] > 0, "some are deeper than what is shown"
    # Signals also interrupt code without tables (the _init of libraries) or with wrong ones (compare_stacks.c says where).
    # Allocations never come from there.
    early = counts["no_rule"] + counts["bad_cfa"] + counts["bad_read"]
    assert early == counts["captures"] - counts["root"], counts
    assert early < counts["captures"] // 1000 and counts["given_up"] < counts["captures"] // 1000, counts
    assert counts["not_asked"] < counts["captures"] // 20, counts


def test_hard_stacks_are_complete_without_signals(mixed, count):
    parts = [part for part in PARTS if part not in ("alternate", "deep")]
    counts = count([mixed, *parts], COMPARE_EVERY=20, **plugins())
    assert_same(counts, 15_000)
    assert_complete(counts)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 lets a program step through itself")
def test_signal_after_each_instruction(mixed, count):
    counts = count([mixed, "steps"], **plugins())
    assert_same(counts, 2000)
    assert_complete(counts)


def test_call_of_a_null_pointer(mixed, count):
    counts = count([mixed, "null_calls"])
    assert_same(counts, 1000)
    assert counts["root"] == counts["captures"], counts
