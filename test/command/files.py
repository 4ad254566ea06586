#!/usr/bin/env python3
"""test/command/files.py OUT PORT [NAME...]: `nebulet run --dir`, the host's
own files: what programs change is there, what the host changes is seen, and
no way leads out.  Ends with "N passed, N failed, N skipped"."""

import os
import pathlib
import shutil
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
from help import Tools, case, main, skip

READ_ONLY = "Read-only file system"


def folder(t, name, files):
    """A directory of the host with these texts (None: a directory)."""
    top = t.work.resolve() / name
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir()
    for path, text in files.items():
        path = top / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if text is None else path.write_text(text)
    return top


class Files(Tools):
    def act(self, dirs, *acts, **more):
        """Run act.c with these directories; what it printed, line by line."""
        words = [w for d in dirs for w in ("--dir", d)]
        end = self.run(*words, self.cc("act"), *acts, **more)
        end.ends(0).quiet()
        return end.out.splitlines()


def expect(found, *lines):
    assert found == list(lines), f"expected {list(lines)}, not {found}"


@case
def changes(t):
    """What a program does to its files, the host has."""
    top = folder(t, "top", {"old": "old", "gone": "x", "d/e": "deep"})
    expect(t.act([f"{top}::/w"],
                 "read", "/w/old", "write", "/w/new", "text", "append", "/w/old",
                 "er", "make", "/w/n", "rename", "/w/d/e", "/w/n/f", "remove",
                 "/w/gone", "remove", "/w/d", "link", "/w/new", "/w/same",
                 "symlink", "n/f", "/w/way", "read", "/w/way", "target", "/w/way",
                 "touch", "/w/new", "size", "/w/new", "sync", "/w/new",
                 "create", "/w/once", "create", "/w/once", "list", "/w"),
           "old", "done", "done", "done", "done", "done", "done", "done", "done",
           "deep", "n/f", "done", "4 9", "done", "done", "File exists",
           "./ ../ n/ new old once same way@ ")
    assert (top / "new").read_text() == "text"
    assert (top / "old").read_text() == "older"
    assert (top / "n/f").read_text() == "deep"
    assert os.readlink(top / "way") == "n/f"
    assert (top / "new").stat().st_nlink == 2
    assert (top / "new").stat().st_mtime_ns == 9 * 10**9 + 10
    assert sorted(os.listdir(top)) == ["n", "new", "old", "once", "same", "way"]


@case
def links(t):
    """Links are the program's to follow; times can be a link's own."""
    top = folder(t, "top", {"d/f": "text"})
    expect(t.act([f"{top}::/w"], "symlink", "d", "/w/l", "read", "/w/l/f",
                 "touch", "/w/l", "size", "/w/l", "symlink", "nowhere", "/w/n",
                 "read", "/w/n", "link", "/w/n", "/w/m", "target", "/w/m",
                 "symlink", "loop", "/w/loop", "read", "/w/loop", "symlink",
                 "../../w/d/f", "/w/d/up", "read", "/w/d/up"),
           "done", "text", "done", "1 9", "done", "No such file or directory",
           "done", "nowhere", "done", "Symbolic link loop", "done",
           "Operation not permitted")


@case
def many_files(t):
    """More than the server has numbers in use: no two are taken for each other."""
    names = [f"d{i % 7}/f{i}" for i in range(400)]
    top = folder(t, "top", {name: f"This is {name}." for name in names})
    acts = [word for i, name in enumerate(names) for word in (
        "read", f"/w/{name}", "list" if i % 5 == 0 else "touch", f"/w/d{i % 7}")]
    lines = t.act([f"{top}::/w"], *acts)
    assert lines[::2] == [f"This is {name}." for name in names], lines
    lists = [" ".join(sorted(line.split())) for line in lines[1::10]]
    assert lists == [" ".join(sorted(["./", "../"] + [
        f"f{k}" for k in range(400) if k % 7 == i % 7])) for i in range(0, 400, 5)], \
        lines


