#!/usr/bin/env python3
"""test/oci/runtime.py OUT PORT [NAME...]: the container runtime by its command
line alone: what it does, what it refuses, and what it leaves behind.  PORT is
linux for process mode, metal for vm mode.  Needs root, for namespaces and
control groups.  Ends with "N passed, N failed, N skipped"."""

import array
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bundles import GROUP, GROUPS, Bundles, alive, groups_of, lacking, until
from help import case, main, skip


@case
def life(t):
    """The states of a container, and what is said of it in each."""
    pid = t.create("life", "wait")
    state = t.state("life")
    assert state["status"] == "created" and state["pid"] == pid
    assert state["bundle"] == str(t.work / "life")
    assert state["annotations"] == {"dev.nebulet.mode": t.mode}
    assert alive(pid)
    for group in groups_of(f"{GROUP}/life"):
        assert str(pid) in (group / "cgroup.procs").read_text().split()
    t.refused(t.oci("delete", "life"), "not stopped: created")
    t.oci("start", "life").ends(0).quiet()
    assert t.status("life") == "running"
    t.refused(t.oci("start", "life"), "cannot start a container that is running")
    t.refused(t.oci("delete", "life"), "not stopped: running")
    assert pid in json.loads(t.oci("ps", "--format", "json", "life").ends(0).out)
    t.oci("ps", "life").ends(0).shows(rf"^{pid} ")
    listed = json.loads(t.oci("list", "--format", "json").ends(0).out)
    assert [(c["id"], c["status"]) for c in listed] == [("life", "running")]
    t.oci("list").ends(0).shows(rf"^life +{pid} +running")
    t.oci("list", "-q").ends(0).prints("life\n")
    t.oci("kill", "life", "KILL").ends(0)
    t.ended("life")
    assert t.state("life")["pid"] == 0
    t.refused(t.oci("kill", "life"), "container not running")
    t.delete("life")
    t.refused(t.oci("state", "life"), "container life does not exist")
    t.oci("list", "-q").ends(0).prints("")


class Parent:
    """A process like containerd's shim, which gets the container's process and
    its status."""

    SCRIPT = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)
create = subprocess.run(sys.argv[2:])
if create.returncode: sys.exit(f"create: {create.returncode}")
pid = int(open(sys.argv[1]).read())
print("created", flush=True)
status = os.waitpid(pid, 0)[1]
print(os.waitstatus_to_exitcode(status), flush=True)
"""

    def __init__(self, t, name, *args, stdin=subprocess.DEVNULL, more=(), **config):
        self.t, self.name = t, name
        top = t.bundle(name, *args, **config)
        self.err = open(top / "err", "w+")
        argv = [t.runtime, "--root", str(t.root), "create", "--bundle", top,
                "--pid-file", top / "pid", *more, name]
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SCRIPT, top / "pid", *argv],
            stdin=stdin, stdout=subprocess.PIPE, stderr=self.err,
            env=t.env, text=True)
        line = self.process.stdout.readline()
        assert line == "created\n", (line, pathlib.Path(top / "err").read_text())
        self.pid = int((top / "pid").read_text())

    def wait(self):
        """Its status, negative for a signal; and what it has printed."""
        *lines, status = self.process.stdout.read().splitlines()
        self.process.wait()
        self.err.seek(0)
        self.said = self.err.read()
        return int(status), lines


@case
def statuses(t):
    """The wait status of the process is the program's."""
    for name, args, status, says in (
            ("none", [], 40, ""), ("two", ["a", "b"], 42, ""),
            ("trap", ["trap"], 134, "unreachable")):
        parent = Parent(t, name, *args)
        t.oci("start", name).ends(0)
        assert parent.wait()[0] == status, (name, parent.said)
        assert says in parent.said, parent.said
        t.delete(name)


