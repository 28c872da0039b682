"""Programs everybody has, with and without crunch: same stdout, stderr and exit status."""

import re
import shutil
import socket
import subprocess

import pytest

from harness import CRUNCH, Folder, bare, clean_environment, crunch, finish, needs, start, wait_until

SCRIPT = """
set -e
words() { for i in $(seq 300); do echo "word $((i * 7919 % 1000))"; done; }
words | sort -n -k2 | uniq | (while read -r a b; do echo "$b $a"; done) | tail -n 3
count=$(words | wc -l); echo "$count"
( cd / && pwd ); (exit 3) || echo "status $?"
echo "to stderr" >&2
diff <(words) <(words | head -n 299) || echo "differ: $?"
trap 'echo bye' EXIT
sleep 0.01 & wait $!
cat <<< "here"
exit 7
"""

PROGRAM = r"""
#include <map>
#include <string>
#include <iostream>
int main() { std::map<std::string, int> m; for (int i = 0; i < 100; i++) m[std::to_string(i % 7)] += i;
for (auto &p : m) std::cout << p.first << ' ' << p.second << '\n'; }
"""

NODE = """
const { execFileSync } = require('child_process');
const big = Array.from({ length: 20000 }, (_, i) => ({ i, text: 'x'.repeat(i % 50) }));
console.log(JSON.stringify(big).length, execFileSync('echo', ['from a child']).toString().trim());
setTimeout(() => { console.error('to stderr'); process.exit(5); }, 5);
"""

PERL = r"""
my %h; $h{$_ % 97} .= chr(65 + $_ % 26) for 1 .. 20000; print join(",", map { length $h{$_} } sort keys %h), "\n";
print STDERR "to stderr\n"; print `echo from a child`; exit 4;
"""

PYTHON = r"""
import json, re, subprocess, sys, threading
data = {str(i): list(range(i % 30)) for i in range(5000)}
print(len(json.dumps(data)), len(re.findall(r"\d+", json.dumps(data))))
threads = [threading.Thread(target=lambda: [bytes(n) for n in range(2000)]) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(subprocess.run(["echo", "from a child"], stdout=subprocess.PIPE).stdout)
print("to stderr", file=sys.stderr); sys.exit(6)
"""


@pytest.fixture
def inputs(tmp_path):
    """A folder with files for the programs to work on."""
    folder = tmp_path / "in"
    folder.mkdir()
    records = ",".join(f'{{"id": {i}, "name": "n{i * 31 % 100}", "list": [{i}, {i + 1}]}}' for i in range(3000))
    (folder / "data.json").write_text(f"[{records}]")
    (folder / "bad.json").write_text('{"a": [1, 2')
    (folder / "data.xml").write_text("<all>" + "".join(f"<e id='{i}'><t>text {i}</t></e>" for i in range(3000)) + "</all>")
    (folder / "program.cpp").write_text(PROGRAM)
    (folder / "wrong.c").write_text("int main(void) { return undeclared; }\n")
    (folder / "script.sh").write_text(SCRIPT)
    return folder


SQL = ("create table t(id integer primary key, v text); with recursive c(n) as (select 1 union all select n + 1 from c where n "
       "< 5000) insert into t select n, printf('%x', n * 7919) from c; create index i on t(v); select count(*), max(v) from t; "
       "select v, count(*) from t group by length(v); select * from nowhere;")

COMMANDS = {
    "jq": ["jq", "-c", "group_by(.name) | map({(.[0].name): (map(.id) | add)}) | add", "data.json"],
    "jq fails": ["jq", ".", "bad.json"],
    "xmllint": ["xmllint", "--xpath", "count(//e[t != 'text 5'])", "data.xml"],
    "xmllint formats": ["xmllint", "--format", "data.xml"],
    "sqlite3": ["sqlite3", ":memory:", SQL],
    "python3": ["python3", "-c", PYTHON],
    "perl": ["perl", "-e", PERL],
    "bash": ["bash", "script.sh"],
    "node": ["node", "-e", NODE],
    "tar": ["tar", "--sort=name", "--mtime=@0", "-czf", "-", "."],
    "gcc": ["gcc", "-O2", "-S", "-o", "-", "-x", "c++", "program.cpp"],
    "gcc fails": ["gcc", "-c", "-o", "wrong.o", "wrong.c"],
    "clang": ["clang", "-O2", "-S", "-o", "-", "-x", "c++", "program.cpp"],
    "clang fails": ["clang", "-c", "-o", "wrong.o", "wrong.c"],
    "ls": ["ls", "-la", "/etc"],
    "sort": ["sort", "-n", "-t:", "-k2", "data.json", "data.xml"],
}
ENVIRONMENT = {"LC_ALL": "C", "ASAN_OPTIONS": "", "PYTHONHASHSEED": "0"}


