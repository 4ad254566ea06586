#!/usr/bin/env python3
"""test/command/machines.py OUT [WORD...]: devices of virtio wherever QEMU
puts them: on the command line, in the DSDT or on PCI, which is reached by
memory or by ports; with addresses from the firmware or from us; with MSI-X or
lines that they share, and without what rings may lack.  A driver of random
bytes and one of files run on each, and the console carries what they print.
Ends with "N passed, N failed, N skipped"."""

import os
import shutil
import stat
import subprocess
import sys

sys.argv.insert(2, "metal")
from verdict import end, verdict, wanted

out = sys.argv[1]
work = os.path.join(out, "machines")

ACPI = "microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=off"
# By their drivers: requests of several pieces as chains; each time a word to say
# whether to interrupt.
CHAINS = ["-global", "virtio-device.indirect_desc=off"]
WORDS = ["-global", "virtio-device.event_idx=off"]
LINES = [word for name in ("serial", "rng", "9p")
         for word in ("-global", f"virtio-{name}-pci.vectors=0")]
# Behind a bridge of PCI Express that the firmware has numbered.
BRIDGE = ["-device", "pcie-root-port,id=behind,chassis=1"]

# name, the command's machine, QEMU's (None: the same), more arguments
MACHINES = [
    ("microvm, the command line", "microvm", None, []),
    ("microvm, chains", "microvm", None, CHAINS),
    ("microvm, words", "microvm", None, WORDS),
    ("microvm, chains and words", "microvm", None, CHAINS + WORDS),
    ("microvm, the DSDT", "microvm", ACPI, []),
    ("microvm, the DSDT, one I/O APIC", "microvm", ACPI + ",ioapic2=off", []),
    ("microvm, the DSDT, chains and words", "microvm", ACPI, CHAINS + WORDS),
    ("microvm, PCI", "q35", ACPI + ",pcie=on", []),
    ("microvm, PCI, lines", "q35", ACPI + ",pcie=on", LINES),
    ("microvm, PCI, lines of one I/O APIC", "q35",
     ACPI + ",pcie=on,ioapic2=off", LINES),
    ("microvm, PCI, chains and words", "q35", ACPI + ",pcie=on",
     CHAINS + WORDS),
    ("q35", "q35", None, []),
    ("q35, lines", "q35", None, LINES),
    ("q35, lines, chains and words", "q35", None, LINES + CHAINS + WORDS),
    ("q35, chains", "q35", None, CHAINS),
    ("q35, words", "q35", None, WORDS),
    ("q35, a bridge", "q35", None, BRIDGE),
    ("q35, no ACPI", "q35", "q35,acpi=off", []),
    ("q35, no ACPI, lines", "q35", "q35,acpi=off", LINES),
    ("pc", "q35", "pc", []),
    ("pc, lines", "q35", "pc", LINES),
]

# Stands for QEMU: another machine, more arguments.
WRAPPER = '''#!/usr/bin/env python3
import os, sys
args = sys.argv[1:]
at = args.index("-M") + 1
args[at] = os.environ["MACHINE"] or args[at]
more = os.environ["MORE"].split()
if "id=behind" in os.environ["MORE"]:
    for name in ("virtio-rng-pci", "virtio-9p-pci"):
        args = [a.replace(name, name + ",bus=behind") for a in args]
args = more + args
os.execv(%r, ["qemu-system-x86_64"] + args)
'''


def prepare():
    os.makedirs(os.path.join(work, "bin"), exist_ok=True)
    path = os.path.join(work, "bin", "qemu-system-x86_64")
    with open(path, "w") as f:
        f.write(WRAPPER % shutil.which("qemu-system-x86_64"))
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    os.makedirs(os.path.join(work, "files"), exist_ok=True)
    with open(os.path.join(work, "files", "numbers"), "w") as f:
        f.writelines(f"{i}\n" for i in range(60000))


def run(machine, real, more, args):
    env = dict(os.environ, MACHINE=real or "", MORE=" ".join(more),
               PATH=os.path.join(work, "bin") + ":" + os.environ["PATH"])
    command = [os.path.join(out, "nebulet"), "run", "--timeout", "300s",
               "--machine", machine] + args
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=600)


def problem_of(got, stdout):
    if got.returncode != 0 or got.stderr or not stdout(got.stdout):
        return (f"exit status {got.returncode}, {len(got.stdout)} bytes, "
                f"{got.stderr[-300:]!r}")
    return None


def one(name, machine, real, more):
    user = os.path.join(out, "user")
    with open(os.path.join(work, "files", "numbers"), "rb") as f:
        numbers = f.read()
    program = "random-rust.wasm" if "chains" in name else "random.wasm"
    got = run(machine, real, more, ["--device", "random",
                                    os.path.join(user, program), "20000"])
    verdict(name + ": random",
            problem_of(got, lambda o: len(o) == 20000 and len(set(o)) == 256))
    got = run(machine, real, more,
              ["--dir", os.path.join(work, "files") + "::/files", "--argv0", "cat",
               os.path.join(user, "tools.wasm"), "/files/numbers"])
    verdict(name + ": files", problem_of(got, lambda o: o == numbers))


prepare()
for row in MACHINES:
    if wanted(row[0]):
        one(*row)
end()
