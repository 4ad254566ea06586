#!/usr/bin/env python3
"""test/command/disk.py OUT PORT [NAME...]: `nebulet run --disk`: what is on a
disk that e2fsprogs made, what a program left there, and disks that cannot
be.  Ends with "N passed, N failed, N skipped"."""

import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from help import Tools, case, main, skip

READ_ONLY = "Read-only file system"
os.environ["PATH"] += ":/sbin:/usr/sbin"


class Disks(Tools):
    def __init__(self, out, port):
        super().__init__(out, port)
        self.work = out / f"disk-{port}"
        self.work.mkdir(exist_ok=True)

    def disk(self, name, *words, files=None, size="8M"):
        """A new disk with these texts."""
        top = self.work / f"{name}.files"
        shutil.rmtree(top, ignore_errors=True)
        for path, text in (files or {}).items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)
        fill = ["-d", top] if files else []
        image = self.work / name
        image.unlink(missing_ok=True)
        subprocess.run(["mke2fs", "-q", *(words or ["-t", "ext3"]), *fill,
                        image, size], check=True, capture_output=True)
        return name

    def act(self, disks, *acts):
        """Run act.c with these disks; what it printed, line by line."""
        words = [w for d in disks for w in ("--disk", d)]
        end = self.run(*words, self.cc("act"), *acts)
        end.ends(0).quiet()
        return end.out.splitlines()

    def debugfs(self, disk, command):
        return subprocess.run(["debugfs", "-R", command, self.work / disk],
                              text=True, capture_output=True).stdout

    def sound(self, disk):
        """e2fsck finds nothing."""
        end = subprocess.run(["e2fsck", "-fn", self.work / disk], text=True,
                             capture_output=True)
        assert end.returncode == 0, end.stdout


def expect(found, *lines):
    assert found == list(lines), f"expected {list(lines)}, not {found}"


@case
def interchange(t):
    """What mke2fs put there is read, what a program writes debugfs finds."""
    for words in (["-t", "ext3"], ["-t", "ext2", "-b", "4096"]):
        disk = t.disk("disk", *words, files={"old": "old", "d/deep": "deep"})
        expect(t.act([f"{disk}::/w"],
                     "read", "/w/old", "read", "/w/d/deep", "write", "/w/new",
                     "text", "append", "/w/old", "er", "make", "/w/n", "rename",
                     "/w/d/deep", "/w/n/f", "remove", "/w/d", "link", "/w/new",
                     "/w/same", "symlink", "n/f", "/w/way", "read", "/w/way",
                     "touch", "/w/new", "size", "/w/new", "sync", "/w/new",
                     "create", "/w/once", "create", "/w/once", "list", "/w"),
               "old", "deep", "done", "done", "done", "done", "done", "done",
               "done", "deep", "done", "4 9", "done", "done", "File exists",
               "./ ../ lost+found/ n/ new old once same way@ ")
        t.sound(disk)
        assert t.debugfs(disk, "cat old") == "older"
        assert t.debugfs(disk, "cat same") == "text"
        assert t.debugfs(disk, "cat n/f") == "deep"
        assert 'Fast link dest: "n/f"' in t.debugfs(disk, "stat way")
        assert "0x0000000a" not in t.debugfs(disk, "stat new")
        expect(t.act([f"{disk}::/w"], "read", "/w/old", "size", "/w/new"),
               "older", "4 9")


@case
def several(t):
    """Disks beside each other and beside directories; each is its own."""
    a = t.disk("a", files={"x": "ax"})
    b = t.disk("b,=c", "-t", "ext2", files={"x": "bx"})
    top = t.work.resolve() / "top"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir()
    (top / "x").write_text("top")
    end = t.run("--disk", f"{a}::/a", "--dir", f"{top}::/top", "--disk",
                f"{b}::/b::ro", t.cc("act"), "read", "/a/x", "read", "/b/x",
                "read", "/top/x", "write", "/a/y", "new", "write", "/b/y", "new",
                "write", "/top/y", "new", "rename", "/a/x", "/top/z")
    end.ends(0).quiet().prints(
        f"ax\nbx\ntop\ndone\n{READ_ONLY}\ndone\nCross-device link\n")
    assert t.debugfs(a, "cat y") == "new"
    if t.port != "metal":
        return
    end = t.run("--machine", "q35", "--disk", f"{a}::/a", "--disk", f"{b}::/b",
                t.cc("act"), "read", "/a/y", "read", "/b/x")
    end.ends(0).quiet().prints("new\nbx\n")


@case
def large(t):
    """More than the cache has room for, and many names."""
    disk = t.disk("disk", "-t", "ext3", "-b", "4096", size="64M")
    acts = ["big", "/w/big", "24"]
    for i in range(40):
        acts += ["write", f"/w/{i}", str(i)]
    expect(t.act([f"{disk}::/w"], *acts), "same", *["done"] * 40)
    t.sound(disk)
    assert t.debugfs(disk, "cat 39") == "39"