@case
def signals(t):
    """By name and number, before the program starts and after."""
    for name, word, number in (("by-name", "SIGTERM", 15), ("short", "int", 2),
                               ("number", "9", 9)):
        for started in (False, True):
            parent = Parent(t, name, "wait")
            if started:
                t.oci("start", name).ends(0)
            t.oci("kill", name, word).ends(0)
            assert parent.wait()[0] == -number
            t.delete(name)
    t.create("no-signal")
    t.refused(t.oci("kill", "no-signal", "NOSUCH"), "no such signal")
    t.oci("delete", "--force", "no-signal").ends(0)
    t.gone("no-signal")


@case
def function(t):
    """PATH#FUNCTION is an exported function, whose result is printed."""
    parent = Parent(t, "function", process={"args": ["/program.wasm#seven"]})
    t.oci("start", "function").ends(0)
    assert parent.wait() == (0, ["7"]), parent.said
    t.delete("function")


@case
def words(t):
    """Arguments, variables, and a program that is found by PATH or cwd."""
    hello = t.out / "user" / "hello-c.wasm"
    shutil.copy(hello, t.work / "hello.wasm")
    for where, process in (
            ("/bin", {"args": ["hello.wasm", "you"], "env": ["PATH=/x:/bin", "A=b c"]}),
            ("/d", {"args": ["./hello.wasm", "you"], "env": ["A=b c"], "cwd": "/d"})):
        top = t.bundle("words", process=process)
        (top / "rootfs" / where[1:]).mkdir()
        shutil.copy(hello, top / "rootfs" / where[1:])
        (top / "rootfs" / where[1:] / "hello-c.wasm").rename(
            top / "rootfs" / where[1:] / "hello.wasm")
        out = open(top / "out", "w+")
        subprocess.run([t.runtime, "--root", t.root, "create", "--bundle", top,
                        "words"], check=True, stdout=out, stderr=out, env=t.env)
        t.oci("start", "words").ends(0)
        t.ended("words")
        said = (top / "out").read_text()
        assert "Hello from C!" in said and "argument 1: you" in said, said
        assert "environment: A=b c" in said, said
        t.delete("words")


@case
def input_passes(t):
    """Standard input is the container's."""
    shutil.copy(t.out / "user" / "cat.wasm", t.work)
    parent = Parent(t, "input", files=["cat.wasm"], stdin=subprocess.PIPE,
                    process={"args": ["/cat.wasm"]})
    t.oci("start", "input").ends(0)
    parent.process.stdin.write("one\ntwo\n")
    parent.process.stdin.close()
    assert parent.wait() == (0, ["one", "two"]), parent.said
    t.delete("input")


