#!/usr/bin/env python3
"""test/command/options.py OUT PORT [NAME...]: help, manual page and
completions name the options of the tables (tool/*.def), all of them and no
others; each has a test here, of what it does; and the examples of the help
work.  Ends with "N passed, N failed, N skipped"."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time

sys.dont_write_bytecode = True
import collect_help
from help import Tools, case, cases, main, skip

# --- the tables ----------------------------------------------------------------

TABLES = {  # file and macro: command
    ("run", "OPTION"): "run", ("run", "SHELL"): "shell",
    ("run", "IMAGE"): "image",
    ("compile", "OPTION"): "compile", ("compile", "VERIFY_OPTION"): "verify",
    ("compile", "DUMP_OPTION"): "dump",
    ("cache", "OPTION"): "cache",
    ("wast", "OPTION"): "wast", ("wast", "SELFTEST"): "selftest",
}
OTHERS = ["sysroot", "completion", "manual", "help"]  # that have none


def table():
    """The options of each command, in their order."""
    found = {command: [] for command in [*TABLES.values(), *OTHERS]}
    for name in {file for file, _ in TABLES}:
        with open(f"tool/{name}.def", encoding="utf-8") as file:
            rows = re.findall(r'^([A-Z_]+)\("(-[^"]*)"', file.read(), re.M)
        for macro, option in rows:
            found[TABLES[name, macro]].append(option)
    return found


OPTIONS = table()
ON_BOTH = {"run", "shell", "wast"}
tested = {}  # (command, option): its test


def option(*names, port=None):
    """The test of these options "COMMAND --NAME", on one port where the other
    has no use for them.  It has to use them."""
    def register(function):
        for name in names:
            tested[tuple(name.split())] = function

        @case
        def checked(t):
            both = any(name.split()[0] in ON_BOTH for name in names)
            if t.port not in (port or ("linux" if not both else t.port),):
                return
            t.used.clear()
            function(t)
            for name in names:
                assert tuple(name.split()) in t.used, f"{name} is not tested"
        checked.__name__ = function.__name__
        return function
    return register


class Watched(Tools):
    """Tools that note which options of which commands were used."""

    def __init__(self, out, port):
        super().__init__(out, port)
        self.used = set()

    def call(self, *argv, **more):
        for word in map(str, argv):
            self.used.add((argv[0], word.split("=")[0]))
        return super().call(*argv, **more)


# --- everybody names the same --------------------------------------------------

LABEL = r"(--?[a-z][a-z0-9-]*)"
COMMON = ["-h", "--help"]


@case
def help_has_all(t):
    for command, options in OPTIONS.items():
        end = t.call("help", command).ends(0).quiet()
        found = re.findall(rf"^  {LABEL}", end.out, re.M)
        end.want(found == [*options, "-h"], f"it lists {found}, not {options}")


@case
def help_about_an_option(t):
    for name in sorted({o for options in OPTIONS.values() for o in options}):
        end = t.call("help", name).ends(0).quiet()
        found = re.findall("^nebulet ([a-z]+):$", end.out, re.M)
        has = [c for c, options in OPTIONS.items() if name in options]
        end.want(sorted(found) == sorted(has), f"{found}, not {has}")
        end.shows(rf"^  {name}(?![a-z-])")


@case
def manual_has_all(t):
    page = t.call("manual").ends(0).quiet().out.replace("\\-", "-")
    sections = re.split(r"^\.SS nebulet ([a-z]+)", page, flags=re.M)
    found = {command: re.findall(rf"^\.TP\n\\fB{LABEL}\\fR", text, re.M)
             for command, text in zip(sections[1::2], sections[2::2])}
    assert found == OPTIONS, f"it has {found}"
    (t.work / "nebulet.1").write_text(t.call("manual").out)
    checkers = {"groff": ["groff", "-man", "-Tutf8", "-ww", "-z"],
                "man": ["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"],
                "mandoc": ["mandoc", "-T", "lint", "-W", "warning"]}
    there = [name for name in checkers if shutil.which(name)]
    for name in there:
        done = subprocess.run([*checkers[name], "nebulet.1"], cwd=t.work,
                              capture_output=True, check=False)
        said = done.stderr + (done.stdout if name == "mandoc" else b"")
        assert said == b"" and done.returncode == 0, f"{name}: {said}"
    if not there:
        skip("manual page", "neither groff, man nor mandoc is here")


def shell_script(t, shell):
    path = t.work / f"nebulet.{shell}"
    path.write_text(t.call("completion", shell).ends(0).quiet().out)
    return path


def is_here(shell):
    if shutil.which(shell):
        return True
    skip(f"completion by {shell}", "it is not installed")
    return False


def bash_completes(t, *words):
    """What bash would offer, with its notion of words."""
    split = [part for word in words for part in re.split("(=)", word)
             if part or word == ""]
    done = subprocess.run(
        ["bash", "-c", 'set -u; . "$0"; COMP_WORDS=("$@"); '
         'COMP_CWORD=$(($# - 1)); _nebulet; printf "%s\\n" "${COMPREPLY[@]}"',
         str(shell_script(t, "bash").resolve()), "nebulet", *split],
        capture_output=True, text=True, check=True)
    assert done.stderr == "", done.stderr
    return [word for word in done.stdout.split("\n") if word]


@case
def completion_by_bash(t):
    def gives(words, want):
        found = bash_completes(t, *words)
        assert found == want, f"{words}: {found}, not {want}"

    assert set(OPTIONS) < set(bash_completes(t, ""))
    gives(["he"], ["help"])
    for command, options in OPTIONS.items():
        gives([command, "-"], [*options, *COMMON])
    gives(["run", "--copy"], ["--copy-dir"])
    gives(["run", "--on", ""], ["metal", "linux"])
    gives(["run", "--on=l"], ["linux"])
    gives(["run", "--on="], ["metal", "linux"])
    gives(["run", "--icount", "--machine", "q"], ["q35"])
    gives(["run", "--dir", "a", "--ic"], ["--icount"])
    gives(["run", "--trace=fd_read", "--ic"], ["--icount"])
    gives(["run", "--dir", "a", "x.wasm", "--"], [])
    gives(["run", "--", "--"], [])
    gives(["run", "--env", "PWD"], ["PWD"])
    gives(["dump", "x.wasm", "--af"], ["--after"])
    gives(["dump", "--after", "e"], ["emit"])
    gives(["completion", "z"], ["zsh"])
    gives(["help", "fi"], ["files"])
    gives(["help", "files", "r"], [])


@case
def completion_by_zsh(t):
    if not is_here("zsh"):
        return
    path = shell_script(t, "zsh").resolve()

    def specs(*words):
        """What is handed to zsh's own functions."""
        return subprocess.run(
            ["zsh", "-f", "-c", '_arguments() { print -rl -- "$@" }; '
             '_describe() { print -rl -- $commands }; words=(nebulet "$@"); '
             'CURRENT=$#words; set --; . ' + str(path), "zsh", *words],
            capture_output=True, text=True, check=True).stdout

    assert set(re.findall("^([a-z]+):", specs("x"), re.M)) == set(OPTIONS)
    for command, options in OPTIONS.items():
        found = re.findall(rf"^\*{LABEL}", specs(command, ""), re.M)
        assert found == options, f"{command}: {found}, not {options}"
    assert "(metal linux)" in specs("run", "")