@case
def read_only(t):
    """What may only be read, inside what may be changed, and the other way."""
    top = folder(t, "top", {"f": "1", "ro/f": "2", "rw/f": "3"})
    acts = [w for d in ("/w", "/w/ro") for w in (
        "write", f"{d}/f", "x", "make", f"{d}/new", "remove", f"{d}/f", "symlink",
        "x", f"{d}/l", "touch", f"{d}", "read", f"{d}/f")]
    done = ["done"] * 5 + ["No such file or directory"]
    expect(t.act([f"{top}::/w", f"{top}/ro::/w/ro::ro"], *acts),
           *done, *[READ_ONLY] * 5, "2")
    top = folder(t, "top", {"f": "1", "ro/f": "2"})
    expect(t.act([f"{top}::/w::ro", f"{top}/ro::/w/ro"], *acts),
           *[READ_ONLY] * 5, "1", *done)


@case
def mounts(t):
    """Directories and files in each other and where the host has nothing."""
    if t.port == "metal":
        served_mounts(t)
        return
    a = folder(t, "a", {"x": "ax", "in/f": "hidden", "in/keep": "k", "y": "ay"})
    b = folder(t, "b", {"f": "bf"})
    (t.work / "single").write_text("single")
    dirs = [f"{a}::/a", f"{b}::/a/in", "single::/a/x", "single::/a/far/away",
            "single::/etc/one", f"{b}::/etc/deep/er"]
    expect(t.act(dirs, "list", "/a", "list", "/a/in", "read", "/a/in/f", "read",
                 "/a/x", "read", "/a/y", "list", "/a/far", "read", "/a/far/away",
                 "list", "/etc", "read", "/etc/one", "read", "/etc/deep/er/f"),
           "./ ../ far/ in/ x y ", "./ ../ f ", "bf", "single", "ay",
           "./ ../ away ", "single", "./ ../ deep/ one ", "single", "bf")
    # A place that is mounted stays; what is below it can be changed.
    busy = "Resource busy"
    expect(t.act(dirs, "remove", "/a/x", "rename", "/a/x", "/a/z", "rename",
                 "/a/y", "/a/x", "make", "/etc/new", "make", "/a/far/new",
                 "write", "/etc/one", "changed", "make", "/a/in/new",
                 "write", "/a/far/away", "again", "rename", "/a/y", "/a/z"),
           busy, busy, busy, READ_ONLY, READ_ONLY, "done", "done", "done", "done")
    assert (t.work / "single").read_text() == "again"
    assert (b / "new").is_dir() and (a / "z").read_text() == "ay"
    assert (a / "x").read_text() == "ax" and not (a / "in/new").exists()


def served_mounts(t):
    """Each is open by its name; single files are copies, of which none may be in
    a directory of the host."""
    a = folder(t, "a", {"x": "ax", "in/f": "hidden"})
    b = folder(t, "b", {"f": "bf"})
    c = folder(t, "c,=d", {"f": "cf"})
    (t.work / "single").write_text("single")
    expect(t.act([f"{a}::/a", f"{b}::/a/in", f"{c}::/c", "single::/etc/one"],
                 "read", "/a/x", "read", "/a/in/f", "write", "/a/in/g", "new",
                 "read", "/c/f", "read", "/etc/one", "write", "/etc/one", "x",
                 "rename", "/a/x", "/c/x"),
           "ax", "bf", "done", "cf", "single", READ_ONLY, "Cross-device link")
    assert (b / "g").read_text() == "new" and not (a / "in/g").exists()
    t.run("--dir", f"{a}::/a", "--dir", "single::/a/x", t.cc("act")).ends(
        1).lines(1).says("^nebulet: --dir single::/a/x: a single file is a copy")


