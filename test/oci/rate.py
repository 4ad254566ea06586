#!/usr/bin/env python3
"""test/oci/rate.py OUT COUNT: so many containers one after the other, of ours in
process mode and, where they are, of runc and crun with a program of Linux: that
nothing is left of ours, how long a cycle of create, start and delete takes, and
what memory a container that waits has.  Rounds of the three take turns.  Needs
root.  Ends with "N passed, N failed, N skipped"."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bundles import GROUP, Bundles, groups_of, lacking
from help import case, main, skip

ROUND = 50
FLAGS = {"nebulet-oci": "--debug", "runc": "--rootless=false",
         "crun": "--cgroup-manager=cgroupfs"}
# crun wants no groups of version 2 beside those of version 1.
HIDE = ["unshare", "-m", "sh", "-c", 'umount -l /sys/fs/cgroup/unified 2>/dev/null; '
        'exec "$@"', "sh"]
BEFORE = {"nebulet-oci": [], "runc": [], "crun": HIDE}


class Rates(Bundles):
    def __init__(self, out, count):
        super().__init__(out, "linux")
        self.count = int(count)
        self.cycles = self.work / "cycles"
        subprocess.run(["cc", "-O2", "-Wall", "-Werror", "test/oci/cycles.c", "-o",
                        self.cycles], check=True)
        source = self.work / "native.c"
        source.write_text("#include <unistd.h>\nint main(int c, char **v)"
                          "{ return c > 1 ? pause() : 40; }\n")
        subprocess.run(["cc", "-O2", "-static", source, "-o", self.work / "native"],
                       check=True)

    def bundle_of(self, runtime, *args):
        native = {} if runtime == "nebulet-oci" else \
            {"process": {"args": ["/native", *args]}}
        top = self.bundle(f"rate-{runtime}", *args, files=["native"], **native)
        for place in "dev", "proc":
            (top / "rootfs" / place).mkdir()
        config = json.loads((top / "config.json").read_text())
        config["linux"]["namespaces"] = [{"type": "mount"}, {"type": "pid"}]
        config["mounts"] = [{"destination": "/proc", "type": "proc",
                             "source": "proc"}]
        (top / "config.json").write_text(json.dumps(config))
        return top

    def round(self, runtime, count):
        """Seconds, and seconds of CPU time."""
        binary = self.runtime if runtime == "nebulet-oci" else runtime
        done = subprocess.run(
            [*BEFORE[runtime], self.cycles, binary, self.work / f"state-{runtime}",
             self.bundle_of(runtime), str(count), FLAGS[runtime]], capture_output=True,
            text=True, stdin=subprocess.DEVNULL, env=self.env, timeout=600)
        assert done.returncode == 0, (runtime, done.stderr[-500:])
        return [float(word) for word in done.stdout.split()]


def runtimes():
    return ["nebulet-oci", *[r for r in ("runc", "crun") if shutil.which(r)]]


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def mounts():
    return len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


@case
def cycles(t):
    before = mounts()
    sums = {r: [0.0, 0.0] for r in runtimes()}
    for begun in range(0, t.count, ROUND):
        for runtime, total in sums.items():
            for i, seconds in enumerate(t.round(runtime, min(ROUND, t.count - begun))):
                total[i] += seconds
    for runtime, (wall, cpu) in sums.items():
        print(f"{runtime}: {t.count} cycles, {t.count / wall:.0f} a second, "
              f"{cpu / t.count * 1e3:.2f} ms of CPU time each")
    assert list((t.work / "state-nebulet-oci").iterdir()) == []
    assert groups_of(f"{GROUP}/rate-nebulet-oci") == []
    assert mounts() == before, (before, mounts())
    left = [p for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")
            if str(t.work).encode() in read(p)]
    assert left == [], left
    mine = sums["nebulet-oci"][1]
    for runtime, (_, cpu) in sums.items():
        assert mine <= cpu, f"more CPU time than {runtime}: {mine} s, {cpu} s"


@case
def memory(t):
    """Of a container that waits in its program: what it has written to, which
    no other shares."""
    for runtime in runtimes():
        binary = t.runtime if runtime == "nebulet-oci" else runtime
        top = t.bundle_of(runtime, "wait")
        argv = [*BEFORE[runtime], binary, "--root", t.work / f"state-{runtime}", FLAGS[runtime]]
        quiet = {"check": True, "env": t.env, "stdin": subprocess.DEVNULL,
                 "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*argv, "create", "--bundle", top, "--pid-file", top / "pid",
                        "memory"], **quiet)
        subprocess.run([*argv, "start", "memory"], **quiet)
        pid = int((top / "pid").read_text())
        subprocess.run(["sleep", "0.3"], check=True)
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        own = int(re.search(r"^Private_Dirty: +(\d+) kB", text, re.M)[1])
        print(f"{runtime}: {own} KiB of a waiting container's own")
        if runtime == "nebulet-oci":
            assert own <= 1500, own
        subprocess.run([*argv, "delete", "--force", "memory"], **quiet)


if lacking():
    print(f"skipped: rates: {lacking()}\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)
sys.exit(main(Rates))