@case
def mounts(t):
    """Directories and files are where mounts put them, and read-only where they
    say so; links of the image lead nowhere else; nothing of it is left."""
    shutil.copy(t.out / "user" / "tools.wasm", t.work / "tools.wasm")
    shared, secret = t.work / "shared", t.work / "secret"
    for folder in shared, secret:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (shared / "note").write_text("shared note\n")
    (t.work / "alone").write_text("alone\n")

    def tool(argv0, *args, **config):
        """What a tool says in a container."""
        out = t.work / "tool-out"
        top = t.bundle("mounts", files=["tools.wasm"],
                       process={"args": [f"/bin/{argv0}", *args]}, **config)
        (top / "rootfs" / "bin").mkdir()
        shutil.copy(t.work / "tools.wasm", top / "rootfs" / "bin" / argv0)
        os.symlink(secret, top / "rootfs" / "out")
        os.symlink("/bin", top / "rootfs" / "in")
        with open(out, "w") as to:
            subprocess.run([t.runtime, "--root", t.root, "create", "--bundle", top,
                            "mounts"], stdout=to, stderr=to, env=t.env, check=True)
            t.oci("start", "mounts").ends(0)
            t.ended("mounts")
            t.delete("mounts")
        return out.read_text(), top

    def bind(source, to, *options):
        return {"destination": to, "type": "bind", "source": str(source),
                "options": ["rbind", *options]}

    said, _ = tool("cat", "/a/b/note", mounts=[bind(shared, "/a/b")])
    assert said == "shared note\n", said
    said, _ = tool("cat", "/etc/alone", mounts=[bind(t.work / "alone", "/etc/alone")])
    assert said == "alone\n", said
    said, _ = tool("rm", "/a/note", mounts=[bind(shared, "/a", "ro")])
    assert "ead-only" in said and (shared / "note").exists(), said
    said, _ = tool("mkdir", "/a/made", mounts=[bind(shared, "/a", "rw")])
    assert said == "" and (shared / "made").is_dir(), said
    said, top = tool("mkdir", "/made", root={"path": "rootfs", "readonly": True})
    assert "ead-only" in said and not (top / "rootfs" / "made").exists(), said
    # A place that is a link is one inside.
    said, top = tool("cat", "/bin/below/note", mounts=[bind(shared, "/in/below")])
    assert said == "shared note\n", said
    top = t.bundle("out", mounts=[bind(shared, "/out/below")])
    os.symlink(secret, top / "rootfs" / "out")
    t.refused(t.oci("create", "--bundle", top, "out"), "/out/below: No such file")
    t.gone("out")
    assert list(secret.iterdir()) == []
    # A file system in memory, and what only Linux has.
    said, top = tool("mkdir", "/tmp/x", mounts=[
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
         "options": ["size=64k", "mode=755"]},
        {"destination": "/proc", "type": "proc", "source": "proc"}])
    assert said == "" and not (top / "rootfs" / "tmp" / "x").exists(), said
    assert not (top / "rootfs" / "proc").exists()
    with open("/proc/self/mountinfo") as table:
        assert str(t.work) not in table.read()
    top = t.bundle("of-proc", mounts=[bind("/proc", "/p")])
    t.refused(t.oci("create", "--bundle", top, "of-proc"),
              "may not have what is in /proc")
    t.gone("of-proc")


@case
def user(t):
    """The program's process is the user's, and has the capabilities that the
    configuration gives, and no others."""
    if t.mode == "vm":
        return skip("user", "the machine is QEMU's, which stays the caller's")
    pid = t.start("user", "wait", process={
        "user": {"uid": 1234, "gid": 99, "additionalGids": [7, 8]},
        "capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"],
                         "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}],
        "oomScoreAdj": 300})
    until(lambda: "Uid:\t1234" in pathlib.Path(f"/proc/{pid}/status").read_text(),
          "user")
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in text.splitlines())
    assert fields["Gid"].split() == ["99"] * 4, text
    assert fields["Groups"].split() == ["7", "8"], text
    until(lambda: "CapEff:\t0000000000000020" in
          pathlib.Path(f"/proc/{pid}/status").read_text(), "capabilities")
    assert fields["CapBnd"] == "0000000000000021", text
    assert fields["NoNewPrivs"] == "1"
    assert re.search(r"^Max open files +100 +200 ",
                     pathlib.Path(f"/proc/{pid}/limits").read_text(), re.M)
    assert pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text() == "300\n"
    t.oci("delete", "--force", "user").ends(0)
    t.gone("user")


@case
def network(t):
    """A namespace that is named is joined, another is made."""
    other = subprocess.Popen(["unshare", "-n", "sleep", "1000"])
    try:
        mine = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"/proc/{other.pid}/ns/net") != mine, "unshare")
        theirs = os.readlink(f"/proc/{other.pid}/ns/net")
        for name, namespaces, good in (
                ("given", [{"type": "network", "path": f"/proc/{other.pid}/ns/net"}],
                 lambda net: net == theirs),
                ("fresh", [{"type": "network"}],
                 lambda net: net not in (mine, theirs)),
                ("ours", [], lambda net: net == mine)):
            pid = t.create(name, "wait", linux={"cgroupsPath": f"{GROUP}/{name}",
                                                "namespaces": namespaces})
            net = os.readlink(f"/proc/{pid}/ns/net")
            assert good(net), (name, net)
            t.oci("delete", "-f", name).ends(0)
            t.gone(name)
    finally:
        other.kill()
        other.wait()


