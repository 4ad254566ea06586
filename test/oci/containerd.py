#!/usr/bin/env python3
"""test/oci/containerd.py OUT PORT [NAME...]: the container runtime under
Debian's containerd, which is started here with a root, a state and a socket of
its own.  PORT is linux for process mode, metal for vm mode.  Needs root.  Ends
with "N passed, N failed, N skipped"."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bundles import GROUP, Bundles, alive, groups_of, run_under, until
from help import Result, case, skip

CONFIG = """version = 2
root = "{work}/root"
state = "{work}/run"
disabled_plugins = ["io.containerd.grpc.v1.cri",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
address = "{work}/sock"
[ttrpc]
address = "{work}/sock.ttrpc"
"""


SPACE = GROUP[1:]  # of names in containerd, and the group of its containers


def groups():
    return groups_of(f"/{SPACE}")


class Engine(Bundles):
    """A containerd, which has images of ours, and one with a program of Linux."""

    def __init__(self, out, port):
        super().__init__(out, port)
        self.binary = self.runtime
        if self.mode == "process":
            self.binary = str(self.work / "nebulet-oci-process")
            os.symlink(self.runtime, self.binary)
        # Sockets have short names.
        self.home = pathlib.Path(f"/run/nebulet-test-{port}")
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        (self.home / "config.toml").write_text(CONFIG.format(work=self.home))
        self.daemon = None
        self.begin()
        self.images()

    def begin(self):
        self.daemon = subprocess.Popen(
            ["containerd", "-c", self.home / "config.toml"],
            stdout=open(self.work / "containerd.log", "a"),
            stderr=subprocess.STDOUT, env=self.env)
        until(lambda: self.ctr("version").status == 0, "containerd", 60)

    def images(self):
        program = self.work / "program.wasm"
        for name, words in (("p", [program]), ("seven", ["--invoke", "seven", program])):
            self.call("image", "--oci", "-o", f"{name}.tar", *words).ends(0)
            self.ctr("image", "import", "--platform", "wasi/wasm",
                     self.work / f"{name}.tar").ends(0)
            self.ctr("image", "tag", "docker.io/library/program:latest",
                     f"test/{name}:1").ends(0)
            self.ctr("image", "rm", "docker.io/library/program:latest").ends(0)
        self.native = self.work / "native"
        self.native.mkdir()
        source = self.work / "native.c"
        source.write_text("#include <unistd.h>\nint main(int c, char **v)"
                          "{ return c > 1 ? pause() : 5; }\n")
        subprocess.run(["cc", "-static", source, "-o", self.native / "native"],
                       check=True)

    def ctr(self, *argv, **more):
        argv = ["ctr", "-a", str(self.home / "sock"), "-n", SPACE, *map(str, argv)]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=120, **more)
        return Result(argv, done)

    def words(self, *options, image="p"):
        return ["run", "--platform", "wasi/wasm", "--runc-binary", self.binary,
                *options, f"test/{image}:1"]

    def run_in(self, name, *args, options=(), image="p"):
        """To its end; containerd has nothing of it afterwards."""
        return self.ctr(*self.words("--rm", *options, image=image), name, *args)

    def detach(self, name, *args, options=()):
        self.ctr(*self.words("--detach", "--null-io", *options), name,
                 "/program.wasm", *args).ends(0)

    def tasks(self):
        """The PID and the status of each task."""
        lines = self.ctr("task", "ls").ends(0).out.splitlines()[1:]
        return {words[0]: (int(words[1]), words[2]) for words in map(str.split, lines)}

    def until_stopped(self, name):
        until(lambda: self.tasks()[name][1] == "STOPPED", f"{name} ends", 60)

    def remove(self, *names):
        for name in names:
            self.ctr("task", "rm", "-f", name)
            self.ctr("container", "rm", name).ends(0)

    def end(self):
        self.daemon.terminate()
        self.daemon.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@case
def statuses(t):
    """What the program says and ends with is what ctr does."""
    for args, status in (((), 40), (("/program.wasm", "a", "b"), 42)):
        t.run_in("status", *args).ends(status).quiet()
    t.run_in("trap", "/program.wasm", "trap").ends(134).says("unreachable")
    t.run_in("seven", image="seven").ends(0).prints("7\n")


@case
def logs(t):
    """A program's lines are in the file that the caller names."""
    log = t.work / "program.log"
    t.ctr(*t.words("--detach", "--log-uri", f"file://{log}", image="seven"),
          "logs").ends(0)
    t.until_stopped("logs")
    until(lambda: log.exists() and log.read_text() == "7\n", "log")
    t.remove("logs")


@case
def killed(t):
    """By a signal, which is its status; a task is deleted then."""
    t.detach("killed", "wait")
    pid, status = t.tasks()["killed"]
    assert status == "RUNNING" and alive(pid)
    t.ctr("task", "kill", "-s", "SIGTERM", "killed").ends(0)
    t.until_stopped("killed")
    assert not alive(pid)
    t.ctr("task", "delete", "killed").ends(0).says("exit code 143")
    t.ctr("container", "rm", "killed").ends(0)


@case
def restarted(t):
    """After a trap the container's task starts again."""
    t.detach("again", "trap")
    for _ in range(2):
        t.until_stopped("again")
        t.ctr("task", "delete", "again").ends(0).says("exit code 134")
        t.ctr("task", "start", "--detach", "--null-io", "again").ends(0)
    t.until_stopped("again")
    t.remove("again")


@case
def exec_more(t):
    t.detach("exec", "wait")
    for number, words in (("41", ["a"]), ("40", [])):
        t.ctr("task", "exec", "--exec-id", f"e{number}", "exec", "/program.wasm",
              *words).ends(int(number))
    t.ctr("task", "exec", "--exec-id", "no", "exec", "/bin/sh").ends(1).says(
        "/bin/sh: No such file")
    t.remove("exec")


@case
def paused(t):
    t.detach("paused", "wait")
    t.ctr("task", "pause", "paused").ends(0)
    assert t.tasks()["paused"][1] == "PAUSED"
    t.ctr("task", "resume", "paused").ends(0)
    assert t.tasks()["paused"][1] == "RUNNING"
    pid = t.tasks()["paused"][0]
    assert str(pid) in t.ctr("task", "ps", "paused").ends(0).out
    t.ctr("task", "metrics", "paused").ends(0).shows("memory")
    t.remove("paused")


@case
def memory(t):
    """Who takes more than the limit is killed, and others are not."""
    if t.mode == "vm":
        return skip("memory", "the limit is the machine's: test/oci/runtime.py")
    t.detach("other", "wait")
    t.run_in("eats", "/program.wasm", "eat",
             options=["--memory-limit", str(48 << 20)]).ends(137)
    assert t.tasks()["other"][1] == "RUNNING"
    t.remove("other")


@case
def fifty(t):
    """At once; each is its own."""
    count = 50 if t.mode == "process" else 4
    commands = [subprocess.Popen(
        ["ctr", "-a", t.home / "sock", "-n", SPACE,
         *t.words("--rm"), f"many-{n}", "/program.wasm", *["x"] * (n % 7)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE) for n in range(count)]
    for n, command in enumerate(commands):
        said = command.communicate(timeout=300)[1]
        assert command.returncode == 40 + n % 7, (n, command.returncode, said)


@case
def pair(t):
    """A pod's two: one of runc, which has the network, and ours in it."""
    if shutil.which("runc") is None:
        return skip("pair", "no runc here")
    t.ctr("run", "--detach", "--null-io", "--rootfs", "--runc-binary", t.binary,
          t.native, "pause", "/native", "wait").ends(0)
    pid = t.tasks()["pause"][0]
    t.detach("app", "wait", options=["--with-ns", f"network:/proc/{pid}/ns/net"])
    mine = t.tasks()["app"][0]
    assert os.readlink(f"/proc/{mine}/ns/net") == os.readlink(f"/proc/{pid}/ns/net")
    assert os.readlink(f"/proc/{mine}/ns/net") != os.readlink("/proc/self/ns/net")
    t.ctr("task", "exec", "--exec-id", "n", "pause", "/native").ends(5)
    t.remove("app", "pause")


@case
def engine_killed(t):
    """containerd dies and comes again: containers run on, and are its own."""
    t.detach("stays", "wait")
    t.detach("ends", "wait")
    before = t.tasks()
    t.daemon.kill()
    t.daemon.wait()
    assert all(alive(pid) for pid, _ in before.values())
    os.kill(before["ends"][0], signal.SIGKILL)
    t.begin()
    now = t.tasks()
    assert now["stays"] == before["stays"], now
    t.until_stopped("ends")
    t.ctr("task", "exec", "--exec-id", "e", "stays", "/program.wasm").ends(40)
    t.remove("stays", "ends")


@case
def left_behind(t):
    """After all that: no process, mount, group or file."""
    assert t.tasks() == {}
    assert t.ctr("container", "ls", "-q").ends(0).out == ""
    until(lambda: [p for g in groups() for p in g.iterdir() if p.is_dir()] == [],
          "groups go")
    for group in groups():
        group.rmdir()
    with open("/proc/self/mountinfo") as table:
        assert str(t.home) not in table.read()
    until(lambda: not [p for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                       if str(t.home).encode() in read(p) and
                       b"containerd-shim" in read(p)], "shims end")
    left = list((t.home / "run").glob(f"*/{SPACE}/*"))
    assert left == [], left
    runs = pathlib.Path("/run/containerd/runc") / SPACE
    assert not runs.exists() or list(runs.iterdir()) == []


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


sys.exit(run_under(Engine, "containerd", "containerd", "ctr"))
