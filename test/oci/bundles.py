"""test/oci/bundles.py: what tests of the container runtime share: bundles, the
runtime's own directory, and counting what is left behind."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "command"))
from help import Result, Tools, main

GROUPS = pathlib.Path("/sys/fs/cgroup")
# Scripts run beside each other.
GROUP = "/nebulet-" + "-".join([pathlib.Path(sys.argv[0]).stem, sys.argv[2]])

# Exits with its number of arguments plus 40; with "wait" it never ends, with
# "trap" it traps, with "eat" it takes memory as long as there is any.
PROGRAM = """(module
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get"
    (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 16384)
  (func $nap
    (i32.store8 (i32.const 8) (i32.const 0))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 20000000))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1)
      (i32.const 128))))
  (func $eat (local $at i32)
    (loop $more
      (local.set $at (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)))
      (if (i32.lt_s (local.get $at) (i32.const 0)) (then (call $nap)))
      (memory.fill (local.get $at) (i32.const 1) (i32.const 1048576))
      (br $more)))
  (func (export "seven") (result i32) (i32.const 7))
  (func (export "_start") (local $first i32)
    (drop (call $sizes (i32.const 200) (i32.const 204)))
    (drop (call $args (i32.const 208) (i32.const 4096)))
    (if (i32.gt_u (i32.load (i32.const 200)) (i32.const 1)) (then
      (local.set $first (i32.load8_u (i32.load (i32.const 212))))
      (if (i32.eq (local.get $first) (i32.const 119)) ;; w
        (then (loop $ever (call $nap) (br $ever))))
      (if (i32.eq (local.get $first) (i32.const 116)) (then unreachable)) ;; t
      (if (i32.eq (local.get $first) (i32.const 101)) (then (call $eat))))) ;; e
    (call $exit (i32.add (i32.const 39) (i32.load (i32.const 200))))))
"""


def groups_of(path):
    """The group of that path in each hierarchy."""
    return sorted(p for p in [GROUPS / path.lstrip("/"),
                              *GROUPS.glob("*" + path)] if p.exists())


def end_groups():
    """Kill what is in groups of the tests, and remove them."""
    for group in groups_of(GROUP):
        for folder in [p for p in group.iterdir() if p.is_dir()]:
            for pid in (folder / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            until(lambda f=folder: (f / "cgroup.procs").read_text() == "", "end")
            folder.rmdir()


def lacking(*programs):
    """Why containers cannot be run here; "" if they can."""
    for program in programs:
        if shutil.which(program) is None:
            return f"no {program} here"
    if os.geteuid() != 0:
        return "not root"
    mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    if not any(line.split()[4] == "/" for line in mounts.splitlines()):
        return "/ is no mount: a chroot"
    tried = subprocess.run(["unshare", "-mn", "mount", "-t", "tmpfs", "none", "/mnt"],
                           capture_output=True, check=False)
    if tried.returncode != 0:
        return "no mounts or namespaces may be made here"
    if not any(os.access(path, os.W_OK) for path in
               (GROUPS / "cgroup.procs", GROUPS / "pids", GROUPS / "memory")):
        return "no groups may be made here"
    return ""


def until(done, what, seconds=300):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def alive(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rsplit(")", 1)[1].split()[0] not in "ZX"


class Bundles(Tools):
    """Bundles and a state of our own, and no cache."""

    def __init__(self, out, port):
        super().__init__(out, port)
        self.work = self.work.resolve()
        end_groups() # of a run that was killed
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.runtime = str(out.resolve() / "nebulet-oci")
        self.root = self.work / "state"
        self.env = {**os.environ, "NEBULET_CACHE": "off"}
        self.text("program", PROGRAM)
        self.mode = "vm" if port == "metal" else "process"

    def bundle(self, name, *args, files=(), process=None, **more):
        """A bundle whose program has these arguments."""
        top = self.work / name
        shutil.rmtree(top, ignore_errors=True)
        (top / "rootfs").mkdir(parents=True)
        shutil.copy(self.work / "program.wasm", top / "rootfs")
        for file in files:
            shutil.copy(self.work / file, top / "rootfs")
        config = {"ociVersion": "1.0.2", "root": {"path": "rootfs"},
                  "process": {"args": ["/program.wasm", *args], "cwd": "/",
                              "env": ["PATH=/bin:/"],
                              "user": {"uid": 0, "gid": 0}, **(process or {})},
                  "annotations": {"dev.nebulet.mode": self.mode},
                  "linux": {"cgroupsPath": f"{GROUP}/{name}"}}
        for key, value in more.items():
            old = config.get(key)
            both = isinstance(value, dict) and isinstance(old, dict)
            config[key] = {**old, **value} if both else value
        (top / "config.json").write_text(json.dumps(config))
        return top

    def oci(self, *argv, stdin=b"", globals=(), env=None):
        log = self.work / "log"
        log.unlink(missing_ok=True)
        argv = [self.runtime, "--root", str(self.root), "--log", str(log),
                "--log-format", "json", *globals, *map(str, argv)]
        # A created container holds our pipes: files are none.
        with open(self.work / "stdout", "w+b") as out, \
                open(self.work / "stderr", "w+b") as err:
            done = subprocess.run(argv, input=stdin, stdout=out, stderr=err,
                                  env=env or self.env, timeout=120)
            for stream in out, err:
                stream.seek(0)
            done.stdout, done.stderr = out.read(), err.read()
        return Result(argv, done)

    def logged(self):
        """The messages of the log of the last command, which are all errors."""
        log = self.work / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        entries = [json.loads(line) for line in lines]
        assert all(e["level"] == "error" and e["time"] for e in entries)
        return [e["msg"] for e in entries]

    def refused(self, result, pattern):
        """It failed with one line, on stderr and in the log."""
        result.want(result.status in (1, 2), "expected to fail")
        result.says(pattern).lines(1)
        messages = self.logged()
        result.want(len(messages) == 1, f"expected one line, got {messages}")
        return result

    def state(self, name):
        return json.loads(self.oci("state", name).ends(0).out)

    def status(self, name):
        return self.state(name)["status"]

    def create(self, name, *args, **more):
        top = self.bundle(name, *args, **more)
        self.oci("create", "--bundle", top, "--pid-file", top / "pid",
                 name).ends(0)
        return int((top / "pid").read_text())

    def start(self, name, *args, **more):
        pid = self.create(name, *args, **more)
        self.oci("start", name).ends(0)
        return pid

    def ended(self, name, seconds=60):
        until(lambda: self.status(name) == "stopped", f"end of {name}", seconds)

    def delete(self, name):
        self.oci("delete", name).ends(0)
        self.gone(name)

    def gone(self, name):
        assert not (self.root / name).exists(), f"{name} is there"
        assert groups_of(f"{GROUP}/{name}") == [], "groups are there"


def run_under(engine, name, *programs):
    """All cases under such an engine, which has an end(); the exit status."""
    why = lacking(*programs)
    if why:
        print(f"skipped: {name}: {why}\n0 passed, 0 failed, 1 skipped")
        return 0
    engines = []

    def make(out, port):
        engines.append(engine(out, port))
        return engines[0]

    try:
        return main(make)
    finally:
        for made in engines:
            made.end()