@case
def hooks(t):
    """Each kind at its time, with the state; one that fails ends it, and one
    that takes too long."""
    order = t.work / "order"
    order.unlink(missing_ok=True)

    def hook(kind, script=None, **more):
        script = script or f'echo {kind} $(grep -o \'"status":"[a-z]*"\') >>{order}'
        return [{"path": "/bin/sh", "args": ["sh", "-c", script],
                 "env": ["PATH=/bin:/usr/bin"], **more}]

    kinds = ["prestart", "createRuntime", "createContainer", "startContainer",
             "poststart", "poststop"]
    t.start("hooks", hooks={kind: hook(kind) for kind in kinds})
    t.ended("hooks")
    t.delete("hooks")
    said = [line.split() for line in order.read_text().splitlines()]
    states = ["creating"] * 3 + ["created", "running", "stopped"]
    assert said == [[kind, f'"status":"{state}"'] for kind, state in
                    zip(kinds, states)], said
    for kind in kinds[:3]:
        top = t.bundle("fails", hooks={kind: hook(kind, "exit 3")})
        t.refused(t.oci("create", "--bundle", top, "fails"),
                  f"{kind} hook /bin/sh: exit status 3")
        t.gone("fails")
    begun = time.monotonic()
    top = t.bundle("slow", hooks={"createRuntime": hook("", "sleep 60", timeout=1)})
    t.refused(t.oci("create", "--bundle", top, "slow"), "not done after 1 s")
    assert time.monotonic() - begun < 30
    t.gone("slow")
    t.create("late", hooks={"startContainer": hook("", "exit 1")})
    t.oci("start", "late").ends(1).says("ended")
    t.ended("late")
    t.delete("late")


@case
def exec_more(t):
    """One more program: with words or by a file, waited for or not."""
    t.start("exec", "wait", mounts=[{"destination": "/tmp", "type": "tmpfs",
                                     "source": "tmpfs"}])
    t.oci("exec", "exec", "/program.wasm", "a").ends(41)
    t.oci("exec", "-e", "A=b", "exec", "/program.wasm#seven").ends(0).prints("7\n")
    t.oci("exec", "exec", "/no.wasm").ends(1).says("/no.wasm: No such file")
    process = t.work / "process.json"
    process.write_text(json.dumps({"args": ["/program.wasm", "wait"], "cwd": "/"}))
    t.oci("exec", "--process", process, "--detach", "--pid-file",
          t.work / "exec-pid", "exec").ends(0)
    pid = int((t.work / "exec-pid").read_text())
    assert alive(pid)
    first = t.state("exec")["pid"]
    for space in "mnt", "net":
        assert os.readlink(f"/proc/{pid}/ns/{space}") == \
            os.readlink(f"/proc/{first}/ns/{space}")
    assert pid in json.loads(t.oci("ps", "-f", "json", "exec").ends(0).out)
    t.oci("delete", "--force", "exec").ends(0)
    until(lambda: not alive(pid), "exec'd process")
    t.gone("exec")
    t.create("waiting", "wait")
    t.refused(t.oci("exec", "waiting", "/program.wasm"), "container not running")
    t.oci("delete", "-f", "waiting").ends(0)


@case
def pause(t):
    """Frozen, it does not run, and dies when it is killed."""
    pid = t.start("pause", "wait")
    t.oci("pause", "pause").ends(0)
    assert t.status("pause") == "paused"
    t.refused(t.oci("exec", "pause", "/program.wasm"), "container not running")
    t.oci("resume", "pause").ends(0)
    assert t.status("pause") == "running"
    t.refused(t.oci("resume", "pause"), "container not paused: running")
    t.oci("pause", "pause").ends(0)
    t.oci("kill", "pause", "KILL").ends(0)
    until(lambda: not alive(pid), "killed")
    t.delete("pause")
    t.start("frozen", "wait")
    t.oci("pause", "frozen").ends(0)
    t.oci("delete", "--force", "frozen").ends(0)
    t.gone("frozen")