@case
def completion_by_fish(t):
    if not is_here("fish"):
        return
    path = shell_script(t, "fish").resolve()

    def gives(line):
        out = subprocess.run(
            ["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"],
            capture_output=True, text=True, check=True,
            env=dict(os.environ, HOME=str(t.work.resolve()))).stdout
        return [row.split("\t")[0] for row in out.splitlines()]

    assert set(OPTIONS) <= set(gives("nebulet ")), gives("nebulet ")
    for command, options in OPTIONS.items():
        found = gives(f"nebulet {command} -")
        short = {o for o in options if o[1] != "-"}
        want = {o for o in options if o[1] == "-"} | {"--help"}
        assert {o for o in found if o[1] == "-"} == want, f"{command}: {found}"
        assert short <= set(found), f"{command}: {found}"
    assert sorted(gives("nebulet run --on ")) == ["linux", "metal"]
    assert gives("nebulet completion z") == ["zsh"]


@case
def each_has_a_test(t):
    rows = {(c, o) for c, options in OPTIONS.items() for o in options}
    missing, strange = rows - set(tested), set(tested) - rows
    assert not missing, f"no test of {missing}"
    assert not strange, f"a test of {strange}, which are not there"


# --- what each of them does ------------------------------------------------------

HELLO = """(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\\10\\00\\00\\00\\06\\00\\00\\00hello\\0a")
  (func $_start (export "_start")
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1)
                       (i32.const 0)))))"""
