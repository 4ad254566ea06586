#!/usr/bin/env python3
"""test/command/media.py OUT PORT [NAME...]: what `nebulet image` writes
boots, by a BIOS and by UEFI, as a CD and as a hard disk, and by PVH on
machines that have as little as Firecracker's and Cloud Hypervisor's; and
there programs print what they print under `nebulet run`.  Ends with "N
passed, N failed, N skipped"."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from help import Tools, case, main, skip

LIMIT_S = 300
GRUB = {"grub-mkimage": "grub-common",
        "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
        "/usr/lib/grub/x86_64-efi/multiboot2.mod": "grub-efi-amd64-bin"}
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"
UEFI = ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
ENDED = "nebulet: ended with exit status 0; switch the machine off\n"


def missing(*packages):
    return [package for path, package in GRUB.items()
            if package in packages and not
            (os.path.exists(path) if path[0] == "/" else shutil.which(path))]


def has(t, what, *packages):
    """Is all there that a test needs?  Else it is skipped."""
    gone = missing(*packages)
    if "ovmf" in packages and not os.path.exists(OVMF):
        gone.append("ovmf")
    if gone:
        skip(what, "packages missing: " + " ".join(gone))
    return not gone


class Machine:
    """QEMU, with what it said on two serial lines."""

    def __init__(self, t, name, *words):
        self.lines = [t.work / f"{name}-{n}.txt" for n in (1, 2)]
        self.qmp = t.work / f"{name}.sock"
        for path in [*self.lines, self.qmp]:
            path.unlink(missing_ok=True)
        argv = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512",
                "-nodefaults", "-no-user-config", "-no-reboot", "-display",
                "none", "-qmp", f"unix:{self.qmp.name},server=on,wait=off"]
        for path in self.lines:
            argv += ["-serial", f"file:{path.name}"]
        self.process = subprocess.Popen([*argv, *words], cwd=t.work,
                                        stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)

    def said(self, line=0):
        if not self.lines[line].exists():
            return ""
        return self.lines[line].read_bytes().decode(errors="surrogateescape")

    def ends(self, status):
        """Wait for that; the status of the programs, or None: it was reset."""
        _, err = self.process.communicate(timeout=LIMIT_S)
        want = 0 if status is None else 2 * status + 1
        assert self.process.returncode == want, \
            f"QEMU: {self.process.returncode} {err}; {self.said()[-600:]!r}"

    def waits_for(self, text):
        for _ in range(10 * LIMIT_S):
            if text in self.said() or self.process.poll() is not None:
                break
            time.sleep(0.1)
        assert text in self.said(), f"{self.said()[-600:]!r}"

    def asks(self, command):
        """A command of QEMU's monitor, over QMP."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.relpath(self.qmp))
            stream = s.makefile("rw")
            stream.readline()
            for request in ({"execute": "qmp_capabilities"},
                            {"execute": "human-monitor-command",
                             "arguments": {"command-line": command}}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = {}
                while "return" not in answer:
                    answer = json.loads(stream.readline())
            return answer["return"]

    def kill(self):
        self.process.kill()
        self.process.wait()


def prepare(t):
    """A program's words: it lists its arguments and files."""
    data = t.work / "data"
    (data / "in").mkdir(parents=True, exist_ok=True)
    (data / "in" / "note").write_text("some text")
    (data / "long").write_text("x" * 5000)
    for path in [data / "in" / "note", data / "long", data / "in", data]:
        os.utime(path, (1e9, 1e9))
    return [t.cc("ls"), "one", "two three"]


WORDS = ["--env", "A=1"]


def as_run(t):
    """What the programs print by `nebulet run`."""
    ls, env = prepare(t), t.cc("env")
    return t.call("run", "--on", "metal", "--copy-dir", "data::/d", *WORDS,
                  "--then", env, *ls).ends(0).quiet().out


def image(t, *words):
    """Write it, with the same programs."""
    ls, env = prepare(t), t.cc("env")
    t.call("image", *words, "--dir", "data::/d", *WORDS, "--then", env,
           *ls).ends(0).quiet().prints("")


def agrees(t, machine):
    """How much the firmware said before, on both lines if it did."""
    want = as_run(t)
    assert "one" in want and "A=1" in want and "some" in want, want
    assert machine.said().endswith(want), machine.said()[-2000:]
    before = len(machine.said()) - len(want)
    assert before > 0 or machine.said(1) == "", machine.said(1)
    return before


def disk(t, name):
    if not has(t, name, "grub-common", "grub-pc-bin", "grub-efi-amd64-bin"):
        return None
    if not (t.work / "media.img").exists():
        image(t, "-o", "media.img")
    return "media.img"


HARD_DISK = ["-drive", "format=raw,file=media.img,readonly=off"]
CD = ["-drive", "format=raw,media=cdrom,file=media.img"]


@case
def cd_by_bios(t):
    if disk(t, "CD by BIOS"):
        m = Machine(t, "cd-bios", "-M", "q35", *CD, *EXIT)
        m.ends(0)
        assert agrees(t, m) == 0, "the first serial line is the program's"


@case
def disk_by_bios(t):
    """Of the older machine, too."""
    if disk(t, "disk by BIOS"):
        m = Machine(t, "disk-bios", "-M", "pc", *HARD_DISK, *EXIT)
        m.ends(0)
        assert agrees(t, m) == 0, "the first serial line is the program's"


@case
def disk_by_uefi(t):
    if disk(t, "disk by UEFI") and has(t, "disk by UEFI", "ovmf"):
        m = Machine(t, "disk-uefi", "-M", "q35", *UEFI, *HARD_DISK, *EXIT)
        m.ends(0)
        agrees(t, m)


@case
def cd_by_uefi(t):
    """It stays as it is at the end; and ACPI has told of the second CPU, of which
    nothing is known elsewhere: UEFI leaves no tables below 1 MiB."""
    if not (disk(t, "CD by UEFI") and has(t, "CD by UEFI", "ovmf")):
        return
    m = Machine(t, "cd-uefi", "-M", "q35", "-smp", "2", *UEFI, *CD)
    try:
        m.waits_for(ENDED)
        assert m.said().endswith(as_run(t) + ENDED), m.said()[-2000:]
        places = re.findall(r"RIP=([0-9a-f]+)", m.asks("info registers -a"))
        assert len(places) == 2 and all(p.startswith("ffffffff80")
                                        for p in places), places
    finally:
        m.kill()


# --- the pair ------------------------------------------------------------------

# What Firecracker has: no PIT, PIC or clock that matter to us, a serial line, and
# a keyboard controller that resets; virtio-mmio only.
FIRECRACKER = ["-M", "microvm,acpi=off,x-option-roms=off,pit=off,pic=off,rtc=off,"
               "isa-serial=on", "-device", "i8042"]
# Cloud Hypervisor: the same, with a clock and ACPI.
CLOUD_HYPERVISOR = ["-M", "microvm,acpi=on,x-option-roms=off,pit=off,pic=off,"
                    "rtc=on,isa-serial=on", "-device", "i8042", "-smp", "2"]
Q35 = ["-M", "q35", *EXIT]


def pair(t):
    if not (t.work / "pair").exists():
        image(t, "--pair", "-o", "pair")
    return ["-kernel", "pair/nebulet.elf", "-initrd", "pair/initrd.tar"]


@case
def pair_on_q35(t):
    m = Machine(t, "q35", *Q35, *pair(t))
    m.ends(0)
    assert agrees(t, m) == 0


@case
def pair_as_in_firecracker(t):
    m = Machine(t, "firecracker", *FIRECRACKER, *pair(t))
    m.ends(None)
    assert agrees(t, m) == 0


@case
def pair_as_in_cloud_hypervisor(t):
    m = Machine(t, "cloud", *CLOUD_HYPERVISOR, *pair(t))
    m.ends(None)
    assert agrees(t, m) == 0


@case
def kernel_has_what_loaders_want(t):
    """A note with the entry of PVH, segments from 1 MiB on, an entry there."""
    pair(t)
    elf = (t.work / "pair" / "nebulet.elf").read_bytes()
    word = lambda at, size: int.from_bytes(elf[at:at + size], "little")
    entry, headers, count = word(24, 8), word(32, 8), word(56, 2)
    assert elf[:6] == b"\x7fELF\2\1" and headers == 64 and entry >= 1 << 20
    kinds = {}
    for at in range(headers, headers + 56 * count, 56):
        kinds.setdefault(word(at, 4), []).append(
            (word(at + 8, 8), word(at + 24, 8), word(at + 32, 8)))
    loaded = kinds[1]
    assert all(physical >= 1 << 20 for _, physical, _ in loaded), loaded
    assert all(at + size <= len(elf) for at, _, size in loaded), loaded
    at, _, size = kinds[4][0]
    note = elf[at:at + size]
    assert note[:16] == bytes([4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0]) + b"Xen\0"
    assert int.from_bytes(note[16:20], "little") == entry


# --- init ------------------------------------------------------------------------


@case
def init_file(t):
    """Programs of a file of init, with an argument and a file of the host's."""
    (t.work / "init").write_text("/bin/shell $@ : console files group : exit\n")
    (t.work / "script").write_text("echo script $1; cat /etc/init; exit 5\n")
    t.call("image", "--pair", "-o", "initpair", "--init", "init", "--dir",
           "script::/script", "/script", "arg").ends(0).quiet()
    m = Machine(t, "init", *Q35, "-kernel", "initpair/nebulet.elf", "-initrd",
                "initpair/initrd.tar")
    m.ends(5)
    want = "script arg\n" + (t.work / "init").read_text()
    assert m.said() == want, m.said()


# --- the same bytes ----------------------------------------------------------------


@case
def same_bytes(t):
    """Twice the same; SOURCE_DATE_EPOCH is the last date in it."""
    prepare(t)
    dated = dict(os.environ, SOURCE_DATE_EPOCH="86400")
    for name, env in (("a", None), ("b", None), ("c", dated), ("d", dated)):
        if not missing(*GRUB.values()):
            t.call("image", "-o", f"{name}.img", "--dir", "data", "ls.wasm",
                   env=env).ends(0).quiet()
        t.call("image", "--pair", "-o", name, "--dir", "data", "ls.wasm",
               env=env).ends(0).quiet()
        if name == "c":
            os.utime(t.work / "data" / "long", (2e9, 2e9))
    os.utime(t.work / "data" / "long", (1e9, 1e9))
    names = ["{}/nebulet.elf", "{}/initrd.tar", "{}.img"]
    for file in names[:2 if missing(*GRUB.values()) else 3]:
        a, b, c, d = [(t.work / file.format(name)).read_bytes() for name in "abcd"]
        assert a == b and c == d, f"{file} is not the same twice"
        assert (a == c) == file.endswith("elf"), f"{file}: the dates"


# --- what cannot be done -------------------------------------------------------------


@case
def errors(t):
    prepare(t)
    hello = "ls.wasm"
    (t.work / "file").write_text("")
    empty = t.work / "nogrub"
    shutil.rmtree(empty, ignore_errors=True)
    empty.mkdir()
    tries = [
        (2, [hello], "image: -o FILE is missing: where to write it \\("),
        (2, ["-o", "x.img"], "image: no program given"),
        (2, ["-o", "x.img", "--system", "s", hello], "image: --system has no"),
        (1, ["-o", "x.img", "nowhere.wasm"], "nowhere.wasm: No such file"),
        (1, ["--pair", "-o", "x.img", "--dir", "nowhere", hello],
         "--dir nowhere: No such file"),
        (1, ["--pair", "-o", "file", hello], "file/nebulet.elf: Not a directory"),
        (1, ["--pair", "-o", "no/where", hello], "no/where: No such file"),
        (1, ["-o", "x.img", "--grub", "nogrub", hello],
         r"nogrub/i386-pc/boot.img: No such file .*\(Debian package grub-pc-bin\)"),
        (1, ["-o", "x.img", "--init", "nowhere"], "--init nowhere"),
        (1, ["-o", "x.img", "--init", "init", "--system", "nowhere"],
         "nowhere/bin/init: there is no system"),
    ]
    if not missing("grub-pc-bin"):
        tries.append((1, ["-o", "no/where", hello], "no/where: No such file|"
                      "Debian package grub-"))
    for status, words, said in tries:
        t.call("image", *words).ends(status).prints("").lines(1).says(
            f"^nebulet: ({said})")
    assert not (t.work / "x.img").exists(), "something is left behind"


@case
def parts_of_grub(t):
    """Each part that is missing names its package."""
    if not has(t, "parts of GRUB", *GRUB.values()):
        return
    prepare(t)
    some = t.work / "somegrub"
    shutil.rmtree(some, ignore_errors=True)
    some.mkdir()
    (some / "i386-pc").symlink_to("/usr/lib/grub/i386-pc")
    t.call("image", "-o", "y.img", "--grub", "somegrub", "ls.wasm").ends(1).lines(
        1).says(r"somegrub/x86_64-efi/multiboot2.mod: .* package grub-efi-amd64-bin")
    only = t.work / "path"
    only.mkdir(exist_ok=True)
    t.call("image", "-o", "y.img", "ls.wasm", env={"PATH": str(only)}).ends(
        1).lines(1).says(r"grub-mkimage: .* \(Debian package grub-common\)")
    t.call("image", "-o", "y.img", "ls.wasm",
           env=dict(os.environ, SOURCE_DATE_EPOCH="soon")).ends(0).lines(1).says(
               "note: SOURCE_DATE_EPOCH=soon is not a number")
    assert (t.work / "y.img").exists()


@case
def full_device(t):
    """What is not whole is not left behind, and said."""
    prepare(t)
    t.call("image", "--pair", "-o", "small", "ls.wasm",
           before=["bash", "-c", 'ulimit -f 4; trap "" XFSZ; exec "$@"', "sh"]).ends(
               1).lines(1).says("small/nebulet.elf: File too large")
    assert not list((t.work / "small").iterdir()), "something is left behind"


class Clean(Tools):
    def __init__(self, out, port):
        super().__init__(out, port)
        self.work = out / "media"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)


sys.exit(main(Clean))
