#!/usr/bin/env python3
"""test/oci/podman.py OUT PORT [NAME...]: the container runtime under Debian's
podman, with a storage of its own, and the calls of CRI-O through conmon.  PORT
is linux for process mode, metal for vm mode.  Needs root.  Ends with
"N passed, N failed, N skipped"."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bundles import GROUP, Bundles, alive, run_under, until
from help import Result, case, skip


class Engine(Bundles):
    def __init__(self, out, port):
        super().__init__(out, port)
        self.binary = str(self.work / "nebulet-oci")
        if self.mode == "process":
            self.binary += "-process"
        os.symlink(self.runtime, self.binary)
        self.home = pathlib.Path(f"/run/nebulet-podman-{port}")
        self.end()
        self.home.mkdir()
        self.call("image", "--oci", "-o", "p.tar", self.work / "program.wasm").ends(0)
        self.podman("load", "-i", self.work / "p.tar").ends(0)

    def podman(self, *argv, seconds=120):
        argv = ["podman", "--root", self.home / "root", "--runroot",
                self.home / "run", "--tmpdir", self.home / "tmp",
                "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
                "--events-backend", "none", "--runtime", self.binary, *argv]
        argv = [str(word) for word in argv]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=seconds, env=self.env)
        return Result(argv, done)

    def run_in(self, *argv):
        # Limits as they are here: a hard one is not raised everywhere.
        return self.podman("run", "--network", "none", "--platform", "wasi/wasm",
                           "--ulimit", "nofile=1000:1000", "--ulimit",
                           "nproc=1000:1000", *argv)

    def inspect(self, name):
        return json.loads(self.podman("inspect", name).ends(0).out)[0]["State"]

    def end(self):
        if self.home.exists():
            self.podman("rm", "-fa", "-t", "0")
            subprocess.run(["umount", "-q", self.home / "root" / "vfs"],
                           stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.home, ignore_errors=True)


IMAGE = "program:latest"


@case
def statuses(t):
    t.run_in("--rm", IMAGE).ends(40)
    t.run_in("--rm", IMAGE, "a", "b").ends(42)
    t.run_in("--rm", IMAGE, "trap").ends(134).says("unreachable")
    t.run_in("--rm", "--entrypoint", "/program.wasm#seven", IMAGE).ends(0).shows("^7$")


@case
def life(t):
    """Runs, is looked at, stopped where it is, ended, and gone."""
    t.run_in("-d", "--name", "life", IMAGE, "wait").ends(0)
    state = t.inspect("life")
    assert state["Status"] == "running" and alive(state["Pid"])
    assert t.podman("exec", "life", "/program.wasm", "a").status == 41
    t.podman("pause", "life").ends(0)
    assert t.inspect("life")["Status"] == "paused"
    t.podman("unpause", "life").ends(0)
    t.podman("stop", "-t", "20", "life").ends(0)
    assert t.inspect("life")["ExitCode"] == 143
    t.podman("start", "life").ends(0)
    t.podman("kill", "life").ends(0)
    until(lambda: t.inspect("life")["Status"] == "exited", "life ends")
    assert t.inspect("life")["ExitCode"] == 137
    t.podman("rm", "life").ends(0)
    t.run_in("-d", "--name", "forced", IMAGE, "wait").ends(0)
    pid = t.inspect("forced")["Pid"]
    t.podman("rm", "-f", "-t", "0", "forced").ends(0)
    assert not alive(pid)


@case
def logs(t):
    t.run_in("--name", "logs", "--entrypoint", "/program.wasm#seven", IMAGE).ends(0)
    t.podman("logs", "logs").ends(0).prints("7\n")
    t.podman("rm", "logs").ends(0)


@case
def restarted(t):
    """What traps is started again, as often as podman is told to."""
    t.run_in("-d", "--name", "again", "--restart", "on-failure:2", IMAGE,
             "trap").ends(0)
    until(lambda: json.loads(t.podman("inspect", "again").out)[0]["RestartCount"]
          == 2 and t.inspect("again")["Status"] == "exited", "restarts", 60)
    assert t.inspect("again")["ExitCode"] == 134
    t.podman("rm", "again").ends(0)


@case
def memory(t):
    if t.mode == "vm":
        return skip("memory", "the limit is the machine's: test/oci/runtime.py")
    t.run_in("--rm", "--memory", "48m", IMAGE, "eat").ends(137)


@case
def conmon(t):
    """As CRI-O calls: conmon creates; start, state, exec and delete follow."""
    if shutil.which("conmon") is None:
        return skip("conmon", "none here")
    exits = t.work / "exits"
    exits.mkdir(exist_ok=True)
    (t.home / "socks").mkdir(exist_ok=True)
    top = t.bundle("cri", process={"args": ["/program.wasm#seven"]})
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    subprocess.run(["conmon", "-b", top, "-c", "cri", "-u", "cri", "-n", "cri", "-r",
                    t.binary, f"--runtime-arg=--root={t.root}", "-p",
                    top / "pid", "-P", top / "conmon.pid", "-l", top / "log",
                    "--exit-dir", exits, "--socket-dir-path", t.home / "socks"],
                   check=True, env=t.env, timeout=60, **quiet)
    until(lambda: (top / "pid").exists(), "created")
    until(lambda: t.oci("state", "cri").status == 0 and
          t.status("cri") == "created", "created")
    t.oci("start", "cri").ends(0)
    until(lambda: (exits / "cri").exists(), "exit file")
    assert (exits / "cri").read_text() == "0"
    lines = (top / "log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["stdout F 7"], lines
    t.oci("delete", "--force", "cri").ends(0)
    t.gone("cri")


@case
def left_behind(t):
    """Nothing is left of them."""
    assert t.podman("ps", "-aq").ends(0).out == ""
    states = pathlib.Path("/run/nebulet-oci").glob("*/state.nebulet")
    assert [s for s in states if str(t.home) in s.read_text()] == []
    with open("/proc/self/mountinfo") as table:
        assert "overlay-containers" not in [line for line in table
                                            if str(t.home) in line]


sys.exit(run_under(Engine, "podman", "podman"))