UNLINKED = """(module (import "nowhere" "f" (func))
    (func (export "_start")))"""
ENDLESS = '(module (func (export "_start") (loop (br 0))))'


def hello(t):
    (t.work / "hello.wat").write_text(HELLO)
    subprocess.run(["wat2wasm", "--debug-names", "hello.wat"], cwd=t.work,
                   check=True)
    return "hello.wasm"


@option("run --on")
def run_on(t):
    t.call("run", "--on", t.port, hello(t)).ends(0).quiet().prints("hello\n")
    t.call("run", f"--on={t.port}", hello(t)).ends(0).quiet().prints("hello\n")


@option("run --dir", "run --copy-dir")
def run_dir(t):
    ls = t.cc("ls")
    (t.work / "note").write_text("text")
    readonly, live = "Read-only file system", t.port == "linux"
    for words, result in ((["--copy-dir", "note::/n::ro"], readonly),
                          (["--copy-dir", "note::/n"], "done"),
                          (["--dir", "note::/n::ro"], readonly),
                          (["--dir", "note::/n"], "done" if live else readonly)):
        t.run(*words, ls, "do", "append", "/n").ends(0).quiet().shows(
            f"^append /n: {result}$")
    assert (t.work / "note").read_text() == ("textnew" if live else "text")


def disk(t, text):
    """An image with a file `note` on it."""
    top, image = t.work / "disk.files", t.work / "disk.img"
    top.mkdir(exist_ok=True)
    (top / "note").write_text(text)
    image.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext3", "-d", top, image, "4M"],
                   check=True, capture_output=True,
                   env={"PATH": "/bin:/usr/bin:/sbin:/usr/sbin"})
    return "disk.img"


@option("run --disk")
def run_disk(t):
    """More of it is in test/command/disk.py."""
    image = disk(t, "text")
    for words, result in ((f"{image}::/d", "done"),
                          (f"{image}::/d::ro", "Read-only file system")):
        t.run("--disk", words, t.cc("ls"), "do", "append", "/d/note").ends(
            0).quiet().shows(f"^append /d/note: {result}$")
    t.run("--disk", f"{image}::/d::rw", t.cc("ls")).ends(2).lines(1)


@option("shell --disk")
def shell_disk(t):
    shell(t, "--disk", f"{disk(t, 'text')}::/d", "--", "-c", "cat /d/note").ends(
        0).quiet().prints("text")


@option("run --env", "run --env-file")
def run_env(t):
    (t.work / "vars").write_text("B=2\n")
    t.run("--env", "A=1", "--env-file", "vars", t.cc("env")).ends(0).prints(
        "A=1\nB=2\n")


@option("run --argv0")
def run_argv0(t):
    t.run("--argv0", "zero", t.cc("ls")).ends(0).prints("argument zero\n")


@option("run --cache", "cache --cache")
def cache(t):
    """More of it is in test/command/cache.py."""
    t.run("--cache", "kept", hello(t)).ends(0).quiet()
    assert (t.work / "kept").is_dir()
    t.call("cache", "--cache", "kept", "ls").ends(0).shows("0 modules, in kept$")