def limit_file(name, controller, v1, v2):
    """A file of a limit, whichever version of groups there is."""
    one = GROUPS / controller / GROUP[1:] / name / v1
    return one if one.exists() else GROUPS / GROUP[1:] / name / v2


@case
def memory(t):
    """Who takes more than the limit is killed, and nobody else."""
    if t.mode == "vm":
        t.start("eats", "eat", linux={"cgroupsPath": f"{GROUP}/eats", "resources":
                                      {"memory": {"limit": 96 << 20}}})
        other = t.start("other", "wait")
        machine = [pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                   for pid in json.loads(t.oci("ps", "-f", "json", "eats").out)]
        assert [words[words.index("-m") + 1] for words in machine
                if "-m" in words] == ["96"], machine
        assert alive(other)
        top = t.bundle("small", linux={"resources": {"memory": {"limit": 1 << 20}}})
        t.refused(t.oci("create", "--bundle", top, "small"),
                  "a machine takes at least 64 MiB")
        t.oci("delete", "-f", "eats").ends(0)
        t.oci("delete", "-f", "other").ends(0)
        return
    other = t.start("other", "wait")
    parent = Parent(t, "eats", "eat", linux={
        "cgroupsPath": f"{GROUP}/eats",
        "resources": {"memory": {"limit": 48 << 20, "swap": 48 << 20}}})
    assert limit_file("eats", "memory", "memory.limit_in_bytes",
                      "memory.max").read_text() == f"{48 << 20}\n"
    t.oci("start", "eats").ends(0)
    assert parent.wait()[0] == -9, parent.said
    assert alive(other)
    t.delete("eats")
    t.oci("delete", "-f", "other").ends(0)


@case
def limits(t):
    """Limits are written where Linux has them, and changed by update."""
    resources = {"cpu": {"quota": 50000, "period": 100000, "shares": 512,
                         "cpus": "0"}, "pids": {"limit": 100}}
    t.start("limits", "wait", linux={"cgroupsPath": f"{GROUP}/limits",
                                     "resources": resources})
    quota = limit_file("limits", "cpu", "cpu.cfs_quota_us", "cpu.max")
    pids = limit_file("limits", "pids", "pids.max", "pids.max")
    assert quota.read_text().split()[0] == "50000"
    assert pids.read_text() == "100\n"
    cpus = limit_file("limits", "cpuset", "cpuset.cpus", "cpuset.cpus")
    assert cpus.read_text() == "0\n"
    assert str(t.state("limits")["pid"]) in \
        (cpus.parent / "cgroup.procs").read_text().split()
    t.oci("update", "--resources", "-", "limits",
          stdin=b'{"cpu":{"quota":70000,"period":100000},"pids":{"limit":-1}}').ends(0)
    assert quota.read_text().split()[0] == "70000"
    assert pids.read_text() == "max\n"
    t.refused(t.oci("update", "-r", "-", "limits", stdin=b'{"cpu":7}'),
              "resources: cpu.quota: below what is not an object")
    if t.mode == "vm":
        t.refused(t.oci("update", "-r", "-", "limits",
                        stdin=b'{"memory":{"limit":1000000000}}'),
                  "memory of a machine stays")
    t.oci("delete", "-f", "limits").ends(0)
    t.gone("limits")
    top = t.bundle("bad-limit", linux={"resources": {"cpu": {"quota": 1}}})
    t.refused(t.oci("create", "--bundle", top, "bad-limit"), "quota")
    t.gone("bad-limit")


