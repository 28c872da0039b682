"""Debug information from a server: one of this test's own, on the loopback interface."""

import http.server
import shutil
import subprocess
import threading
import time

import pytest

from report import binary, debuginfod, symbolizer
from report.stacks import MARKERS, Module, Stacks
from report.symbols import Symbols

SOURCE = "__attribute__((noinline)) int inner(int x)\n{\n    return x * 2;\n}\nint main(int argc, char **argv) { return inner(argc); }\n"


@pytest.fixture
def stripped(tmp_path):
    """A program without debug information, what was taken out of it, and its build-id."""
    if not shutil.which("gcc") or not shutil.which("objcopy"):
        pytest.skip("no gcc or objcopy")
    program, debug = tmp_path / "prog", tmp_path / "prog.debug"
    (tmp_path / "prog.c").write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-Wl,--build-id", "-o", program, tmp_path / "prog.c"], check=True)
    symbols = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout
    address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" inner"))
    assert binary.has_debug_info(program)
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", program], check=True)
    assert not binary.has_debug_info(program) and binary.has_debug_info(debug)
    (build_id,) = binary.build_ids(program)
    return program, debug, build_id, address


@pytest.fixture
def server():
    """Serves `files` (path to bytes) and notes what was asked; `pause` seconds before each answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            running.asked.append(self.path)
            time.sleep(running.pause)
            data = running.files.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.files, running.asked, running.pause = {}, [], 0
    threading.Thread(target=running.serve_forever, daemon=True).start()
    running.url = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.shutdown()
    running.server_close()


def names(program, build_id, address, servers):
    """The frames of a return address in `inner`, and what there is to say."""
    module = Module(0x10000, 0x20000, 0x10000, 1, 0, str(program), build_id)
    stacks = Stacks([0] * MARKERS, list(range(MARKERS)), [0] * MARKERS + [0x10000 + address + 8], [0] * MARKERS + [1],
                    [Module(0, 0, 0, 0, 0, "", ""), module], [], [])
    found = Symbols(stacks, 1 << 22, time.time_ns(), "/", symbolizer.Tools(), servers)
    return [(frame.name, frame.line) for frame in found.frames(MARKERS)], found.troubles


def test_missing_debug_information_is_fetched_once(stripped, server):
    program, debug, build_id, address = stripped
    server.files[f"/buildid/{build_id}/debuginfo"] = debug.read_bytes()
    assert names(program, build_id, address, None)[0][0][0].startswith("prog+0x")
    told = []
    servers = debuginfod.Debuginfod(f"http://127.0.0.1:9 {server.url}/", 20, lambda name, done: told.append((name, done)))
    found, troubles = names(program, build_id, address, servers)
    assert found[0][0] == "inner" and found[0][1] in (2, 3) and not troubles
    assert told[-1] == ("prog", debug.stat().st_size)
    assert names(program, build_id, address, servers)[0] == found and len(server.asked) == 1
    assert names(program, build_id, address, None)[0] == found  # it is here now


def test_what_no_server_has_is_asked_for_once(stripped, server):
    program, _, build_id, address = stripped
    servers = debuginfod.Debuginfod(server.url, 20)
    for _ in range(2):
        found, troubles = names(program, build_id, address, servers)
        assert found[0][0].startswith("prog+0x") and not troubles
    assert len(server.asked) == 1


@pytest.mark.parametrize("data", [b"", b"<html>no such file</html>"])
def test_an_answer_of_another_build_is_thrown_away(stripped, server, data):
    program, _, build_id, address = stripped
    server.files[f"/buildid/{build_id}/debuginfo"] = data
    assert names(program, build_id, address, debuginfod.Debuginfod(server.url, 20))[0][0][0].startswith("prog+0x")
    assert not list(debuginfod.kept(build_id).parent.iterdir())


def test_a_slow_server_takes_no_more_than_its_time(stripped, server):
    program, _, build_id, address = stripped
    server.pause = 5
    start = time.monotonic()
    found, troubles = names(program, build_id, address, debuginfod.Debuginfod(server.url, 0.3))
    assert time.monotonic() - start < 3 and found[0][0].startswith("prog+0x")
    assert troubles == ["debug information of 1 module was not fetched within 0.3 s: 'crunch --report' goes on with what is missing"]


@pytest.mark.parametrize("urls", ["", "file:///etc ftp://127.0.0.1"])
def test_without_a_server_it_is_said(stripped, urls):
    program, _, build_id, address = stripped
    assert "DEBUGINFOD_URLS" in names(program, build_id, address, debuginfod.Debuginfod(urls, 1))[1][0]