def crunch_aside(result, folder):
    """The program's own stderr. crunch's lines stand last, in one piece."""
    own, found, said = result.said.partition("=== crunch ===\n")
    assert found and any(line.endswith(" remaining heap allocations") for line in said.splitlines()), result.said
    own = re.sub(r"crunch: .* became .* by exec; what follows is .*'s heap\n\n\Z", "", own)
    return own.encode()


@pytest.mark.parametrize("name", COMMANDS)
def test_same_output_and_status(name, inputs, folder):
    command = [needs(COMMANDS[name][0]), *COMMANDS[name][1:]]
    expected = bare(command, cwd=inputs, env=ENVIRONMENT)
    result, run = crunch(folder, *command, cwd=inputs, env=ENVIRONMENT)
    assert (result.status, result.stdout) == (expected.status, expected.stdout)
    assert crunch_aside(result, folder) == expected.stderr
    assert not name.endswith("fails") or expected.status != 0
    run.check()
    for child in run.children.values():
        if (child.path / "stats").exists():
            child.check()


def test_git(tmp_path, folder):
    git = needs("git")
    env = {**ENVIRONMENT, "HOME": str(tmp_path), **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
           (("NAME", "n"), ("EMAIL", "e@x"), ("DATE", "2020-01-01T00:00:00Z"))}}
    script = f"""set -e
    "{git}" init -q -b main repository; cd repository
    for i in $(seq 30); do echo "$i" > "file$i"; done
    "{git}" add . ; "{git}" commit -qm first; seq 100 > file1; "{git}" commit -qam second
    "{git}" log --stat; "{git}" diff HEAD~1; "{git}" gc -q; "{git}" fsck; "{git}" clone -q . ../copy; "{git}" show nothing"""
    results = []
    for prefix in ([], [*CRUNCH, "--out", str(folder)]):
        place = tmp_path / ("crunch" if prefix else "bare")
        place.mkdir()
        results.append(bare([*prefix, "sh", "-c", script], cwd=place, env=env))
    expected, result = results
    assert expected.status == 128 and b"second" in expected.stdout
    assert (result.status, result.stdout, crunch_aside(result, folder)) == (expected.status, expected.stdout, expected.stderr)
    assert len(Folder(folder).children) > 8


def test_binary_compiled_under_crunch_runs(inputs, folder):
    compiler = needs("c++")
    result, _ = crunch(folder, compiler, "-O1", "-o", "program", "program.cpp", cwd=inputs)
    assert result.status == 0
    assert bare(["./program"], cwd=inputs).stdout.count(b"\n") == 7


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_redis_server_under_load(tmp_path, folder):
    server, client, load = needs("redis-server"), needs("redis-cli"), needs("redis-benchmark")
    port = str(free_port())
    process = start([*CRUNCH, "--out", str(folder), server, "--port", port, "--bind", "127.0.0.1", "--save", "",
                     "--dir", str(tmp_path), "--logfile", str(tmp_path / "log")])
    ask = [client, "-p", port]
    try:
        wait_until(lambda: bare([*ask, "ping"]).stdout == b"PONG\n")
        done = subprocess.run([load, "-p", port, "-n", "20000", "-c", "20", "-q", "-t", "set,get,lpush,lpop,mset"], timeout=60,
                              env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0 and done.stdout.count(b"requests per second") >= 4
        bare([*ask, "set", "key", "value"])
        assert bare([*ask, "get", "key"]).stdout == b"value\n"
    finally:
        bare([*ask, "shutdown", "nosave"])
        result = finish(process)
    assert result.status == 0 and "remaining heap allocations" in result.said
    run = Folder(folder)
    run.check()
    assert run.end == "exit 0"


def test_stdin_is_read_to_the_same_point(folder):
    """A shell reads a script from stdin byte by byte, and its children the rest."""
    script = b"read line\nfirst\necho \"$line\"\ncat\nthe rest\n"
    assert bare(["sh"], stdin=script) == bare([*CRUNCH, "-q", "-n", "sh"], stdin=script)


def test_program_may_take_the_tracker_out_of_its_environment(folder):
    shell = shutil.which("bash") or needs("sh")
    result, run = crunch(folder, shell, "-c", "unset LD_PRELOAD; /bin/echo unrecorded; exit 3")
    assert result.status == 3 and result.stdout == b"unrecorded\n"
    run.check()
    assert not [child for child in run.children.values() if (child.path / "blocks").exists()]