@case
def groups(t):
    """A group is the container's own; paths lead nowhere else."""
    for path, pattern in (("/", "not a path of a group"), ("..", "not a path"),
                          ("/a/../../b", "not a path"), ("a:b", "not SLICE")):
        top = t.bundle("groups", linux={"cgroupsPath": path})
        t.refused(t.oci("create", "--bundle", top, "groups"), pattern)
        t.gone("groups")
    t.start("first", "wait", linux={"cgroupsPath": f"{GROUP}/same"})
    top = t.bundle("second", linux={"cgroupsPath": f"{GROUP}/same"})
    t.refused(t.oci("create", "--bundle", top, "second"), "processes of others")
    assert t.status("first") == "running"
    t.oci("delete", "-f", "first").ends(0)
    pid = t.create("slice", linux={"cgroupsPath": f"neb-{t.port}.slice:p:n"})
    assert f"/neb.slice/neb-{t.port}.slice/p-n.scope\n" in \
        pathlib.Path(f"/proc/{pid}/cgroup").read_text()
    t.oci("delete", "-f", "slice").ends(0)
    for group in (*GROUPS.glob("*/neb.slice"), *GROUPS.glob("neb.slice")):
        (group / f"neb-{t.port}.slice").rmdir()
        if not [p for p in group.iterdir() if p.is_dir()]:
            group.rmdir()


@case
def terminal(t):
    """A terminal is sent to the socket; the program's end closes it."""
    path = str(t.work / "console")
    pathlib.Path(path).unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    shutil.copy(t.out / "user" / "hello-c.wasm", t.work)
    top = t.bundle("terminal", files=["hello-c.wasm"], process={
        "args": ["/hello-c.wasm"], "terminal": True,
        "consoleSize": {"width": 100, "height": 30}})
    t.oci("create", "--bundle", top, "--console-socket", path, "terminal").ends(0)
    peer = server.accept()[0]
    name, control, _, _ = peer.recvmsg(4096, socket.CMSG_SPACE(4))
    assert name.startswith(b"/dev/pts/")
    master = array.array("i", control[0][2])[0]
    assert os.get_terminal_size(master) == (100, 30)
    t.oci("start", "terminal").ends(0)
    said = b""
    try:
        while True:
            said += os.read(master, 4096)
    except OSError: # what reading says when nobody has the other end
        pass
    assert b"Hello from C!\r\n" in said, said
    os.close(master)
    t.ended("terminal")
    t.delete("terminal")
    for process, more, pattern in (
            ({"terminal": True}, (), "no --console-socket"),
            ({}, ("--console-socket", path), "has no terminal")):
        top = t.bundle("terminal", process=process)
        t.refused(t.oci("create", "--bundle", top, *more, "terminal"), pattern)
        t.gone("terminal")