@case
def machines(t):
    """As many directories as a machine has places for, and one more."""
    if t.port != "metal":
        return
    for machine, most in (("microvm", 7), ("q35", 15)):
        dirs, acts, found = [], [], []
        for i in range(most + 1):
            dirs += ["--dir", f"{folder(t, f'm{i}', {'f': str(i)})}::/{i}"]
            acts += ["read", f"/{i}/f"]
            found.append(str(i))
        end = t.run("--machine", machine, *dirs[:-2], t.cc("act"), *acts[:-2])
        end.ends(0).quiet().prints("\n".join(found[:-1]) + "\n")
        t.run("--machine", machine, *dirs, t.cc("act")).ends(1).lines(1).says(
            f"^nebulet: {most + 1} directories by --dir and --disk, but a machine {machine}"
            f" has places for {most}: ")


@case
def no_way_out(t):
    top = folder(t, "top", {"in/f": "in"})
    (top / "outside").write_text("outside")
    os.symlink("..", top / "in/up")
    os.symlink("../outside", top / "in/out")
    os.symlink(top / "outside", top / "in/absolute")
    os.symlink("/proc/self/root/etc/passwd", top / "in/proc")
    refused = "Operation not permitted"
    expect(t.act([f"{top}/in::/w"], "read", "/w/../outside", "read", "/w/out",
                 "read", "/w/up/../outside", "read", "/w/absolute", "read",
                 "/w/proc", "list", "/w/up", "write", "/w/out", "x", "read",
                 "/w/./f", "rename", "/w/f", "/w/up/f", "link", "/w/f",
                 "/w/up/f"),
           refused, refused, refused,
           refused, refused, refused, refused, "in", refused, refused)
    assert (top / "outside").read_text() == "outside"


@case
def renaming_host(t):
    """While the host exchanges a directory for a link that leads out, and moves
    directories about, nothing but what is inside is ever read."""
    top = folder(t, "top", {"in/d/f": "good", "in/spare/f": "good"})
    out = folder(t, "out", {"f": "secret"})
    ends = threading.Event()

    def exchange():
        while not ends.is_set():
            os.rename(top / "in/d", top / "in/away")
            os.symlink(out, top / "in/d")
            os.unlink(top / "in/d")
            os.rename(top / "in/away", top / "in/d")
            os.rename(top / "in/d", top / "moved")
            os.symlink("../../out", top / "in/d")
            os.unlink(top / "in/d")
            os.rename(top / "moved", top / "in/d")

    host = threading.Thread(target=exchange)
    host.start()
    times = "20000" if t.port == "linux" else "2000"
    good = failed = tries = 0
    try:
        while tries < 20 and not (good and failed):
            tries += 1
            for line in t.act([f"{top}/in::/w"], "watch", times, "/w/d/f",
                              "good", "watch", times, "/w/d/../d/f", "good"):
                counts = [int(w.split()[0]) for w in line.split(", ")]
                assert counts[1] == 0, line
                good, failed = good + counts[0], failed + counts[2]
    finally:
        ends.set()
        host.join()
    if not (good and failed):
        skip("renaming_host", "the host was too slow or too fast for a race")


@case
def changing_host(t):
    """What the host changes is seen at once, in an open file as well."""
    top = folder(t, "top", {"f": "first"})
    argv = [t.nebulet, "run", "--on", t.port, "--dir", f"{top}::/w", t.cc("act"),
            "hold", "/w/f", "read", "/w/f", "read", "/w/new", "list", "/w"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          cwd=t.work) as running:
        assert running.stdout.readline() == b"held\n"
        (top / "f").write_text("second")
        (top / "new").write_text("new")
        found = running.communicate(b"\n")[0].decode().splitlines()
    expect(found, "second", "second", "new", "./ ../ f new ")


@case
def special_files(t):
    """They have a name, and nobody waits for them."""
    top = folder(t, "top", {"f": "x"})
    os.mkfifo(top / "fifo")
    expect(t.act([f"{top}::/w"], "list", "/w", "read", "/w/fifo", "write",
                 "/w/fifo", "x", "remove", "/w/fifo", "list", "/w"),
           "./ ../ f fifo? ", "Not supported", "Not supported", "done",
           "./ ../ f ")