@option("run --timeout")
def run_timeout(t):
    t.run("--timeout", "300ms", t.text("endless", ENDLESS)).ends(124)


@option("run --then", "run --beside")
def run_others(t):
    for name in ("--then", "--beside"):
        t.run(name, t.cc("ls"), hello(t)).ends(0).quiet().shows(
            "^hello$").shows("^argument ls.wasm$")
        t.run(name, t.text("unlinked", UNLINKED), hello(t)).ends(1).prints(
            "hello\n").says("nowhere")


@option("run --trace")
def run_trace(t):
    t.run("--trace", hello(t)).ends(0).says("fd_write")
    t.run("--trace=fd_read", hello(t)).ends(0).quiet()


@option("run --gc-stats")
def run_gc_stats(t):
    (t.work / "heap.wasm").write_bytes(collect_help.module())
    t.run("--gc-stats", "heap.wasm").ends(0).says(
        r"^nebulet: heap: \d+ KiB given out, [1-9]\d* collections, pauses of "
        r"\d+ us at most; \d+ KiB of memory at most$")
    t.run("heap.wasm").ends(0).quiet()
    t.run("--gc-stats", hello(t)).ends(0).quiet()


@option("run --profile", "run --perf")
def run_profile(t):
    """More of these is in test/command/profiles.py."""
    t.run("--profile", "profile.txt", hello(t)).ends(0).quiet()
    assert (t.work / "profile.txt").exists()
    t.run("--perf", hello(t)).ends(0)


@option("run --memory", "run --machine", port="metal")
def run_machine(t):
    for machine in ("microvm", "q35"):
        t.run("--machine", machine, "--memory", "128", hello(t)).ends(0).prints(
            "hello\n")
    (t.work / "hole").write_bytes(b"")
    os.truncate(t.work / "hole", 100 << 20)
    t.run("--memory", "64", "--dir", "hole", hello(t)).ends(1).says("64 MiB")


@option("run --max-memory")
def run_max_memory(t):
    """Of what the program takes, and of what it is made of."""
    grow = t.text("grow", """(module (memory 1) (func (export "f") (result i32)
        (memory.grow (i32.const 1024))))""")
    t.run("--max-memory", "1G", "--invoke", "f", grow).ends(0).prints("1\n")
    t.run("--max-memory", "16M", "--invoke", "f", grow).ends(0).prints("-1\n")
    t.run("--max-memory=16384K", "--invoke", "f", grow).ends(0).prints("-1\n")
    t.run("--max-memory", "1K", hello(t)).ends(1).says("^nebulet: hello")
    for wrong in ("0", "M", "1T", "1MM", "x"):
        t.run("--max-memory", wrong, hello(t)).ends(2).says(
            f"--max-memory {wrong}: not a number of bytes, or of K, M or G")


@option("run --smp")
def run_smp(t):
    for count in ("1", "3"):
        t.run("--smp", count, hello(t)).ends(0).prints("hello\n")


# A trap behind a call of the kernel and a write to memory.
GROWS = """(module
  (memory 1)
  (func (export "_start")
    (drop (memory.grow (i32.const 1)))
    (i64.store (i32.const 100000) (i64.const 1))
    (unreachable)))"""

CLOCK = """(module
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $now (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1)
  (func $time (result i64)
    (drop (call $now (i32.const 1) (i64.const 1) (i32.const 0)))
    (i64.load (i32.const 0)))
  (func (export "_start") (local $i i32) (local $before i64)
    (local.set $before (call $time))
    (local.set $i (i32.const 10000000))
    (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (call $exit (i32.wrap_i64 (i64.div_u
      (i64.sub (call $time) (local.get $before)) (i64.const 1000000))))))"""