@case
def hostile(t):
    """A configuration may be anything: one line says what is wrong."""
    top = t.bundle("hostile")
    good = json.loads((top / "config.json").read_text())

    def changed(path, value):
        config = json.loads(json.dumps(good))
        *way, last = path.split(".")
        at = config
        for name in way:
            at = at.setdefault(name, {})
        at[last] = value
        if value is None:
            del at[last]
        return json.dumps(config).encode()

    deep = b'{"a":' * 100000 + b"1" + b"}" * 100000
    for what, text, pattern in (
            ("empty", b"", "not JSON, at byte 0"),
            ("cut off", json.dumps(good).encode()[:-1], "not JSON"),
            ("more", json.dumps(good).encode() + b"x", "not JSON"),
            ("list", b"[]", "not an object"),
            ("NUL", json.dumps(good).encode() + b"\0", "not JSON"),
            ("deep", deep, "not JSON"),
            ("huge", changed("a", "x" * (5 << 20)), "more than 4 MiB"),
            ("no version", changed("ociVersion", None), "ociVersion: missing"),
            ("version", changed("ociVersion", "2.0"), "ociVersion: not 1.x"),
            ("no process", changed("process", None), "process: missing"),
            ("no args", changed("process.args", None), "process.args: no program"),
            ("args", changed("process.args", "a"), "args: not a list"),
            ("arg", changed("process.args", ["a", 1]), "process.args: not a list of texts"),
            ("env", changed("process.env", ["A"]), "not NAME=VALUE"),
            ("much env", changed("process.env", ["A=b"] * 2000), "env: too many"),
            ("cwd", changed("process.cwd", "tmp"), "cwd: not an absolute path"),
            ("no root", changed("root", None), "root.path: missing"),
            ("root", changed("root.path", "none"), "no such directory"),
            ("root", changed("root", 3), "root.path: below what is not an object"),
            ("uid", changed("process.user.uid", -1), "uid: not a number"),
            ("uid", changed("process.user.uid", 1.5), "uid: not a number"),
            ("uid", changed("process.user.uid", 1e300), "uid: not a number"),
            ("mode", changed("annotations", {"dev.nebulet.mode": "x"}), "not vm or process"),
            ("annotation", changed("annotations", {"a": 1}), "annotations: one"),
            ("memory", changed("linux.resources", {"memory": {"limit": "1"}}),
             "memory.limit: not a number"),
            ("mount", changed("mounts", [{"type": "tmpfs"}]), "destination: missing"),
            ("mount", changed("mounts", [{"destination": "x", "type": "tmpfs"}]),
             "destination: not an absolute"),
            ("mount", changed("mounts", [{"destination": "/x", "source": "/none",
                                          "options": ["bind"]}]), "No such file"),
            ("mount", changed("mounts", [{"destination": "/x", "type": "tmpfs",
                                          "options": ["o" * 2000]}]), "too long"),
            ("user", changed("linux.namespaces", [{"type": "user"}]), "user namespace"),
            ("namespace", changed("linux.namespaces",
                                  [{"type": "network", "path": "/none"}]),
             "network namespace /none"),
            ("namespace", changed("linux.namespaces", [7]), "below what is not"),
            ("hook", changed("hooks.createRuntime", [{"path": "x"}]),
             "hooks.path: not an absolute")):
        (top / "config.json").write_bytes(text)
        begun = time.monotonic()
        try:
            t.refused(t.oci("create", "--bundle", top, "hostile"), pattern)
            assert time.monotonic() - begun < 10
            t.gone("hostile")
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from error


@case
def identities(t):
    """What is no ID, one that is there, one that is not."""
    top = t.bundle("identities", "wait")
    for name in ("", ".", "..", "a/b", "a b", "@1@x", "x" * 300):
        result = t.oci("create", "--bundle", top, name)
        t.refused(result, "not an ID|missing")
    t.oci("create", "--bundle", top, "identities").ends(0)
    t.refused(t.oci("create", "--bundle", top, "identities"), "with id exists")
    assert t.status("identities") == "created"
    t.oci("delete", "-f", "identities").ends(0)
    for command in "state", "start", "kill", "delete", "pause", "resume", "ps":
        t.refused(t.oci(command, "none"), "container none does not exist")
        t.refused(t.oci(command), "ID of a container is missing")
    t.refused(t.oci("exec", "none", "/x"), "does not exist")
    t.oci("delete", "--force", "none").ends(0).quiet()
    t.refused(t.oci("fly"), "fly: no such command")
    t.refused(t.oci("create", "--fly", "a"), "no such option")


@case
def modules(t):
    """What is no module, or none that can run, is refused by create."""
    for name, contents, pattern in (
            ("component", b"\0asm\x0d\0\x01\0", "component|version"),
            ("cut", b"\0asm\1\0\0\0\1", "unexpected end|")):
        top = t.bundle(name, process={"args": ["/bad.wasm"]})
        (top / "rootfs" / "bad.wasm").write_bytes(contents)
        parent = t.oci("create", "--bundle", top, name)
        if parent.status == 0: # small ones are judged when they start
            t.oci("start", name)
            t.ended(name)
            t.delete(name)
        else:
            parent.says(pattern)
            t.gone(name)


