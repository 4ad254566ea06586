#!/usr/bin/env python3
"""test/command/machines.py OUT [WORD...]: devices of virtio wherever QEMU
puts them: on the command line, in the DSDT or on PCI, which is reached by
memory or by ports; with addresses from the firmware or from us; with MSI-X or
lines that they share, and without what rings may lack.  A driver of random
bytes and one of files run on each, and the console carries what they print.
Then devices that are registers: a keyboard, where somebody types, and a display.
Ends with "N passed, N failed, N skipped"."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time

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


def environment(real, more):
    return dict(os.environ, MACHINE=real or "", MORE=" ".join(more),
                PATH=os.path.join(work, "bin") + ":" + os.environ["PATH"])


def run(machine, real, more, args):
    env = environment(real, more)
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


# --- registers ---------------------------------------------------------------

TYPED = "Nebulet 2018: [wasm]"
SHIFTED = {":": "semicolon"}
NAMED = {" ": "spc", "[": "bracket_left", "]": "bracket_right"}

# A display's number, and a pixel; what is not there is refused.
DISPLAY = '''(module
  (import "nebulet" "process_given" (func $given (param i32 i32) (result i32)))
  (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
  (import "nebulet" "registers_read"
    (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (import "nebulet" "registers_write"
    (func $write (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $need (param $right i32) (param $status i32)
    (if (i32.eqz (local.get $right))
      (then (drop (call $exit (local.get $status))))))
  (func (export "_start") (local $h i32)
    (drop (call $given (i32.const 0) (i32.const 0)))
    (local.set $h (i32.load (i32.const 0)))
    (call $need (i32.eqz (call $read (local.get $h) (i32.const 1)
      (i32.const 0x500) (i32.const 2) (i32.const 4))) (i32.const 1))
    (call $need (i32.eq (i32.load (i32.const 4)) (i32.const 0xb0c5))
      (i32.const 2))
    (call $need (i32.eqz (call $write (local.get $h) (i32.const 0)
      (i32.const 0x100000) (i32.const 4) (i32.const 0x12345678))) (i32.const 3))
    (drop (call $read (local.get $h) (i32.const 0) (i32.const 0x100002)
      (i32.const 1) (i32.const 4)))
    (call $need (i32.eq (i32.load (i32.const 4)) (i32.const 0x34))
      (i32.const 4))
    (call $need (i32.eq (call $read (local.get $h) (i32.const 1)
      (i32.const 0x1000) (i32.const 4) (i32.const 4)) (i32.const -14))
      (i32.const 5))))'''


def keys(text):
    for c in text:
        name = SHIFTED.get(c) or NAMED.get(c) or c.lower()
        yield f"shift-{name}" if c.isupper() or c in SHIFTED else name
    yield "ret"


def type_until(path, over):
    """Type the line again and again, as a person would: slowly."""
    while not os.path.exists(path) and not over.is_set():
        time.sleep(0.1)
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(path)
        while not over.is_set():
            for key in keys(TYPED):
                monitor.sendall(f"sendkey {key} 10\n".encode())
                monitor.recv(65536)
                if over.wait(0.05):
                    return


def keyboard(machine):
    """A line arrives whole, when somebody has typed it a few times at most."""
    path = os.path.join(work, f"monitor-{machine}")
    if os.path.exists(path):
        os.unlink(path)
    over = threading.Event()
    typist = threading.Thread(target=type_until, args=(path, over))
    command = [os.path.join(out, "nebulet"), "run", "--timeout", "300s",
               "--machine", machine, "--device", "ps2",
               os.path.join(out, "user", "ps2.wasm"), "20"]
    typist.start()
    lines = []
    with subprocess.Popen(command, env=environment(
            None, ["-monitor", f"unix:{path},server=on,wait=off"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as driver:
        for line in driver.stdout:
            lines.append(line.decode().rstrip("\n"))
            if lines[-1] == TYPED:
                driver.kill()
                break
    over.set()
    typist.join()
    verdict(f"keyboard on {machine}",
            None if TYPED in lines else f"came: {lines[-3:]}")


def display():
    path = os.path.join(work, "display.wat")
    with open(path, "w") as f:
        f.write(DISPLAY)
    subprocess.run(["wat2wasm", path, "-o", path[:-3] + "wasm"], check=True)
    got = run("q35", None, [], ["--device", "display", path[:-3] + "wasm"])
    verdict("display on q35", problem_of(got, lambda o: o == b""))


prepare()
for row in MACHINES:
    if wanted(row[0]):
        one(*row)
for m in ("microvm", "q35"):
    if wanted(f"keyboard on {m}"):
        keyboard(m)
if wanted("display on q35"):
    display()
end()
