#!/usr/bin/env python3
"""test/command/cache.py OUT PORT [NAME...]: modules that were compiled
before: that they are found again, and that nothing else is taken for them.
Ends with "N passed, N failed, N skipped"."""

import os
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from help import Tools, case, main

PAYLOAD = 70000  # smaller modules are not kept


class Cached(Tools):
    """Tools with a cache of their own, empty for each test."""

    def __init__(self, out, port):
        super().__init__(out, port)
        self.work = out / f"cache-{port}"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.cache = self.work / "kept"

    def program(self, name, status, size=PAYLOAD):
        """A program that exits with a status, and has so many bytes of data."""
        data = "".join(f"\\{i * 7 % 256:02x}" for i in range(1000)) * (size // 1000)
        return self.text(name, f"""(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory {size // 65536 + 2}) (data (i32.const 0) "{data}")
            (func (export "_start") (call $exit (i32.const {status}))))""")

    def fresh(self):
        shutil.rmtree(self.cache, ignore_errors=True)

    def again(self, wasm, status, **more):
        return self.run("--cache", "kept", wasm, **more).ends(status)

    def images(self):
        return sorted(self.cache.glob("*.neb"))

    def settle(self, wasm):
        """A file that changed just now is not remembered."""
        age = time.time() - os.stat(self.work / wasm).st_ctime
        time.sleep(max(0, 3.1 - age))


def seen(path):
    """The note about a file, as it is now."""
    st = os.stat(path)
    return f"{st.st_dev:x}-{st.st_ino:x}.seen"


@case
def kept(t):
    """Made by the first run; by the second the module is not even opened."""
    t.fresh()
    wasm = t.program("kept-a", 7)
    t.settle(wasm)
    t.again(wasm, 7).quiet()
    assert [p.stat().st_mode & 0o777 for p in t.cache.iterdir()] == [0o600] * 3
    assert t.cache.stat().st_mode & 0o777 == 0o700
    image = t.images()[0].stat()
    before = t.images()[0].read_bytes()
    assert before[1:8] == b"nebcode"
    t.again(wasm, 7).quiet()
    now = t.images()[0].stat()
    assert (now.st_ino, now.st_ctime_ns) == (image.st_ino, image.st_ctime_ns)
    # The bytes of the module are not read: the same size and times suffice.
    note = t.cache / seen(t.work / wasm)
    other = t.program("kept-b", 9)
    t.again(other, 9).quiet()
    digest = [p.read_text().split()[4] for p in t.cache.glob("*.seen")
              if " kept-b.wasm" in p.read_text()]
    words = note.read_text().split()
    note.write_text(" ".join([*words[:4], digest[0], words[5]]) + "\n")
    t.again(wasm, 9).quiet()


@case
def small(t):
    t.fresh()
    t.again(t.program("small", 5, 1000), 5).quiet()
    assert not t.images()


@case
def off(t):
    t.fresh()
    wasm = t.program("off", 6)
    env = dict(os.environ, HOME=str(t.work.resolve() / "home"))
    env.pop("XDG_CACHE_HOME", None)
    os.makedirs(env["HOME"], exist_ok=True)
    t.run("--cache", "off", wasm, env=env).ends(6).quiet()
    t.run(wasm, env=dict(env, NEBULET_CACHE="off")).ends(6).quiet()
    assert not os.listdir(env["HOME"])
    env.pop("NEBULET_CACHE", None)
    t.run(wasm, env=env).ends(6).quiet()
    there = t.work / "home/.cache/nebulet"
    assert len(list(there.glob("*.neb"))) == 1
    t.run(wasm, env=dict(env, XDG_CACHE_HOME=str(t.work.resolve() / "xdg"))).ends(6)
    assert len(list((t.work / "xdg/nebulet").glob("*.neb"))) == 1
    t.run(wasm, env=dict(env, HOME="", XDG_CACHE_HOME="relative")).ends(6).quiet()
    t.run("--cache=", wasm).ends(2).lines(1)


@case
def changed(t):
    """Another module with the same name and size, and the same again."""
    t.fresh()
    wasm = t.program("changed", 1)
    t.again(wasm, 1).quiet()
    size = (t.work / wasm).stat().st_size
    t.program("changed", 2)
    assert (t.work / wasm).stat().st_size == size
    t.again(wasm, 2).quiet()
    t.program("changed", 1)
    t.again(wasm, 1).quiet()
    assert len(t.images()) == 2


def write_over(path, change):
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data))