@case
def handed_over(t):
    """Whatever is no WebAssembly is runc's, in all of its life, and what
    annotations say counts."""
    if shutil.which("runc") is None:
        return skip("handed_over", "no runc here")
    top = t.bundle("native", process={"args": ["/bin/true"]})
    (top / "rootfs" / "bin").mkdir()
    static = t.work / "native.c"
    static.write_text("#include <unistd.h>\nint main(int c, char **v)"
                      "{ return c > 1 ? pause() : 5; }\n")
    subprocess.run(["cc", "-static", static, "-o", top / "rootfs/bin/native"],
                   check=True)
    config = json.loads((top / "config.json").read_text())
    config["process"]["args"] = ["/bin/native", "wait"]
    config["linux"]["namespaces"] = [{"type": k} for k in ("pid", "mount")]
    config["mounts"] = [{"destination": "/proc", "type": "proc", "source": "proc"}]
    (top / "config.json").write_text(json.dumps(config))
    t.oci("create", "--bundle", top, "native").ends(0)
    assert t.status("native") == "created"
    assert (t.root / "native" / "state.json").exists()
    t.oci("start", "native").ends(0)
    t.oci("exec", "native", "/bin/native").ends(5)
    t.oci("pause", "native").ends(0)
    t.oci("resume", "native").ends(0)
    t.oci("kill", "native", "KILL").ends(0)
    t.ended("native")
    t.oci("delete", "native").ends(0)
    assert not (t.root / "native").exists()
    # One root has both, and no ID twice.
    t.create("native", "wait")
    config["annotations"] = {"run.oci.handler": "wasm"}
    (top / "config.json").write_text(json.dumps(config))
    t.oci("delete", "-f", "native").ends(0)


@case
def killed_commands(t):
    """Whatever moment `create`, `start` or `delete` are killed at, delete
    --force finds all of it."""
    top = t.bundle("killed", "wait")
    argv = [t.runtime, "--root", t.root]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
             "env": t.env}
    seen = set()
    for step in range(60):
        pidfile = top / "pid"
        pidfile.unlink(missing_ok=True)
        command = subprocess.Popen([*argv, "create", "--bundle", top, "--pid-file",
                                    pidfile, "killed"], **quiet)
        time.sleep(step * 0.0003)
        command.kill()
        seen.add(command.wait())
        if (t.root / "killed").exists():
            assert t.status("killed") in ("creating", "created", "stopped")
            for word in ("start", "delete"):
                command = subprocess.Popen([*argv, word, "killed"], **quiet)
                time.sleep(step * 0.0001)
                command.kill()
                command.wait()
        t.oci("delete", "--force", "killed").ends(0)
        t.gone("killed")
    t.create("after", "wait") # sweeps what was not given a name yet
    left = [p.name for p in t.root.iterdir()]
    assert left == ["after"], left
    t.oci("delete", "-f", "after").ends(0)
    assert -signal.SIGKILL in seen, seen


@case
def versions(t):
    t.oci("--version").ends(0).shows(r"^nebulet-oci version \S").shows(r"^spec: 1\.")
    features = json.loads(t.oci("features").ends(0).out)
    assert features["ociVersionMin"] == "1.0.0"
    assert "poststop" in features["hooks"] and "rbind" in features["mountOptions"]
    t.oci("--help").ends(0).shows("usage: nebulet-oci").shows("^  create ")
    for command in ("create", "start", "exec", "state", "list", "ps", "kill",
                    "delete", "pause", "resume", "update", "features"):
        t.oci(command, "--help").ends(0).shows(f"^usage: nebulet-oci {command} ")


@case
def left_behind(t):
    """After all that there is nothing."""
    assert not t.root.exists() or list(t.root.iterdir()) == []
    for group in groups_of(GROUP):
        assert [p for p in group.iterdir() if p.is_dir()] == []
        group.rmdir()


if lacking():
    print(f"skipped: the container runtime: {lacking()}\n"
          "0 passed, 0 failed, 1 skipped")
    sys.exit(0)
sys.exit(main(Bundles))