@case
def deaths(t):
    """Its server dies in the middle of each thing that it does, and another
    starts; the disk is sound then."""
    disk = t.disk("disk")
    end = t.deaths("diskfs", "--disk", f"{disk}::/w")
    end.ends(0).prints("34 deaths\n").says("server of /w has ended .* starts")
    t.sound(disk)
    assert t.debugfs(disk, "cat f") == "hello"


@case
def given_up(t):
    """Its server dies, and no other can start since the disk has gone, too:
    that is said, and programs have their error.  (On metal a process serves
    the directory, too.)"""
    if t.port == "metal":
        skip("given_up", "the host takes no disk away from QEMU")
        return
    disk = t.disk("disk")
    command = [t.mortal("diskfs"), "run", "--on", t.port, "--disk",
               f"{disk}::/w", "--dir", f"{t.work.resolve()}::/h", t.cc("act"),
               "write", f"/h/{disk}", "", "read", "/w/die-2-0", "read", "/w/x",
               "write", "/h/held", "", "hold", "/h/held", "read", "/w/x"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          cwd=t.work) as p:
        said = ""
        for line in p.stderr:
            said += line
            if "the last one" in line:
                break
        out, rest = p.communicate("\n")
    assert said.count("another starts") == 5, said
    assert rest == "", rest
    expect(out.splitlines(), "done", "I/O error", "I/O error", "done", "held", "",
           "I/O error")


@case
def refused(t):
    """Disks that cannot be used are one sentence."""
    act = t.cc("act")

    def refusal(words, *texts):
        end = t.run("--disk", *words, act)
        end.ends(1)
        for text in texts:
            end.says(text)

    refusal(["nothing"], "^nebulet: --disk nothing: No such file")
    refusal(["/dev/null"], "^nebulet: --disk /dev/null: neither a file nor a disk")
    refusal([f"{t.disk('four', '-t', 'ext4')}::/w"],
            "^diskfs: disk0: it has extents",
            "^nebulet: /w cannot be served: ")
    (t.work / "zeroes").write_bytes(bytes(1 << 20))
    refusal(["zeroes::/w"], "there is no ext2 or ext3 on it")
    (t.work / "note").write_text("text")
    disk = t.disk("disk")
    t.run("--disk", disk, "--copy-dir", "note", act).ends(1).lines(1).says(
        "^nebulet: --copy-dir note: a file has no place in what is on a disk")


@case
def busy(t):
    """A disk is one machine's at a time."""
    disk = t.disk("disk")
    act = t.cc("act")
    with subprocess.Popen(
            [t.nebulet, "run", "--on", t.port, "--disk", f"{disk}::/w", act,
             "write", "/w/f", "text", "hold", "/w/f"], cwd=t.work,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "done\n"
        assert holder.stdout.readline() != ""
        end = t.run("--disk", f"{disk}::/w", act, "read", "/w/f")
        assert end.status != 0, end.out
        holder.stdin.write("\n")
        holder.stdin.close()
        assert holder.wait() == 0
    t.sound(disk)
    expect(t.act([f"{disk}::/w"], "read", "/w/f"), "text")


@case
def killed(t):
    """A machine that is killed: what was synced is there, and all is sound."""
    disk = t.disk("disk")
    act = t.cc("act")
    with subprocess.Popen(
            [t.nebulet, "run", "--on", t.port, "--disk", f"{disk}::/w", act,
             "write", "/w/f", "text", "make", "/w/d", "sync", "/w/f", "write",
             "/w/g", "later", "hold", "/w/f"], cwd=t.work, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
        for _ in range(4):
            assert machine.stdout.readline() == "done\n"
        assert machine.stdout.readline() != ""
        machine.send_signal(signal.SIGKILL)
        machine.wait()
    assert "needs_recovery" in t.debugfs(disk, "features")
    for _ in range(100):  # QEMU ends, and with it its lock
        end = t.run("--disk", f"{disk}::/w", act, "read", "/w/f", "list", "/w")
        if end.status == 0:
            break
        time.sleep(0.1)
    end.ends(0).quiet()
    expect(end.out.splitlines()[:1], "text")
    assert "d/" in end.out.splitlines()[1]
    t.sound(disk)
    assert "needs_recovery" not in t.debugfs(disk, "features")


@case
def in_the_shell(t):
    """The shell has it under the name of its file."""
    disk = t.disk("disk", files={"x": "text\n"})
    end = t.call("shell", "--on", t.port, "--disk", disk, "--", "-c",
                 "cat /disk/x; echo new >/disk/y; mkdir /disk/d; ls /disk")
    end.ends(0).quiet().prints("text\nd\nlost+found\nx\ny\n")
    t.sound(disk)
    assert t.debugfs(disk, "cat y") == "new\n"


sys.exit(main(Disks))