# Ends with 0 where all clocks are multiples of 50 ms, and their resolution is
# that; with 1 else.
GRAINS = """(module
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $now (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get"
    (func $res (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1)
  (func (export "_start") (local $i i32)
    (loop $next
      (drop (call $now (local.get $i) (i64.const 1) (i32.const 0)))
      (drop (call $res (local.get $i) (i32.const 8)))
      (if (i64.ne (i64.rem_u (i64.load (i32.const 0)) (i64.const 50000000))
                  (i64.const 0)) (then (call $exit (i32.const 1))))
      (if (i64.ne (i64.load (i32.const 8)) (i64.const 50000000))
          (then (call $exit (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 4))))))"""


@option("run --coarse-clocks")
def coarse_clocks(t):
    grains = t.text("grains", GRAINS)
    t.run("--coarse-clocks=50ms", grains).ends(0).quiet()
    t.run("--coarse-clocks", grains).ends(1)  # 100 us: another resolution
    t.run(grains).ends(1)
    for wrong in ("", "0ms", "5", "x", "2000ms"):
        t.run(f"--coarse-clocks={wrong}", grains).ends(2).says("not a time")


@option("run --icount", port="metal")
def run_icount(t):
    """A loop takes the same time, in milliseconds, each time."""
    clock = t.text("clock", CLOCK)
    first = t.run("--icount", clock)
    first.want(10 <= first.status <= 60, "some instructions for each round")
    t.run("--icount", clock).ends(first.status)


@option("run --latency", port="metal")
def run_latency(t):
    t.run("--latency", hello(t)).ends(0).says("^latency: [0-9]+ instructions")


@option("run --gdb", port="metal")
def run_gdb(t):
    """The machine waits until GDB's protocol says: continue."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    t.used.add(("run", "--gdb"))
    with subprocess.Popen([t.nebulet, "run", "--gdb", str(port), hello(t)],
                          stdout=subprocess.PIPE, cwd=t.work) as running:
        for _ in range(600):
            try:
                gdb = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        time.sleep(1)
        assert running.poll() is None, "it did not wait"
        gdb.sendall(b"$c#63")
        out, _ = running.communicate(timeout=100)
        gdb.close()
        assert (out, running.returncode) == (b"hello\n", 0), out


def modules_of_math(t):
    t.text("math", """(module (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1))))""")
    return t.text("uses-math", """(module
        (import "math" "add" (func $add (param i32 i32) (result i32)))
        (func (export "_start")
          (br_if 0 (i32.eq (call $add (i32.const 2) (i32.const 2))
                           (i32.const 4)))
          unreachable))""")


@option("run --invoke", "run --preload")
def run_linked(t):
    """More of these is in test/command/invoke.py."""
    uses = modules_of_math(t)
    t.run("--invoke", "add", "math.wasm", "2", "3").ends(0).prints("5\n")
    t.run("--preload", "math=math.wasm", uses).ends(0).quiet()


def members(t, path):
    """The contents of a pair's archive, by name."""
    with tarfile.open(t.work / path / "initrd.tar") as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


@option("image -o", "image --pair", "image --dir", "image --env",
        "image --env-file", "image --argv0", "image --then", "image --beside")
def image_programs(t):
    """What of them boots, and how, is in test/command/media.py."""
    (t.work / "note").write_text("text")
    (t.work / "vars").write_text("B=2\n")
    t.call("image", "--pair", "-o", "pair", "--dir", "note::/n::ro", "--env",
           "A=1", "--env-file", "vars", "--argv0", "zero", "--then", hello(t),
           "--beside", "hello.wasm", "hello.wasm", "one").ends(0).quiet()
    has = members(t, "pair")
    assert has["root/n"] == b"text" and has["run/modes"] == b"r/n\0", has
    assert has["run/0/args"] == b"zero\0one\0", has
    assert has["run/0/env"] == b"A=1\0B=2\0", has
    assert (has["run/1/mode"], has["run/2/mode"]) == (b"then", b"beside"), has
    wasm = (t.work / "hello.wasm").read_bytes()
    assert all(has[f"run/{n}/app.wasm"] == wasm for n in range(3)), has
    assert (t.work / "pair" / "nebulet.elf").read_bytes()[:4] == b"\x7fELF"


