#!/usr/bin/env python3
"""test/command/channel.py OUT [WORD...]: the channel between kernel and host command
(abi/channel.h) where one side is missing or makes no sense: the kernel in QEMU
by hand on serial ports, the kernel with a host that breaks the rules, and the
host command (under sanitizers) with a guest that does.  A WORD picks the tests
whose name it is part of.  Ends with "N passed, N failed, N skipped"."""

import io
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile

out = pathlib.Path(sys.argv[1])
words = sys.argv[2:]
work = pathlib.Path(tempfile.mkdtemp(dir=out, prefix="channel-")).absolute()
program = str(out / "user/streams.wasm")
passed = failed = 0
LIMIT_S = 300  # what takes longer hangs
IO = 4  # user/streams' digit for EIO

# abi/channel.h.
HEAD = struct.Struct("<BBB5xIiQ")
START, WRITE, READ, LOOK, STREAM, HELLO, DONE, DATA, STATE = range(1, 10)


def head(kind, stream=0, size=0, status=0, at=0, now=0):
    return HEAD.pack(kind, stream, now, size, status, at)


def check(name, problem_of, *args):
    global passed, failed
    if words and not any(word in name for word in words):
        return
    problem = problem_of(*args)
    if problem:
        failed += 1
        print(f"FAILED: {name}: {problem}", flush=True)
    else:
        passed += 1


def expect(got, want):
    return None if got == want else f"got {got!r}, want {want!r}"


# --- QEMU by hand -------------------------------------------------------------

BY_HAND = """-accel tcg,thread=multi -cpu max -m 512M -nodefaults
    -no-user-config -no-reboot -display none
    -device isa-debug-exit,iobase=0xf4,iosize=0x04
    -chardev stdio,id=com1,signal=off
    -device isa-serial,chardev=com1,iobase=0x3f8,irq=4
    -chardev file,id=com2,path=WORK/stderr
    -device isa-serial,chardev=com2,iobase=0x2f8,irq=3
    -chardev file,id=log,path=WORK/log
    -device isa-debugcon,chardev=log,iobase=0xe9
    -kernel OUT/nebulet.elf -initrd WORK/initrd"""
MICROVM = "microvm,x-option-roms=off,pit=on,pic=on,rtc=on,isa-serial=off"
NO_CHANNEL = b"nebulet: no channel to the host on a virtio-console: using serial ports\n"
CONSOLE = ["-append", "channel", "-global", "virtio-mmio.force-legacy=false",
           "-device", "virtio-serial-device,max_ports=2",
           "-device", "virtserialport,nr=1,chardev=channel"]


def make_initrd(mode):
    with tarfile.open(work / "initrd", "w", tarfile.USTAR_FORMAT) as tar:
        tar.add(program, "run/0/app.wasm")
        info = tarfile.TarInfo("run/0/args")
        data = f"streams\0{mode}\0".encode()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


def qemu(machine, more, **how):
    text = BY_HAND.replace("WORK", str(work)).replace("OUT", str(out))
    return subprocess.Popen(
        ["qemu-system-x86_64", "-M", machine] + text.split() + more,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **how)


def serial_problem(machine, more, said):
    """Serial ports do where there is no channel, and say so if they must."""
    make_initrd("copy")
    process = qemu(machine, more)
    text, _ = process.communicate(b"one\ntwo\n\4", timeout=LIMIT_S)
    log = (work / "log").read_bytes()
    return expect((process.returncode, text, log),
                  (1, b"one\ntwo\n", said + b"\0\0"))


for name, machine, more, said in (
        ("microvm", MICROVM, [], b""), ("q35", "q35", [], b""),
        ("microvm, no console", MICROVM, ["-append", "channel"], NO_CHANNEL),
        ("microvm, legacy console", MICROVM + ",acpi=off",
         ["-append", "channel", "-device", "virtio-serial-device"],
         NO_CHANNEL),
        ("q35, no console", "q35", ["-append", "channel"], NO_CHANNEL)):
    check("serial: " + name, serial_problem, machine, more, said)


# --- a host that breaks the rules ------------------------------------------------

GREETING = b"".join(head(STREAM, stream) for stream in (1, 2, 4)) + \
    head(STREAM, 3, 65536) + head(HELLO)