@case
def privileges(t):
    """What the user may not do, a program may not; root needs to be without
    its privilege."""
    top = folder(t, "top", {"secret": "1", "closed/f": "2", "listed/f": "3"})
    os.chmod(top / "secret", 0)
    os.chmod(top / "closed", 0)
    os.chmod(top / "listed", 0o111)
    before = [] if os.getuid() else [
        "setpriv", "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-all"]
    denied = "Permission denied"
    found = t.act([f"{top}::/w"], "read", "/w/secret", "write", "/w/secret", "x",
                  "size", "/w/secret", "list", "/w/closed", "read", "/w/closed/f",
                  "list", "/w/listed", "read", "/w/listed/f", before=before)
    os.chmod(top / "closed", 0o755)
    os.chmod(top / "listed", 0o755)
    mtime = int((top / "secret").stat().st_mtime)
    # QEMU has to read a directory to look into it.
    last = "3" if t.port == "linux" else denied
    expect(found, denied, denied, f"1 {mtime}", denied, denied, denied, last)


@case
def limits(t):
    """Errors of the host are the program's; nothing is lost without one."""
    top = folder(t, "top", {"f": "x"})
    expect(t.act([f"{top}::/w"], "read", "/w/" + "n" * 255, "make",
                 "/w/" + "n" * 255, "make", "/w/" + "n" * 256, "write",
                 "/w/f/g", "x", "remove", "/w", "rename", "/w/f", "/w"),
           "No such file or directory", "done", "Filename too long",
           "Not a directory", "Invalid argument", "Invalid argument")
    if t.port == "linux":
        found = t.act([f"{top}::/w"], "times", "100", "append", "/w/f",
                      "t" * 1000, "size", "/w/f", "big", "/w/g", "1",
                      before=["prlimit", "--fsize=50000"])
        assert found[0] in ("49", "50") and found[1].startswith("50000 ") and \
            found[2] == "File too large", found


@case
def many(t):
    """Descriptors of the host come back; appends of two programs are whole; a
    large file is what was written."""
    top = folder(t, "top", {"d/e/f": "x"})
    count = "3000" if t.port == "linux" else "500"
    expect(t.act([f"{top}::/w"], "opens", count, "/w/d/e/f", "opens", count,
                 "/w/d/../d/e", "big", "/w/big", "20",
                 before=["prlimit", "--nofile=64:64"]
                 if t.port == "linux" else []),
           count, count, "same")
    act = t.cc("act")
    if t.port == "metal": # those of one machine are served one by one
        script = " & ".join(f"act times 300 append /w/log {i * 60}"
                            for i in ("1", "2")) + "; wait"
        subprocess.run([t.nebulet, "shell", "--on", "metal", "--dir",
                        f"{top}::/w", "--dir", f"{act}::/bin/act", "--", "-c",
                        script], check=True, stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, cwd=t.work)
        log = (top / "log").read_text()
        both = [log[i:i + 60] for i in range(0, len(log), 60)]
        assert sorted(both) == ["1" * 60] * 300 + ["2" * 60] * 300
        return
    runs = [subprocess.Popen(
        [t.nebulet, "run", "--on", t.port, "--dir", f"{top}::/w", act, "times",
         "2000", "append", "/w/log", f"{i} " + str(i) * 60 + "\n"],
        stdout=subprocess.PIPE, cwd=t.work) for i in (1, 2)]
    for running in runs:
        assert running.communicate()[0] == b"2000\n"
    lines = (top / "log").read_text().splitlines()
    assert sorted(lines) == ["1 " + "1" * 60] * 2000 + ["2 " + "2" * 60] * 2000


@case
def names(t):
    """Bytes are bytes; a directory of many names is listed whole, also while
    names go."""
    top = folder(t, "top", {})
    for i in range(3000):
        (top / f"{i:04}").touch()
    with open(os.fsencode(top) + b"/\xff\n\xfe", "w") as file:
        file.write("bytes")
    end = t.run("--dir", f"{top}::/w", t.cc("ls")).ends(0).quiet()
    for i in range(3000):
        end.want(f"\n/w/{i:04} " in end.out, f"{i} is there")
    end.want(end.out.count("\n") == 3004, "each once")
    end.shows(r"^/w/\\ff\\0a\\fe .* 5 bytes$")