@option("image --invoke", "image --preload")
def image_linked(t):
    modules_of_math(t)
    t.call("image", "--pair", "-o", "linked", "--invoke", "add", "--preload",
           "math=math.wasm", "math.wasm", "2", "3").ends(0).quiet()
    has = members(t, "linked")
    assert has["run/0/link/0/name"] == b"math" and "run/0/invoke" in has, has


@option("image --init", "image --system")
def image_init(t):
    for name in ("bin", "etc"):
        (t.work / "own" / name).mkdir(parents=True, exist_ok=True)
    (t.work / "own/bin/init").write_bytes((t.work / hello(t)).read_bytes())
    (t.work / "own/etc/init").write_text("theirs")
    (t.work / "init").write_text("ours")
    t.call("image", "--pair", "-o", "booted", "--init", "init", "--system", "own",
           "one").ends(0).quiet()
    has = members(t, "booted")
    assert has["root/etc/init"] == b"ours" and "root/bin/init" in has, has
    assert has["run/0/args"] == b"init\0one\0", has


@option("image --grub")
def image_grub(t):
    t.call("image", "-o", "no.img", "--grub", "nowhere", hello(t)).ends(1).lines(
        1).says("^nebulet: nowhere/i386-pc/boot.img: No such file")


def shell(t, *words, **more):
    return t.call("shell", "--on", t.port, *words, **more)


@option("shell --on", "shell --dir", "shell --copy-dir", "shell --env",
        "shell --env-file", "shell --timeout")
def shell_options(t):
    (t.work / "note").write_text("text\n")
    (t.work / "vars").write_text("B=2\n")
    shell(t, "--dir", "note::/n", "--copy-dir", "note::/m", "--env", "A=1",
          "--env-file", "vars", "--", "-c",
          "cat /n; echo $A $B; echo more >/m && cat /m; echo x >/n || echo no"
          ).ends(0).prints("text\n1 2\nmore\nno\n")
    shell(t, "--timeout", "1s", "--", "-c", "while true; do true; done").ends(124)


@option("shell --memory", "shell --machine", port="metal")
def shell_machine(t):
    shell(t, "--memory", "256", "--machine", "q35", "--", "-c",
          "echo here").ends(0).quiet().prints("here\n")


@option("run --hardened", "shell --hardened")
def hardened(t):
    if t.port == "linux":
        for command in ("run", "shell"):
            t.call(command, "--on", "linux", "--hardened", hello(t)).ends(
                2).says("--hardened: only on metal")
        return
    t.run("--hardened", hello(t)).ends(0).quiet().prints("hello\n")
    t.run("--hardened", t.text("grow", GROWS)).ends(134).says("unreachable")
    shell(t, "--hardened", "--", "-c", "echo here | cat").ends(0).quiet().prints(
        "here\n")


@option("run --ibpb", "shell --ibpb")
def ibpb(t):
    if t.port == "linux":
        for command in ("run", "shell"):
            t.call(command, "--on", "linux", "--ibpb", hello(t)).ends(
                2).says("--ibpb: only on metal")
        return
    # QEMU's own processor has none; where it is the host's, that may have.
    r = t.run("--ibpb", hello(t))
    if r.status == 0:
        r.quiet().prints("hello\n")
        shell(t, "--ibpb", "--", "-c", "echo here").ends(0).quiet().prints(
            "here\n")
    else:
        r.ends(1).says("--ibpb: this processor has no such barrier")
        shell(t, "--ibpb", "--", "-c", "echo here").ends(1).says(
            "--ibpb: this processor has no such barrier")


@option("shell --system")
def shell_system(t):
    there = t.out.resolve() / "system"
    shell(t, "--system", there, "--", "-c", "exit 3").ends(3).quiet()
    shell(t, "--system", "nowhere").ends(1).lines(1).says(
        "^nebulet: nowhere/bin/init: there is no system")