def receive(host, size):
    data = b""
    while len(data) < size:
        piece = host.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def host_problem(mode, greeting, reply, status, said):
    """Our end of the channel answers START and then the first message after
    it; the kernel goes on without us."""
    make_initrd(mode)
    host, guest = socket.socketpair()
    process = qemu(MICROVM + ",acpi=off",
                   ["-chardev", f"socket,id=channel,fd={guest.fileno()}"] +
                   CONSOLE, pass_fds=[guest.fileno()])
    guest.close()
    process.stdin.close()
    try:
        receive(host, HEAD.size)
        host.sendall(greeting)
        receive(host, HEAD.size)
        host.sendall(reply)
        while host.recv(65536):
            pass
    except (EOFError, ConnectionError, BrokenPipeError):
        pass
    code = process.wait(LIMIT_S)
    process.stdout.close()
    host.close()
    log = (work / "log").read_bytes()
    return expect((code, log), (2 * status + 1, said + bytes([0, status])))


rng = random.Random(1)
for name, mode, reply in (
        ("no such kind", "write", head(99)),
        ("a kind of the kernel's", "write", head(WRITE, 1, 6)),
        ("more done than written", "write", head(DONE, 1, at=1 << 40)),
        ("done of stdin", "write", head(DONE, 0)),
        ("done of no stream", "write", head(DONE, 200)),
        ("no status", "write", head(DONE, 1, status=5)),
        ("no stream to open", "write", head(STREAM, 9, 100)),
        ("data that nobody wants", "write", head(DATA, size=3) + b"abc"),
        ("a state that nobody wants", "write", head(STATE, size=3)),
        ("too much data", "copy", head(DATA, size=65537)),
        ("data and bad status", "copy", head(DATA, status=1)),
        ("bytes 1", "write", rng.randbytes(70000)),
        ("bytes 2", "write", bytes(70000))):
    check("host: " + name, host_problem, mode, GREETING, reply,
          11 * IO if mode == "write" else IO, b"")
for name, greeting in (("streams are missing", head(HELLO)),
                       ("nonsense first", b"x" * 24)):
    check("host: " + name, host_problem, "exit", greeting, b"", 0, NO_CHANNEL)


# --- a guest that breaks the rules -------------------------------------------------

FAKE = """#!/usr/bin/env python3
import os, re, sys
channel = int(re.search("id=channel,fd=([0-9]+)", " ".join(sys.argv))[1])
log = int(re.search("fd=([0-9]+),set=1", " ".join(sys.argv))[1])
data = open(os.environ["FAKE_DATA"], "rb").read()
os.write(log, b"booted\\n")
while data:
    data = data[os.write(channel, data):]
if "end" in os.environ["FAKE_DATA"]:
    os.write(log, bytes([0, 7]))
else:
    os.read(channel, 1 << 20)
    while os.read(channel, 1 << 20):
        pass
"""


def guest_problem(data, name, status, stderr):
    """The host command with a QEMU that says just this."""
    fake = work / "bin/qemu-system-x86_64"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(FAKE)
    fake.chmod(0o755)
    (work / name).write_bytes(data)
    env = dict(os.environ, FAKE_DATA=str(work / name),
               PATH=f"{fake.parent}:{os.environ['PATH']}")
    if not (work / "nebulet").exists():  # its kernel is beside it
        shutil.copy(out / "san/nebulet", work / "nebulet")
        (work / "nebulet.elf").touch()
    done = subprocess.run([str(work / "nebulet"), "run", program],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=env, timeout=LIMIT_S, check=False)
    return expect((done.returncode, done.stdout, done.stderr),
                  (status, b"", b"booted\n" + stderr))


BROKEN = b"nebulet: the guest does not keep the rules of the channel\n"
for name, data in (
        ("no such kind", head(99)), ("kind 0", bytes(24)),
        ("a kind of the host's", head(HELLO)),
        ("write to stdin", head(WRITE, 0, 1) + b"x"),
        ("write to no stream", head(WRITE, 77, 1) + b"x"),
        ("a large write", head(WRITE, 1, 65537)),
        ("read nothing", head(READ)), ("read too much", head(READ, size=1 << 31)),
        ("bytes", rng.randbytes(70000))):
    check("guest: " + name, guest_problem, data, "data", 1, BROKEN)
check("guest: a hole in the output", guest_problem,
      head(START) + head(WRITE, 1, 3, at=5) + b"abc", "end", 7, b"")
check("guest: half a head", guest_problem, b"\1\0", "end", 7, b"")

subprocess.run(["rm", "-rf", str(work)], check=False)
print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