@case
def servers(t):
    """A driver that traps or does not start: nobody hangs, files are errors."""
    if t.port != "metal":
        return
    place = folder(t, "place", {"user": None})
    out = pathlib.Path(t.nebulet).resolve().parent
    shutil.copy(t.nebulet, place / "nebulet")
    os.symlink(out / "nebulet.elf", place / "nebulet.elf")
    t.cc("server", f"-I{out}/user/include")
    os.symlink(t.work.resolve() / "server.wasm", place / "user/ninep.wasm")
    act = t.cc("act")

    def run(*acts):
        return subprocess.run(
            [place / "nebulet", "run", "--timeout", "20s", "--dir",
             f"{place}::/w", act, *acts], cwd=t.work, text=True,
            env=os.environ | {"NEBULET_ON": "metal"},
            stdin=subprocess.DEVNULL, capture_output=True)

    end = run("read", "/w/f", "read", "/w/g", "make", "/w/d", "read", "/w/f",
              "read", "/w/f", "read", "/w/f", "list", "/w", "make", "/w/d")
    error = "I/O error"
    expect(end.stdout.splitlines(), "served", "No such file or directory",
           "Function not implemented", "served", *[error] * 4)
    assert end.returncode == 0 and "unreachable" in end.stderr, end
    t.cc("server", f"-I{out}/user/include", "-DHANGS=1")
    end = run("read", "/w/f", "read", "/w/f", "read", "/w/f")
    assert end.returncode == 124 and end.stdout.endswith("served\n"), end
    os.unlink(place / "user/ninep.wasm")
    os.symlink(t.work.resolve() / act, place / "user/ninep.wasm")
    end = run("read", "/w/f")
    assert end.returncode == 1 and end.stdout == "", end
    assert "nebulet: /w cannot be served: input or output error\n" in \
        end.stderr, end


@case
def copies_beside(t):
    """A copied directory with a directory of the host in it; and what cannot
    be."""
    a, b = folder(t, "a", {"x": "ax"}), folder(t, "b", {"y": "by"})
    (t.work / "one").write_text("one")
    act = t.cc("act")
    end = t.run("--copy-dir", f"{a}::/", "--dir", f"{b}::/live", "--dir",
                "one::/one", act, "list", "/", "write", "/x", "copy", "write",
                "/live/y", "live", "read", "/one", "write", "/one", "x")
    end.ends(0).quiet().prints(
        f"./ ../ live/ one x \ndone\ndone\none\n{READ_ONLY}\n")
    assert (a / "x").read_text() == "ax" and (b / "y").read_text() == "live"
    assert (t.work / "one").read_text() == "one"
    t.run("--dir", "a", "--copy-dir", "one::/one", act).ends(1).lines(1).says(
        "^nebulet: --copy-dir one::/one: a copy has no place in a directory that "
        "is the host's own; give it another, HOST::GUEST$")
    if t.port == "metal":
        return  # single files are copies
    t.run("--dir", "one", "--copy-dir", "act.wasm", act).ends(1).lines(1).says(
        "^nebulet: --dir one and --copy-dir act.wasm: one is a copy, and both "
        "are in /; give one another place, HOST::GUEST$")


@case
def deaths(t):
    """Its server dies in the middle of each thing that it does, and another
    starts: on linux the kernel serves them itself."""
    if t.port != "metal":
        skip("deaths", "no process serves the host's files on linux")
        return
    top = folder(t, "top", {})
    end = t.deaths("ninep", "--dir", f"{top}::/w")
    end.ends(0).prints("34 deaths\n").says("server of /w has ended .* starts")
    assert (top / "f").read_text() == "hello"


sys.exit(main(Files))