@option("run --device", "shell --device")
def device(t):
    program = t.out.resolve() / "user/random.wasm"
    for driver in (program, t.out.resolve() / "user/random-rust.wasm"):
        end = t.call("run", "--on", t.port, "--device", "random", driver, "100")
        end.ends(0).quiet().want(len(end.out) > 0, "no byte")
    t.call("run", "--on", t.port, program, "100").ends(1)
    shell(t, "--device", "random", "--", "-c", "random 100 | wc -c").ends(0).prints(
        "100\n")


@option("compile --time", "verify --time")
def compile_time(t):
    for command in ("compile", "verify"):
        t.call(command, "--time", hello(t)).ends(0).quiet().shows(
            r"^total +[0-9.]+ ms").shows("^code +[0-9]+ bytes$")
    t.call("compile", hello(t)).ends(0).quiet().prints("")


@option("compile --hash", "compile --plain", "compile --baseline")
def compile_kinds(t):
    """Three kinds of code of one module with a popcnt and a loop."""
    wasm = t.text("kinds", """(module (func (param f32) (result f32)
        (f32.mul (f32.add (f32.nearest (local.get 0)) (local.get 0))
                 (f32.floor (local.get 0)))))""")
    lines = {t.call("compile", "--hash", *kind, wasm).ends(0).quiet().out
             for kind in ([], ["--plain"], ["--baseline"])}
    assert all(re.fullmatch(r"[0-9a-f]{16} kinds\.wasm\n", line)
               for line in lines)
    assert len(lines) >= 2, "plain code is other code"


@option("compile -o")
def compile_out(t):
    t.call("compile", "-o", "hello.neb", hello(t)).ends(0).quiet()
    assert (t.work / "hello.neb").stat().st_size > 100
    t.call("compile", "-o", "no/where", hello(t)).ends(1).says("^nebulet: no/where")


@option("compile --no-inline", "verify --no-inline", "dump --no-inline")
def calls_of_small_functions(t):
    wasm = t.text("leaf", """(module
        (func $one (param i32) (result i32) (i32.load (local.get 0)))
        (func (export "f") (param i32) (result i32) (call $one (local.get 0)))
        (memory 1))""")
    for option, is_call in ([], False), (["--no-inline"], True):
        end = t.call("dump", *option, wasm, "f").ends(0)
        end.want(("call" in end.out) == is_call, f"a call: {not is_call}")
    lines = {t.call("compile", "--hash", *option, wasm).ends(0).out
             for option in ([], ["--no-inline"])}
    assert len(lines) == 2, "that is the same code"
    t.call("verify", "--no-inline", wasm).ends(0).quiet()


@option("verify --plain", "verify --baseline")
def verify_kinds(t):
    t.call("verify", "--plain", hello(t)).ends(0).quiet()
    t.call("verify", "--baseline", hello(t)).ends(0).quiet()


@option("dump --after", "dump --plain")
def dump_steps(t):
    steps = {t.call("dump", "--after", step, hello(t), "_start").ends(0).quiet()
             .shows("_start").out
             for step in ("build", "select", "live", "allocate", "emit")}
    assert len(steps) == 5, "each shows another step"
    assert t.call("dump", "--plain", hello(t), "_start").ends(
        0).quiet().out not in steps


def script(t, name="script.json"):
    wasm = t.text("script", "(module (memory 1) (memory 1))")
    (t.work / name).write_text(json.dumps({"commands": [
        {"type": "module", "line": 1, "filename": wasm}]}))
    return name


@option("wast --on", "wast --without")
def wast_options(t):
    t.call("wast", "--on", t.port, script(t)).ends(0).shows("^1 passed, 0 failed")
    t.call("wast", "--on", t.port, "--without", "multi-memory", script(t)).ends(
        1).shows("^0 passed, 1 failed")


