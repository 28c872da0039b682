"""Programs of the distribution, each with something to do: what crunch and other tools are compared on."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Optional

SQL = ("create table t(a integer primary key, b text); insert into t(b) select hex(randomblob(20)) from "
       "(with recursive n(x) as (select 1 union all select x + 1 from n where x < 3000) select x from n); "
       "create index i on t(b); select count(*), max(length(b)) from t where b > '7'; delete from t where a % 3 = 0; vacuum;")
PYTHON = ("import json, re, collections, argparse, xml.dom.minidom as m; d = {str(i): [i, {'a': i}] for i in range(2000)}; "
          "assert json.loads(json.dumps(d)) == d; m.parseString('<a><b c=\"d\"/></a>').toxml(); "
          "print(len(re.findall('[0-9]+', json.dumps(d))), collections.Counter('hello'))")
PERL = "my %h; $h{$_ % 997} .= chr(65 + $_ % 26) x 9 for 1..20000; my @k = sort { $h{$a} cmp $h{$b} } keys %h; print scalar(@k), qq{\\n}; eval { die [1] };"
NODE = "const d = []; for (let i = 0; i < 20000; i++) d.push({ i, s: 'x' + i }); console.log(JSON.stringify(d).length)"
BASH = "f() { local a=(); for i in {1..2000}; do a+=(\"x$i\"); done; echo ${#a[@]}; }; f; case abc in a*) printf '%s\\n' \"${BASH_VERSION%%.*}\";; esac; echo $(( $(echo 5) + 1 ))"
C_SOURCE = ("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nstruct s { int a; char *b; };\n"
            "static int twice(int x) { return 2 * x; }\nint main(int n, char **v) { struct s t = {n, strdup(v[0])}; "
            "for (int i = 0; i < 10; i++) t.a += twice(i); printf(\"%d %s\\n\", t.a, t.b); free(t.b); return 0; }\n")


@dataclass(frozen=True)
class Program:
    """A program; `make` prepares what it works on in a folder and gives its command, or None where it is not installed."""

    name: str
    make: Callable[[Path], Optional[List[str]]]


def _tool(name: str, *folders: str) -> Optional[str]:
    """A program of the distribution, not of what stands before it in PATH."""
    return shutil.which(name, path=":".join([*folders, "/usr/bin", "/bin"]))


def _simple(name: str, *arguments: str) -> Program:
    def make(folder: Path) -> Optional[List[str]]:
        path = _tool(name)
        return [path, *(argument.replace("{folder}", str(folder)) for argument in arguments)] if path else None

    return Program(name, make)


def _json(folder: Path) -> Optional[List[str]]:
    (folder / "in.json").write_text("[" + ",".join(f'{{"id":{n},"tags":["a","b{n}"],"x":{n / 7}}}' for n in range(3000)) + "]")
    path = _tool("jq")
    return [path, "[.[] | select(.id % 2 == 0) | {id, t: .tags[1]}] | group_by(.t) | length", str(folder / "in.json")] if path else None


def _xml(folder: Path) -> Optional[List[str]]:
    (folder / "in.xml").write_text("<r>" + "".join(f'<e id="{n}"><t>text {n}</t></e>' for n in range(2000)) + "</r>")
    path = _tool("xmllint")
    return [path, "--xpath", "count(//e[@id > 100]/t)", str(folder / "in.xml")] if path else None


def _git(folder: Path) -> Optional[List[str]]:
    path = _tool("git")
    if not path:
        return None
    where = [path, "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run([*where, "init", "-q"], check=True)
    for number in range(5):
        (folder / f"file{number}").write_text("line\n" * (number + 1) * 50)
        subprocess.run([*where, "add", "."], check=True)
        subprocess.run([*where, "commit", "-q", "-m", f"commit {number}"], check=True)
    return [path, "--no-pager", "-C", str(folder), "log", "--stat", "-p"]


def _compiler(name: str) -> Program:
    def make(folder: Path) -> Optional[List[str]]:
        (folder / "in.c").write_text(C_SOURCE)
        path = _tool(name)
        return [path, "-O1", "-c", str(folder / "in.c"), "-o", str(folder / "out.o")] if path else None

    return Program(name, make)


def _cc1(folder: Path) -> Optional[List[str]]:
    (folder / "in.c").write_text(C_SOURCE)
    gcc = _tool("gcc")
    path = subprocess.run([gcc, "-print-prog-name=cc1"], stdout=subprocess.PIPE, check=True).stdout.decode().strip() if gcc else ""
    return [path, "-quiet", "-imultiarch", f"{os.uname().machine}-linux-gnu", "-O1", str(folder / "in.c"), "-o", str(folder / "out.s")] if path.startswith("/") else None


def _tar(folder: Path) -> Optional[List[str]]:
    for number in range(50):
        (folder / f"f{number}").write_text("x" * number * 100)
    path = _tool("tar")
    return [path, "-cf", str(folder.parent / f"{folder.name}.tar"), "-C", str(folder), "."] if path else None


def _redis(folder: Path) -> Optional[List[str]]:
    server, client = _tool("redis-server"), _tool("redis-cli")
    if not server or not client:
        return None
    socket = folder / "socket"
    (folder / "commands").write_text("".join(f"set k{n} v{n}\nrpush l {n}\nhset h f{n} {n}\n" for n in range(500)) + "shutdown nosave\n")
    (folder / "drive").write_text(f"#!/bin/sh\ni=0; while [ ! -S {socket} ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done\n"
                                  f"{client} -s {socket} < {folder}/commands > {folder}/answers 2>&1\n")
    subprocess.Popen(["/bin/sh", str(folder / "drive")], start_new_session=True)
    return [server, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]


PROGRAMS = (
    Program("jq", _json),
    _simple("sqlite3", ":memory:", SQL),
    _simple("python3", "-c", PYTHON),
    _simple("perl", "-e", PERL),
    Program("git", _git),
    _compiler("gcc"),
    Program("cc1", _cc1),
    _compiler("clang"),
    _simple("node", "-e", NODE),
    Program("xmllint", _xml),
    _simple("bash", "-c", BASH),
    Program("tar", _tar),
    Program("redis-server", _redis),
)
CHEAP = ("jq", "sqlite3", "git", "xmllint", "bash", "tar")  # seconds under memcheck