def flip(at):
    def change(data):
        data[at if at >= 0 else len(data) + at] ^= 1
        return data
    return change


DAMAGES = {
    "empty": lambda d: b"", "one byte": lambda d: d[:1],
    "half": lambda d: d[:len(d) // 2], "short": lambda d: d[:-8],
    "long": lambda d: d + bytes(8), "zeros": lambda d: bytes(len(d)),
    "magic": flip(1), "version": flip(8), "features": flip(13),
    "compiler": flip(16), "hash": flip(24), "sizes": flip(32),
    "module": flip(4000), "end": flip(-30),
    "no code file": lambda d: b"\0asm\1\0\0\0" + d[8:],
}


@case
def damaged(t):
    """Said in a line, and made again."""
    t.fresh()
    wasm = t.program("damaged", 8)
    t.again(wasm, 8).quiet()
    image = t.images()[0]
    good = image.read_bytes()
    for name, change in DAMAGES.items():
        write_over(image, change)
        t.again(wasm, 8).lines(1).says(
            f"^nebulet: note: kept/{image.name}: it is damaged, and made again$")
        assert image.read_bytes() == good, name
        t.again(wasm, 8).quiet()


@case
def foreign(t):
    """The image of another module under this one's name."""
    t.fresh()
    wasm, other = t.program("mine", 3), t.program("other", 4)
    t.again(wasm, 3)
    mine = t.images()[0]
    t.again(other, 4)
    others = [p for p in t.images() if p != mine][0]
    shutil.copyfile(others, mine)
    t.again(wasm, 3).lines(1).says("made again")
    os.rename(others, mine)
    t.again(wasm, 3).lines(1).says("made again")
    # A note that says nothing, or of another file.
    for text in ("", "x", "fe00 1 2 3.4 5 6\n", "0" * 5000):
        (t.cache / seen(mine)).write_text(text)
        t.again(wasm, 3).quiet()
        (t.cache / seen(t.work / wasm)).write_text(text)
        t.again(wasm, 3).quiet()


@case
def links(t):
    """Neither files nor the directory are found through links, nor where others
    may write or read."""
    t.fresh()
    wasm = t.program("links", 5)
    t.again(wasm, 5)
    image = t.images()[0]
    image.rename(t.work / "elsewhere.neb")
    image.symlink_to("../elsewhere.neb")
    t.again(wasm, 5).quiet()
    assert not image.is_symlink()
    image.unlink()
    os.mkfifo(image)
    t.again(wasm, 5).quiet()
    assert image.is_file()
    image.chmod(0o644)
    t.again(wasm, 5).quiet()
    assert image.stat().st_mode & 0o777 == 0o600
    image.unlink()
    image.mkdir()
    t.again(wasm, 5).lines(1).says("^nebulet: note: .*: not kept$")
    image.rmdir()
    (t.work / "link").unlink(missing_ok=True)
    (t.work / "link").symlink_to("kept")
    t.run("--cache", "link", wasm).ends(5).lines(1).says(
        "^nebulet: note: link: it is no directory: no cache$")
    for mode in (0o750, 0o701):
        t.cache.chmod(mode)
        t.again(wasm, 5).lines(1).says("^nebulet: note: kept: others may use")
    t.cache.chmod(0o700)
    (t.work / "file").write_text("")
    t.run("--cache", "file", wasm).ends(5).lines(1).says("no cache$")
    t.run("--cache", "no/where", wasm).ends(5).lines(1).says("No such file")
    if os.geteuid() == 0:
        os.chown(t.cache, 1000, -1)
        t.again(wasm, 5).lines(1).says("the directory is somebody else's")
        os.chown(t.cache, 0, -1)
        t.again(wasm, 5).quiet()
        os.chown(t.images()[0], 1000, -1)
        t.again(wasm, 5).quiet()
        assert t.images()[0].stat().st_uid == 0


@case
def others_files(t):
    """Other files are left alone, whatever is removed."""
    t.fresh()
    wasm = t.program("alone", 5)
    t.again(wasm, 5)
    names = ["notes.txt", "x.neb", "A" * 64 + ".neb", "1-2.seen.old", "new-",
             "new-1-2.txt", "-.seen"]
    names.remove("new-")
    for name in names:
        (t.cache / name).write_text("mine")
    (t.cache / ("0" * 64 + ".neb")).symlink_to("notes.txt")
    (t.cache / "new-1-2").write_text("")
    (t.cache / "new-1-2").chmod(0o600)
    t.call("cache", "--cache", "kept", "clear").ends(0).quiet().prints(
        "removed 1 module from kept\n")
    left = {p.name for p in t.cache.iterdir()}
    assert left == {*names, "0" * 64 + ".neb"}, left


@case
def limit(t):
    """What was used least lately goes first."""
    t.fresh()
    programs = [t.program(f"limit-{i}", i + 1, 300000) for i in range(4)]
    env = dict(os.environ, NEBULET_CACHE_MIB="1")
    names = []
    for i in (0, 1, 2):
        t.again(programs[i], i + 1, env=env).quiet()
        names += [p.name for p in t.images() if p.name not in names]
    assert len(t.images()) == 3
    t.again(programs[0], 1, env=env).quiet()
    t.again(programs[3], 4, env=env).quiet()
    left = {p.name for p in t.images()}
    assert names[0] in left and names[1] not in left and names[2] in left, left
    used = sum(max(p.stat().st_size, 4096) for p in t.cache.iterdir())
    assert used <= 1 << 20
    t.again(programs[3], 4, env=dict(os.environ, NEBULET_CACHE_MIB="0")).quiet()
    shown = t.call("cache", "--cache", "kept", "ls", env=env).ends(0).quiet()
    shown.shows(r"^ +0\.[0-9] MB  \d{4}-\d\d-\d\d \d\d:\d\d  [0-9a-f]{12}  "
                r"limit-0\.wasm$").shows(r"^ +[01]\.[0-9] MB of 1 MB, 3 modules, in kept$")
    assert [line.split()[-1] for line in shown.out.splitlines()[:-1]] == [
        "limit-2.wasm", "limit-0.wasm", "limit-3.wasm"]


@case
def at_once(t):
    """Several commands with one directory."""
    t.fresh()
    wasm = t.program("at-once", 5)
    commands = [subprocess.Popen(
        [t.nebulet, "run", "--on", t.port, "--cache", "kept", wasm], cwd=t.work,
        stderr=subprocess.PIPE) for _ in range(6)]
    for command in commands:
        _, said = command.communicate(timeout=300)
        assert (command.returncode, said) == (5, b""), said
    assert len(t.images()) == 1
    assert not list(t.cache.glob("new-*"))


@case
def what_is_wrong(t):
    """What does not compile is the kernel's to say, and not kept; code files
    and pipes are as ever."""
    t.fresh()
    bad = t.text("bad", f"""(module (func (export "_start") i32.add drop)
        (memory 2) (data (i32.const 0) "{'x' * PAYLOAD}"))""")
    said = t.run("--cache", "off", bad).ends(1)
    assert t.again(bad, 1).err == said.err and "offset 0x" in said.err
    assert not t.images()
    wasm = t.program("piped", 5)
    t.call("compile", "-o", "piped.neb", wasm).ends(0)
    t.again("piped.neb", 5).quiet()
    assert not t.images()
    done = subprocess.run(
        ["bash", "-c", f"{t.nebulet} run --on {t.port} --cache kept "
         f"<(cat {wasm})"], cwd=t.work, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (5, b""), done
    assert len(t.images()) == 1
    for _ in range(2):
        t.again("piped.wat", 5).quiet()
        assert len(t.images()) == 2 # with names of functions


@case
def library_and_call(t):
    """Modules that are linked, and functions that are called."""
    t.fresh()
    t.text("lib", f"""(module (memory 2) (data (i32.const 0) "{'x' * PAYLOAD}")
        (func (export "add") (param i32 i32) (result i32)
          (i32.add (local.get 0) (local.get 1))))""")
    uses = t.text("uses", """(module
        (import "lib" "add" (func $add (param i32 i32) (result i32)))
        (func (export "_start") (br_if 0 (i32.eq (i32.const 4)
          (call $add (i32.const 1) (i32.const 3)))) unreachable))""")
    for _ in range(2):
        t.again(uses, 1).says("unknown import")
        t.run("--cache", "kept", "--preload", "lib=lib.wasm", uses).ends(0).quiet()
        t.run("--cache", "kept", "--invoke", "add", "lib.wasm", "2",
              "3").ends(0).quiet().prints("5\n")
    assert len(t.images()) == 1


@case
def misuse(t):
    for words in ([], ["list"], ["ls", "ls"], ["--cache"]):
        t.call("cache", *words).ends(2).lines(1)
    t.call("cache", "--cache", "off", "ls").ends(1).lines(1).says("no cache$")
    t.fresh()
    t.call("cache", "--cache", "kept", "ls").ends(0).shows("0 modules, in kept$")


sys.exit(main(Cached))