@option("selftest --smp", "selftest --icount", "selftest --cpu", port="metal")
def selftest_options(t):
    if not (t.out / "port-test.elf").exists():
        skip("selftest", "port-test.elf is not built")
        t.used.update({("selftest", o) for o in OPTIONS["selftest"]})
        return
    t.call("selftest", "--smp", "2", "--cpu", "Nehalem", "microvm").ends(0)
    t.call("selftest", "--icount", "microvm").ends(0)


# --- examples ----------------------------------------------------------------------


def examples(text):
    part = text.partition("\nexamples:\n")[2]
    return [line[2:] for line in part.splitlines() if line]


@case
def examples_of_the_help(t):
    """Each one, as it stands there; those without --on on this port."""
    t.work = t.work / "examples" # nothing of the others, which --dir . would take
    shutil.rmtree(t.work, ignore_errors=True)
    t.work.mkdir()
    hello(t), t.cc("ls"), script(t), modules_of_math(t)
    shutil.copy("test/sysroot/threads.c", t.work)
    with open(t.work / "script.sh", "w", encoding="utf-8") as file:
        file.write('echo "got $#"\n')
    (t.work / "data").mkdir(exist_ok=True)
    (t.work / "data" / "init").write_text("/bin/true : : exit\n")
    (t.work / "notes.txt").write_text("notes")
    grub = ["/usr/lib/grub/i386-pc", "/usr/lib/grub/x86_64-efi"]
    has_grub = shutil.which("grub-mkimage") and all(map(os.path.exists, grub))
    path = f"{t.out.resolve()}:{os.environ['PATH']}"
    topics = re.findall("^  ([a-z]+) ", t.call("help").out, re.M)
    assert set(OPTIONS) < set(topics), topics
    count = 0
    for topic in topics:
        for line in examples(t.call("help", topic).ends(0).out):
            if line.startswith("nebulet selftest") and t.port == "linux":
                continue
            if line.startswith("nebulet image -o") and not has_grub:
                continue
            done = subprocess.run(
                ["bash", "-c", line], cwd=t.work, capture_output=True,
                check=False, env=dict(os.environ, PATH=path, NEBULET_ON=t.port,
                                      NEBULET_CACHE="kept"))
            assert done.returncode == 0, f"{line}: {done.stderr.decode()}"
            assert done.stderr == b"" or "--trace" in line or "nebulet selftest" in \
                line, f"{line}: {done.stderr.decode()}"
            count += 1
    assert count >= 25, f"only {count} examples"


# --- values that are none --------------------------------------------------------

NOT_NUMBERS = ("", " 128", "+128", "-1", "0x80", "128x", "1e2", "128 ",
               "18446744073709551744", "-18446744073709551488")


@case
def bad_values(t):
    """Digits and nothing else are a number; what is said is one line."""
    if t.port != "linux":
        return
    (t.work / "bad.wat").write_text('(module (func (export "f")))')
    tries = [("run", f"{name}={value}", f"run: {name} {re.escape(value)}: not a")
             for name in ("--memory", "--smp", "--gdb") for value in NOT_NUMBERS]
    tries += [
        ("run", "--memory=1048577", "run: .*: not a number of MiB .* 1048576 "),
        ("run", "--gdb=65536", "run: --gdb 65536: not a number of a TCP port"),
        ("run", "--device=net", "run: --device net: not random \\("),
        ("run", "--trace=,", "run: --trace=,: one of the names is empty"),
        ("run", "--profile=", "run: --profile=: no file given"),
        ("run", "--help=x", "run: --help takes no value"),
        ("compile", "-o=x", "compile: -o: its value is the next word"),
    ]
    for command, word, said in tries:
        t.call(command, word, "bad.wat").ends(2).prints("").lines(1).says(
            f"^nebulet: {said}")
    for function in [value for value in NOT_NUMBERS if value[:1] != "-"]:
        t.call("dump", "bad.wat", function).ends(1).prints("").lines(1).says(
            f"^nebulet: bad.wat: no such function: {re.escape(function)}$")


sys.exit(main(Watched))
