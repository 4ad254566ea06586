#!/usr/bin/env python3
"""test/command/network.py OUT PORT [NAME...]: `nebulet run --publish`: programs
that serve the host.  The sentences of docs/network.md, one by one.  Ends with
"N passed, N failed, N skipped"."""

import contextlib
import hashlib
import http.client
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from help import Tools, case, main, skip

LIMIT_S = 120  # what takes longer hangs


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Served:
    """A program that runs, and the port of the host that leads to it."""

    def __init__(self, t, words, program, arguments=()):
        self.port = free_port()
        argv = [t.nebulet, "run", "--on", t.port, "--publish", f"{self.port}:80",
                *map(str, words), str(program), *arguments]
        self.process = subprocess.Popen(argv, cwd=t.work, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def line(self):
        return self.process.stdout.readline().decode().rstrip("\n")

    def ends(self, status, err=""):
        out, said = self.process.communicate(timeout=LIMIT_S)
        said = said.decode()
        assert self.process.returncode == status and said == err, \
            f"status {self.process.returncode}, not {status}: {said}"
        return out.decode().splitlines()

    def connect(self):
        """A connection that the program has: QEMU takes them before it."""
        s = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def stop(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def serving(t, *words, program, arguments=()):
    served = Served(t, words, program, arguments)
    try:
        yield served
    finally:
        served.stop()


@contextlib.contextmanager
def pages(t, files):
    """httpd with a directory of these files, when it answers."""
    top = t.work.resolve() / "www"
    top.mkdir(exist_ok=True)
    for name, data in files.items():
        (top / name).write_bytes(data)
    program = (t.out / "user/httpd.wasm").resolve()
    with serving(t, "--dir", top, program=program) as served:
        until_answered(served)
        yield served


def until_answered(served):
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            return get(served, "/")
        except (OSError, http.client.HTTPException):
            assert served.process.poll() is None, served.ends(0)
            assert time.monotonic() < end, "nobody answers"
            time.sleep(0.05)


def get(served, path, method="GET", connection=None):
    """Status, fields and body."""
    c = connection or http.client.HTTPConnection("127.0.0.1", served.port,
                                                 timeout=LIMIT_S)
    c.request(method, path)
    r = c.getresponse()
    body = r.read()
    if connection is None:
        c.close()
    return r.status, r.headers, body


# --- pages -------------------------------------------------------------------

BIG = hashlib.shake_128(b"big").digest(3_000_001)
FILES = {"index.html": b"<h1>Nebulet</h1>\n", "big": BIG, "a b": b"blank"}


@case
def files(t):
    """Whole files, whatever their size, and the errors of others."""
    with pages(t, FILES) as served:
        status, fields, body = get(served, "/")
        assert (status, body) == (200, FILES["index.html"]), (status, body)
        assert fields["Content-Type"].startswith("text/html")
        status, _, body = get(served, "/big")
        assert status == 200 and body == BIG, f"{status}, {len(body)} bytes"
        assert get(served, "/a%20b")[2] == b"blank"
        status, fields, body = get(served, "/big", "HEAD")
        assert (status, int(fields["Content-Length"]), body) == (200, len(BIG), b"")
        for path, expected in (("/none", 404), ("/..%2f..%2fetc/passwd", 400),
                               ("/%00", 400), ("/none?x", 404)):
            found = get(served, path)[0]
            assert found == expected, f"{path}: {found}"
        assert get(served, "/", "POST")[0] == 501


@case
def curl(t):
    """What a person would type."""
    with pages(t, FILES) as served:
        done = subprocess.run(["curl", "-sSf", f"http://127.0.0.1:{served.port}/big"],
                              capture_output=True, check=True, timeout=LIMIT_S)
        assert done.stdout == BIG


@case
def keep_alive(t):
    """Many requests by one connection, also when they come at once."""
    with pages(t, FILES) as served:
        c = http.client.HTTPConnection("127.0.0.1", served.port, timeout=LIMIT_S)
        for _ in range(200):
            assert get(served, "/", connection=c)[2] == FILES["index.html"]
        c.close()
        with served.connect() as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20
                      + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            data = b"".join(iter(lambda: s.recv(65536), b""))
        assert data.count(FILES["index.html"]) == 21, data.count(b"200 OK")


@case
def many_connections(t):
    """One after the other, and many at a time; each gets its answer."""
    with pages(t, FILES) as served:
        for _ in range(300):
            assert get(served, "/")[2] == FILES["index.html"]
        there = [http.client.HTTPConnection("127.0.0.1", served.port,
                                            timeout=LIMIT_S) for _ in range(150)]
        for c in there:
            c.request("GET", "/")
        for c in there:
            assert c.getresponse().read() == FILES["index.html"]
        for c in there:
            c.close()


@case
def clients_that_leave(t):
    """Clients that reset, that send half a request, or read no answer, cost
    others nothing, and nothing of them stays."""
    with pages(t, FILES) as served:
        for i in range(120):
            s = served.connect()
            s.sendall(b"GET /big HTTP/1.1\r\n\r\n"[:8 if i % 3 == 0 else 99])
            if i % 3 == 1:
                s.recv(1000)
            if i % 2 == 0:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
            s.close()
        slow = [served.connect() for _ in range(30)]
        for s in slow:
            s.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        assert get(served, "/big")[2] == BIG
        for s in slow:
            s.close()
        assert get(served, "/")[2] == FILES["index.html"]


@case
def bytes_arrive(t):
    """Eight at a time, each byte where it belongs."""
    wrong = []

    def load(served):
        for _ in range(3):
            if get(served, "/big")[2] != BIG:
                wrong.append("another file")

    with pages(t, FILES) as served:
        threads = [threading.Thread(target=load, args=(served,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong, wrong


# --- the calls ---------------------------------------------------------------

def ask(t, script, *words, options=()):
    """Run sockets.c with these words, while `script` is the client; its lines."""
    program = t.cc("sockets")
    with serving(t, *options, program=program,
                 arguments=("take-now", "take", *words)) as served:
        assert served.line() == "take Resource temporarily unavailable"
        with served.connect() as s:
            script(s)
            lines = served.ends(0)
    assert lines[0] == "take done", lines
    return lines[1:]


def expect(found, *lines):
    assert found == list(lines), f"expected {list(lines)}, not {found}"


def say(text, end=True):
    def script(s):
        s.sendall(text)
        if end:
            s.shutdown(socket.SHUT_WR)
    return script


@case
def descriptors(t):
    """A listener is descriptor 3, a socket, and directories are behind it."""
    found = ask(t, say(b""), "list",
                options=("--dir", f"{t.work.resolve()}::/w"))
    expect(found, "3: tag 1, type 6, error 0", "4: tag 0, type 3, error 0")


@case
def reading(t):
    """Bytes come by fd_read and sock_recv; then the end, each time."""
    found = ask(t, say(b"abc"), "wait-read", "read", "wait-read", "read",
                "receive")
    assert found[0][:-1] == "wait 0: Success, hang-up ", found  # it may be later
    expect(found[1:], 'read "abc"', "wait 0: Success, hang-up 1", 'read ""',
           'read ""')


@case
def writing(t):
    """What is said by fd_write and sock_send arrives; after the end of it
    nothing can be."""
    got = []

    def script(s):
        got.append(b"".join(iter(lambda: s.recv(100), b"")))
        s.sendall(b"too")
        s.shutdown(socket.SHUT_WR)

    found = ask(t, script, "wait-write", "say", "send", "finish", "say", "read",
                "read")
    expect(found, "wait 0: Success, hang-up 0", "say done", "say done",
           "finish done", "say Broken pipe", 'read "too"', 'read ""')
    assert got == [b"hellohello"], got


@case
def listening(t):
    """poll says when somebody waits, and a listener that does not wait says so."""
    program = t.cc("sockets")
    words = ("listen-now", "take", "listen", "wait-listener", "take", "say",
             "close")
    with serving(t, program=program, arguments=words) as served:
        lines = [served.line() for _ in range(3)]
        with served.connect() as s:
            assert s.recv(100) == b"hello"
            lines += served.ends(0)
    expect(lines, "listen-now done", "take Resource temporarily unavailable",
           "listen done", "wait 0: Success, hang-up 0", "take done", "say done",
           "close done")


@case
def other_descriptors(t):
    """What is no listener takes nobody, and a listener has no end."""
    expect(ask(t, say(b""), "take-connection", "take-stdin", "shut-listener"),
           "take-connection Invalid argument", "take-stdin Not a socket",
           "shut-listener Socket not connected")


@case
def resets(t):
    """A client that resets is an error to who reads, and to who writes."""
    def script(s):
        s.sendall(b"x")
        time.sleep(0.5)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    found = ask(t, script, "read", "wait-read", "read")
    expect(found[:2], 'read "x"', "wait 0: Success, hang-up 1")
    # QEMU's user network may make an end of a reset.
    last = ["read Connection reset by peer", 'read ""'][:1 + (t.port == "metal")]
    assert found[2] in last and len(found) == 3, found
    found = ask(t, script, "read", "flood")
    assert found[1] in ("flood Connection reset by peer", "flood Broken pipe"), found


@case
def rust(t):
    """std::net has the listener by its descriptor."""
    subprocess.run(["/usr/bin/rustc", "--edition", "2021", "--target",
                    "wasm32-wasi", "-O", "test/command/programs/listen.rs", "-o",
                    t.work / "listen.wasm"], check=True)
    with serving(t, program="listen.wasm") as served:
        for text in (b"one", b"two"):
            s = connect_when_there(served)
            say(text)(s)
            got = b"".join(iter(lambda: s.recv(100), b""))
            assert got == b"Rust has " + text, got
            s.close()
        assert served.ends(0) == []


def connect_when_there(served):
    """On metal QEMU takes connections before the program listens, and resets
    them."""
    end = time.monotonic() + LIMIT_S
    while True:
        with contextlib.suppress(ConnectionError):
            return served.connect()
        assert time.monotonic() < end, "nobody listens"
        time.sleep(0.05)


@case
def go(t):
    """net/http serves at the listener, many at a time."""
    if not shutil.which("go"):
        skip("net/http", "go is not here")
        return
    subprocess.run(["go", "build", "-o", (t.work / "go.wasm").resolve(),
                    "listen.go"], check=True, cwd="test/command/programs",
                   env={**os.environ, "GOOS": "wasip1", "GOARCH": "wasm"})
    with serving(t, program="go.wasm") as served:
        until_answered(served)
        there = [http.client.HTTPConnection("127.0.0.1", served.port,
                                            timeout=LIMIT_S) for _ in range(10)]
        for i in range(10):
            for c in there:
                c.request("GET", f"/{i}")
            for c in there:
                assert c.getresponse().read() == b"Go has /%d" % i


@case
def a_network_that_ends(t):
    """When netd ends, connections are reset, and nobody comes any more."""
    if t.port != "metal":
        return
    top = t.work.resolve() / "other"
    (top / "user").mkdir(parents=True, exist_ok=True)
    for name in ("nebulet", "nebulet.elf"):
        shutil.copy(t.out / name, top / name)
    t.cc("netd_ends", f"-I{t.out / 'user/include'}")
    shutil.copy(t.work / "netd_ends.wasm", top / "user/netd.wasm")
    other = Tools(t.out, t.port)
    other.nebulet = str(top / "nebulet")
    words = ("wait-listener", "take", "wait-read", "read", "wait-read", "read",
             "flood", "take", "wait-listener", "take")
    end = other.run("--publish", f"{free_port()}:80", t.cc("sockets"), *words)
    aborted = "take Connection aborted"
    lines = end.ends(0).quiet().out.splitlines()
    for line in (lines[0], lines[2]):  # the end may come later
        assert line[:-1] == "wait 0: Success, hang-up ", lines
    expect([lines[1], *lines[3:]], "take done", 'read "hi"', "wait 0: Success, hang-up 1",
           "read Connection reset by peer", "flood Connection reset by peer",
           aborted, "wait 0: Success, hang-up 1", aborted)


@case
def a_port_that_is_taken(t):
    """... is one line."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        t.run("--publish", f"{port}:80", t.cc("sockets")).ends(1).says(
            rf"^nebulet: --publish: port {port} of the host: Address already in use")


@case
def words_that_are_none(t):
    for word in ("80", "80:", ":80", "0:80", "80:0", "65536:1", "1:65536", "x:1",
                 "1.2.3:4:5", "localhost:1:2", "1:2:3:4", "-1:2"):
        t.run("--publish", word, "x.wasm").ends(2).says("not of the form")
    t.run("--publish", "1:80", "--publish", "2:80", "x.wasm").ends(2).says(
        "port 80 is published already")


@case
def idle(t):
    """Who waits for connections costs next to nothing."""
    def used(pid):
        found = 0
        for task in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = task.read_text().rsplit(")", 1)[1].split()
                if int(words[1]) == pid or task.parent.name == str(pid):
                    found += int(words[11]) + int(words[12])
        return found / os.sysconf("SC_CLK_TCK")

    with pages(t, FILES) as served:
        time.sleep(1)
        before = used(served.process.pid)
        time.sleep(4)
        spent = used(served.process.pid) - before
    assert spent < 1, f"{spent} seconds of 4"


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.exit(main(Tools))
