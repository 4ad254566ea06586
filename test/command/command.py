#!/usr/bin/env python3
"""test/command/command.py OUT PORT [NAME...]: what the host command says, and with which
status: messages, options, directories.  With names only those cases.  Programs
are in test/command/programs/.  Ends with "N passed, N failed, N skipped"."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from help import TIME_LIMIT_S, Tools, case, main

# --- text from outside -------------------------------------------------------


@case
def forged_lines(t):
    """Neither what a program logs nor a name makes a line of its own."""
    end = t.run(t.wat("forge")).ends(134)
    end.says(r"^forge\.wasm: x\\nnebulet: other\.wasm: trap: unreachable\\n"
             r"\\x1b\[2J\\xff\\x00$")
    end.says(r"^forge\.wasm: one line$")
    end.says(r"^    at \\x1b\[31m\\nnebulet: other\.wasm: trap: \\xc2\\x9b \(")
    end.never_says(r"^nebulet: other")


@case
def forged_file_names(t):
    name = "new\nnebulet: other.wasm: trap: x\x1b[2J\u20ac.wasm"
    end = t.run(t.wat("forge", name)).ends(134)
    end.says("^nebulet: new\\\\nnebulet: other\\.wasm: trap: x\\\\x1b\\[2J\u20ac"
             "\\.wasm: trap: unreachable$")
    end.never_says(r"^nebulet: other")
    name = "long/" * 30 + "forge.wasm"
    (t.work / name).parent.mkdir(parents=True, exist_ok=True)
    t.run(t.wat("forge", name)).ends(134).says(
        r"^nebulet: forge\.wasm: trap: unreachable$")
    end = t.run("none\nnebulet: other\x07").ends(1).lines(1)
    end.says(r"none\\nnebulet: other\\x07: No such file or directory$")
    t.call("compile", "none\n").ends(1).lines(1)
    t.call("none\n\x1b").ends(2).says(r"none\\n\\x1b: ")


# --- what is wrong with a module ---------------------------------------------

ENTRY = r"the export _start .* is not a function without parameters and results$"
MODULES = [
    # name, text, what is said (one line each)
    ("result", '(module (func (export "_start") (result i32) i32.const 1))',
     [ENTRY]),
    ("parameter", '(module (func (export "_start") (param i32)))', [ENTRY]),
    ("memory", '(module (memory (export "_start") 1))', [ENTRY]),
    ("reactor", '(module (global (export "_initialize") i32 i32.const 1))',
     [ENTRY]),
    ("none", '(module (func (export "main")))',
     ["the module exports neither _start nor _initialize$"]),
    ("data", """(module (memory 1) (data (i32.const 0) "fits")
        (data (i32.const 65535) "xy") (func (export "_start")))""",
     ["offset 0x[1-9a-f][0-9a-f]*: out of bounds memory access: "
      "data segment 1, 2 bytes$"]),
    ("data-empty", """(module (memory 1) (data (i32.const 65537) "")
        (func (export "_start")))""",
     ["offset 0x[1-9a-f][0-9a-f]*: out of bounds memory access: "
      "data segment 0, 0 bytes$"]),
    ("element", """(module (table 2 funcref) (elem (i32.const 1) $f $f)
        (func $f (export "_start")))""",
     ["offset 0x[1-9a-f][0-9a-f]*: out of bounds table access: "
      "element segment 0, 2 elements$"]),
    ("imports", """(module (import "env" "one" (func))
        (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
        (import "env" "two" (global i32)) (import "env" "mine" (memory 1))
        (import "wasi_snapshot_preview1" "fd_advise_" (func))
        (func (export "_start")))""",
     ['offset 0x[0-9a-f]+: unknown import "env" "one"$',
      'offset 0x[0-9a-f]+: unknown import "env" "two"$',
      'unknown import "wasi_snapshot_preview1" "fd_advise_"$']),
    ("type", """(module
        (import "wasi_snapshot_preview1" "sched_yield" (func (result i64)))
        (func (export "_start")))""",
     ['incompatible import type "wasi_snapshot_preview1" "sched_yield"$']),
    ("huge", '(module (table 20000000 funcref) (func (export "_start")))',
     [r"(?<!0x0: )table too large$"]),
    ("many", "(module " + " ".join(
        f'(import "env" "f{i}" (func))' for i in range(300)) +
     ' (func (export "_start")))',
     [f'unknown import "env" "f{i}"$' for i in range(20)] +
     ["and more that are not there$"]),
]


@case
def modules(t):
    for name, text, lines in MODULES:
        wasm = t.text("bad-" + name, text)
        end = t.run(wasm).ends(1).prints("").lines(len(lines))
        for line in lines:
            end.says(f"^nebulet: {wasm}: .*{line}")


@case
def components(t):
    (t.work / "component.wasm").write_bytes(b"\0asm\x0d\0\1\0")
    for command in (["run", "--on", t.port], ["compile"], ["dump"]):
        t.call(*command, "component.wasm").ends(1).lines(1).says(
            "component.wasm: offset 0x4: .* is a component, not a core module")


QUOTIENTS = """(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1) (table 1 funcref)
  (func $other)
  (func $f (param i32 i32) (result i32) (local i32 i32)
    (local.set 2 (i32.div_u (local.get 0) (i32.const DIVISOR)))
    (local.set 3 (i32.const 5))
    (call_indirect (i32.const 0))
    (loop $l
      (call_indirect (i32.const 0))
      (if (local.get 1) (then (local.set 3 (local.get 2))))
      (local.set 1 (i32.load (local.get 3)))
      (br_if $l (local.get 1)))
    (local.get 3))
  (elem (i32.const 0) $other)
  (func (export "_start")
    (call $exit (call $f (i32.const 1234) (i32.const 1)))))"""


@case
def quotients(t):
    """A quotient by a constant is an address, after it was spilled, too."""
    for divisor in (7, 10, 11, 641, 1000):
        wasm = t.text("quotient", QUOTIENTS.replace("DIVISOR", str(divisor)))
        t.call("verify", wasm).ends(0).quiet()
        t.run(wasm).ends(1234 // divisor).quiet()


@case
def dead_handlers(t):
    """A function in parts, with handlers that nothing leads to."""
    wasm = t.text("dead", """(module (tag $t) (func $f)
        (func (export "_start")
          (block (br 0) (try (do (call $f)) (catch $t))) (call $f)))""")
    t.call("verify", "--plain", wasm).ends(0).quiet()
    t.call("verify", wasm).ends(0).quiet()


@case
def handlers_in_loops(t):
    """What a loop has in registers, and a handler that leaves it has not."""
    wasm = t.text("loop", """(module (tag $t) (memory 1) (func $f)
        (func (export "g") (param i32) (result i32)
          (loop $l
            (block $back
              (block $out
                (br_if $back (i32.load (i32.const 0)))
                (try (do (call $f)) (catch $t (br $out)))
                (i32.store (local.get 0) (i32.const 3)))
              (return (i32.load (i32.const 8))))
            (i32.store (local.get 0) (i32.const 4))
            (br $l))
          (unreachable)))""")
    accepted(t, wasm)


@case
def verified_modules(t):
    """What the verifier's own tests begin with has to be accepted."""
    for file in sorted(pathlib.Path("test/verify").glob("*.hex")):
        digits = re.sub(";.*", "", file.read_text())
        (t.work / f"{file.stem}.wasm").write_bytes(bytes.fromhex(digits))
        accepted(t, f"{file.stem}.wasm")
    for file in sorted(pathlib.Path("test/verify").glob("*.wat")):
        accepted(t, t.text(file.stem, file.read_text()))


def accepted(t, wasm):
    t.call("verify", wasm).ends(0).quiet()
    t.call("verify", "--plain", wasm).ends(0).quiet()


# --- what programs may ask for -----------------------------------------------


@case
def vectors(t):
    t.run(t.wat("vectors"), stdin=b"abc").ends(0).prints("x" * 3000).quiet()


# --- options -----------------------------------------------------------------

COMMANDS = ["run", "shell", "compile", "verify", "dump", "wast", "selftest",
            "completion", "manual", "help"]

MISUSES = [
    # words, what is said
    ([], "which command"),
    (["wsat", "x.json"], "wsat: no such command; did you mean wast\\?"),
    (["x.wasm"], "x.wasm: no such command; did you mean `run x.wasm`\\?"),
    (["frobnicate"], "frobnicate: no such command"),
    (["--frob"], "--frob: no such option"),
    (["help", "frob"], "help: frob: no such topic"),
    (["help", "flies"], "help: flies: no such topic; did you mean files\\?"),
    (["help", "--frob"], "help: --frob: no such topic"),
    (["help", "run", "x"], "help: x: one too many"),
    (["completion"], "completion: which shell\\? bash, zsh or fish"),
    (["completion", "tcsh"], "completion: tcsh: not bash, zsh or fish"),
    (["completion", "zsh", "x"], "completion: x: one too many"),
    (["manual", "x"], "manual: x: one too many"),
    (["manual", "--x"], "manual: --x: no such option"),
    (["run"], "run: no program given"),
    (["run", "--"], "run: no program given"),
    (["run", "--dri", "x", "y"], "run: --dri: no such option; did you mean --dir"),
    (["run", "--dri=x", "y"], "run: --dri: no such option; did you mean --dir"),
    (["run", "--xyzzy", "y"], "run: --xyzzy: no such option \\("),
    (["run", "-x", "y"], "run: -x: no such option"),
    (["run", "--foo", "y"], "run: --foo: no such option \\("),
    (["run", "--bin", "y"], "run: --bin: no such option \\("),
    (["run", "--on"], "run: --on: its value .* is missing"),
    (["run", "--on", "bsd", "y"], "run: --on bsd: not metal or linux"),
    (["run", "--on=bsd", "y"], "run: --on bsd: not metal or linux"),
    (["run", "--machine", "pc", "y"], "run: --machine pc: not microvm or q35"),
    (["run", "--smp", "0", "y"], "run: --smp 0: not a number of CPUs from 1 to 64"),
    (["run", "--smp", "65", "y"], "run: --smp 65: not a number of CPUs from 1 to 64"),
    (["run", "--smp", "2x", "y"], "run: --smp 2x: not a number of CPUs from 1 to 64"),
    (["selftest", "--smp", "no"], "selftest: --smp no: not a number of CPUs from 1 to 64"),
    (["run", "--timeout", "soon", "y"], "run: --timeout soon: not a time"),
    (["run", "--timeout=0", "y"], "run: --timeout 0: not a time"),
    (["run", "--memory", "1", "y"], "run: --memory 1: not a number of MiB"),
    (["run", "--env", "", "y"], "run: --env : not of the form K=V or K"),
    (["run", "--env", "=V", "y"], "run: --env =V: not of the form K=V or K"),
    (["run", "--dir", "", "y"], "run: --dir : no directory or file is named"),
    (["run", "--dir", "::/x", "y"], "run: --dir ::/x: no directory"),
    (["run", "--dir", "a::/::rw", "y"], "run: --dir a::/::rw: .* is not ro"),
    (["wast"], "wast: no script given"),
    (["wast", "--on", "bsd", "x"], "wast: --on bsd: not metal or linux"),
    (["compile"], "compile: no module given"),
    (["compile", "--tmie", "x"], "compile: --tmie: .*did you mean --time"),
    (["compile", "--time=yes", "x"], "compile: --time takes no value"),
    (["compile", "x", "-o"], "compile: -o: its value FILE is missing"),
    (["dump"], "dump: no module given"),
    (["dump", "--after=never", "x"], "dump: --after never: not build, select"),
    (["dump", "x", "y", "z"], "dump: z: one too many"),
    (["selftest", "pc"], "selftest: pc: not microvm or q35"),
    (["selftest", "--on", "linux"], "selftest: --on: no such option"),
]


@case
def misuses(t):
    """One line, which says where there is help; status 2."""
    for words, pattern in MISUSES:
        end = t.call(*words).ends(2).prints("").lines(1)
        end.says(f"^nebulet: {pattern}")
        end.says(r"\(`nebulet.* --help` tells more\)$")


@case
def helps(t):
    """On stdout, with status 0, however it is asked for."""
    for words in (["-h"], ["--help"], ["help"]):
        end = t.call(*words).ends(0).quiet().shows("^usage: nebulet COMMAND")
        for name in COMMANDS:
            end.shows(f"^  {name} +[a-z]")
    for name in COMMANDS:
        for words in ([name, "-h"], [name, "--help"], ["help", name],
                      ["-h", name], ["--help", name]):
            t.call(*words).ends(0).quiet().shows(f"^usage: nebulet {name}")
        if name != "help":
            t.call(name, "--help", "--nonsense").ends(0).quiet()
    t.call("--version").ends(0).quiet().shows(r"^nebulet [0-9.]+")


@case
def words_of_the_program(t):
    ls = t.cc("ls")
    start = "argument ls.wasm\n"
    t.run(ls, "--help", "-h").ends(0).quiet().prints(
        start + "argument --help\nargument -h\n")
    t.run("--", ls, "a", "--then").ends(0).quiet().prints(
        start + "argument a\nargument --then\n")
    t.run(ls, "--", "x").ends(0).quiet().prints(
        start + "argument --\nargument x\n")
    t.run("--argv0", "other name", ls).ends(0).quiet().prints(
        "argument other\\20name\n")
    t.run("--argv0=", ls).ends(0).quiet().prints("argument \n")
    t.call("run", f"--on={t.port}", "--env=A=B", "--timeout=60s", ls).ends(
        0).quiet().prints(start)


@case
def environment(t):
    env = t.cc("env")
    here = dict(os.environ, HERE="of the host", EMPTY="")
    here.pop("NOT_HERE", None)

    def gives(words, text, **more):
        t.run(*words, env, env=dict(here, **more)).ends(0).quiet().prints(text)

    gives([], "")
    gives(["--env", "A=B=C", "--env", "D="], "A=B=C\nD=\n")
    gives(["--env", "A=1", "--env", "B=2", "--env", "A=3"], "B=2\nA=3\n")
    gives(["--env", "HERE", "--env", "NOT_HERE", "--env", "EMPTY"],
          "HERE=of the host\nEMPTY=\n")
    (t.work / "vars").write_text("# of ours\n\n  A=x y \nHERE\r\nNOT_HERE\nB=\"q\"")
    gives(["--env", "B=0", "--env-file", "vars", "--env=Z=1"],
          'A=x y \nHERE=of the host\nB="q"\nZ=1\n')
    many = [f"V{i}={i}" for i in range(1024)]
    (t.work / "many.env").write_text("\n".join(many))
    gives(["--env-file=many.env"], "".join(f"{v}\n" for v in many))


@case
def environment_that_is_none(t):
    def refused(text, pattern):
        (t.work / "vars").write_bytes(text)
        t.run("--env-file", "vars", "none.wasm").ends(2).lines(1).says(
            f"^nebulet: {pattern}$")

    refused(b"A=1\n=2\n", "vars:2: =2: not of the form K=V or K")
    refused(b"A=1\nB\0=2\n", "vars:2: a byte 0: this is no text")
    refused(b"".join(b"V%d=\n" % i for i in range(1025)),
            "vars:1025: V1024=: more than 1024 variables")
    t.run("--env-file", "no", "none.wasm").ends(2).lines(1).says(
        "^nebulet: no: No such file or directory$")
    t.run("--env-file", ".", "none.wasm").ends(2).lines(1).says(
        "^nebulet: .: Is a directory$")


@case
def default_port(t):
    """$NEBULET_ON says where, an option more than that."""
    forge = t.wat("forge")
    here = dict(os.environ, NEBULET_ON="linux")
    note = "note: --machine has no effect on linux"
    t.call("run", "--machine", "q35", forge, env=here).ends(134).says(note)
    t.call("run", "--machine", "q35", "--on", "metal", forge, env=here).ends(
        134).never_says(note)
    for on in ("", "metal"):
        t.call("run", "--machine", "q35", forge,
               env=dict(here, NEBULET_ON=on)).ends(134).never_says(note)
    for command in (["run", forge], ["shell"]):
        t.call(*command, env=dict(here, NEBULET_ON="bsd")).ends(2).lines(1).says(
            "^nebulet: .*NEBULET_ON=bsd: not metal or linux")


@case
def late_options(t):
    """What follows the program is the program's, and said to be."""
    ls = t.cc("ls")
    for late in (["--then", "x.wasm"], ["--beside=x.wasm", "y"],
                 ["x", "--timeout"], ["--on", "linux", "--dir", "y"]):
        end = t.run(ls, *late).ends(0).lines(1)
        word = next(w for w in late if w.startswith("--"))
        end.says(f"^nebulet: note: {word} after ls.wasm is an argument")
        end.prints("".join(f"argument {w}\n" for w in [ls, *late]))
        t.run("--", ls, *late).ends(0).quiet()


@case
def options_without_effect(t):
    ls = t.cc("ls")
    for words in (["--memory", "256"], ["--machine", "q35"],
                  ["--icount"], ["--latency"]):
        end = t.run(*words, ls).ends(0)
        if t.port == "linux":
            end.lines(1).says(f"^nebulet: note: {words[0]} has no effect on linux")
        elif words == ["--latency"]:
            end.says("^latency: [0-9]+ instructions without preemption")
            end = t.run("--latency", "--smp", "2", ls).ends(0)
            end.says("^nebulet: note: --smp has no effect with --latency")
        else:
            end.quiet()


WAITS = """(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $read (param i32 i32 i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "\\08\\00\\00\\00\\01\\00\\00\\00!")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))))
"""


def cpus_of(port, pid):
    """QEMU's -smp; on linux threads, of which some are not CPUs."""
    if port == "linux":
        return len(os.listdir(f"/proc/{pid}/task"))
    for status in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = status.read_bytes().decode().split("\0")
            stat = (status.parent / "stat").read_text().rsplit(")")[-1]
        except (OSError, UnicodeDecodeError):
            continue  # it has ended
        if int(stat.split()[1]) == pid and "-smp" in words:
            return int(words[words.index("-smp") + 1])
    return 0


def cpus_while_running(t, before, *options):
    """That of a run that waits; what runs it is replaced by it."""
    argv = [*before, t.nebulet, "run", "--on", t.port, *options,
            t.text("waits", WAITS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          cwd=t.work) as running:
        try:
            assert running.stdout.read(1) == b"!", "it does not run"
            return cpus_of(t.port, running.pid)
        finally:
            running.stdin.close()
            running.wait(TIME_LIMIT_S)


@case
def cpus_by_default(t):
    """As many as the host lets us have, at most 4; fewer when it is told."""
    others = 0
    if t.port == "linux":
        others = cpus_while_running(t, (), "--smp", "1") - 1
    allowed = sorted(os.sched_getaffinity(0))
    for some in (allowed, allowed[:1], allowed[-2:]):
        only = ["taskset", "-c", ",".join(map(str, some))]
        for options, want in (([], min(len(some), 4)), (["--smp", "3"], 3)):
            found = cpus_while_running(t, only, *options) - others
            assert found == want, f"{found} CPUs, not {want}, of {some}"
    if t.port == "metal":
        found = cpus_while_running(t, (), "--icount")
        assert found == 1, f"{found} CPUs with --icount"


HELLO = """;; a comment
(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory 1) (func $leave (export "_start") (call $exit (i32.const 42))))"""


@case
def text_modules(t):
    (t.work / "hello.wat").write_text(HELLO)
    shutil.copy(t.work / "hello.wat", t.work / "hello.txt")
    (t.work / "wrong.wat").write_text("(module (func i32.oops))")
    (t.work / "empty.wat").write_text("")
    t.run("hello.wat").ends(42).quiet()
    t.run("hello.txt").ends(42).quiet()
    t.call("compile", "hello.wat").ends(0).quiet()
    t.call("dump", "hello.wat", "leave").ends(0).quiet().shows('"leave"')
    t.run("wrong.wat").ends(1).says("wrong.wat:1:15").says(
        "^nebulet: wrong.wat: wat2wasm cannot convert it$")
    empty = t.work / "bin"
    empty.mkdir(exist_ok=True)
    for name in ("hello.wat", "hello.txt"):
        t.call("run", "--on", t.port, name, env={"PATH": str(empty)}).ends(
            1).lines(1).says(f"^nebulet: {name}: it is a text.* wat2wasm .*wabt")
    t.call("wast", "hello.wat").ends(1).lines(1).says("wast2json").shows(
        "^0 passed, 1 failed, 0 skipped$").want(
            "died" not in t.call("wast", "hello.wat").out, "it was said why")
    shutil.copy(t.work / "hello.wat", t.work / "-hello.wat")
    t.run("--", "-hello.wat").ends(42).quiet()


@case
def large_and_small(t):
    """What a large function had is no limit for those after it."""
    step = ("(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3))"
            " (i32.const 7)))")
    functions = [f"(func (param i32) {step * count})" for count in (60000, 5000)]
    name = t.text("large", f"(module {' '.join(functions)})")
    t.call("compile", name).ends(0).quiet()


@case
def code_files(t):
    """What `compile` wrote runs as if it was compiled; what is not as it was
    written, or is another's, is one line."""
    wasm = t.text("answer", """(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (data (i32.const 8) "*")
        (func (export "_start") (call $exit (i32.load8_u (i32.const 8)))))""")
    t.call("compile", "--baseline", "-o", "answer.neb", wasm).ends(0).quiet()
    t.run("answer.neb").ends(42).quiet()
    t.call("verify", "answer.neb").ends(0).quiet()
    whole = (t.work / "answer.neb").read_bytes()
    damaged = bytearray(whole)
    damaged[-9] ^= 1
    for name, content, words in (
            ("empty", b"", ""),
            ("short", whole[:40], "no code file"),
            ("cut", whole[:-8], "a part of the code file is not there"),
            ("long", whole + bytes(8), "more than the parts of a code file"),
            ("damaged", bytes(damaged), "is not as it was written"),
            ("version", whole[:8] + b"\x63" + whole[9:],
             "another version's: compile it again"),
            ("compiler", whole[:16] + bytes([whole[16] ^ 1]) + whole[17:],
             "another version's: compile it again"),
            ("cpu", whole[:12] + b"\xff" + whole[13:],
             "compiled for a CPU that has more than this one")):
        (t.work / f"{name}.neb").write_bytes(content)
        t.run(f"{name}.neb").ends(1).lines(1).says(f"{name}.neb: .*{words}")
        t.call("verify", f"{name}.neb").ends(1).lines(1).says(
            f"{name}.neb: .*{words}")


@case
def modules_from_pipes(t):
    """What is read once can be a pipe, a text as well as a binary."""
    binary = (t.work / t.text("hello", HELLO)).read_bytes()
    for module in (HELLO.encode(), binary):
        t.run("/dev/stdin", stdin=module).ends(42).quiet()
        t.call("compile", "/dev/stdin", stdin=module).ends(0).quiet()
        fifo = t.work / "fifo"
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
        with subprocess.Popen(["sh", "-c", "cat >fifo"], cwd=t.work,
                              stdin=subprocess.PIPE) as writer:
            writer.stdin.write(module)
            writer.stdin.close()
            t.run("fifo").ends(42).quiet()
    t.call("compile", "/dev/zero").ends(1).lines(1).says(
        "^nebulet: /dev/zero: a module has at most 1073741824 bytes$")


@case
def escapes_of_wat2wasm(t):
    """What wat2wasm quotes of a text is made safe, and is not without end."""
    name = "esc.wat"
    (t.work / name).write_bytes(b"(module \x1b[2J\xff\r oops)\n")
    for words in (["run", "--on", t.port], ["compile"], ["dump"]):
        end = t.call(*words, name, *["f"] * (words == ["dump"])).ends(1)
        end.says(r"^nebulet: esc\.wat:1:9: error: ").never_says("\x1b|\r")
        end.says(r"\\x1b\[2J\\xff").says("^nebulet: esc.wat: wat2wasm cannot")
        end.never_says("^(?!nebulet: ).")
    (t.work / name).write_text("(module " + "(func i32.oops)\n" * 1000 + ")")
    t.call("compile", name).ends(1).lines(14).says(
        "^nebulet: esc.wat: there is more")
    (t.work / name).write_text("(module oops" + "x" * 100000 + ")")
    end = t.call("compile", name).ends(1)
    end.want(len(end.err) < 10000, "a long line is cut")


# --- directories -------------------------------------------------------------


def tree(t, name, files):
    """A directory with these files (None: a directory), all from second 5."""
    top = t.work / name
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir()
    for path, text in files.items():
        path = top / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.mkdir()
        else:
            path.write_text(text)
    for path in [top, *top.rglob("*")]:
        os.utime(path, (5, 5))
    return name


class Seen:
    """What ls.c says that it sees: names to what follows them."""

    def __init__(self, end):
        self.open, self.files, self.done = [], {}, {}
        for line in end.out.splitlines():
            first, *rest = line.split(" ", 2)
            if first == "open":
                self.open.append(rest[1])
            elif first in ("write", "append", "make", "remove", "rename"):
                self.done[f"{first} {rest[0][:-1]}"] = rest[1]
            elif first != "argument":
                self.files[first] = rest


@case
def empty_directory(t):
    ls, empty = t.cc("ls"), tree(t, "empty", {})
    end = t.run("--dir", empty, ls).ends(0).quiet()
    end.prints("argument ls.wasm\nopen 3 /\n/ 5.000000000\n")
    end = t.run("--copy-dir", f"{empty}::::ro", ls, "do", "write", "/x")
    end.ends(0).quiet()
    end.shows("^write /x: Read-only file system$")
    end = t.run("--copy-dir", empty, ls, "do", "write", "/x", "make", "/d",
                "write", "/d/y").ends(0).quiet()
    end.shows("^write /x: done$").shows(r"^/x .* 3 new$").shows(r"^/d/y .* 3 new$")
    assert list((t.work / empty).iterdir()) == []
    t.run(ls).ends(0).prints("argument ls.wasm\n")


@case
def several_directories(t):
    ls = t.cc("ls")
    a = tree(t, "a", {"one": "1", "b/hidden": "x", "b/c": "y", "l": "link"})
    b = tree(t, "b", {"two": "2", "deep/er": "3"})
    (t.work / "f").write_text("file")
    end = t.run("--dir", a, "--dir", f"{b}::/b::ro", ls).ends(0).quiet()
    seen = Seen(end)
    end.want(seen.open == ["/", "/b"], "both are open")
    end.want([n for n in seen.files if n.startswith("/b")] ==
             ["/b", "/b/deep", "/b/deep/er", "/b/two"], "b hides a/b")
    # in any order; relative, crooked and nested names; one below a file's place
    end = t.run("--dir", f"{b}::x/./y//z/", "--dir", f"{a}::.", "--dir",
                f"{b}::/l/m", ls).ends(0).quiet()
    seen = Seen(end)
    end.want(seen.open == ["/x/y/z", "/", "/l/m"], "names are made straight")
    end.want("/x/y/z/two" in seen.files and "/one" in seen.files and
             "/l/m/two" in seen.files, "all is there")
    # single files: by their own name, another one, in a directory
    end = t.run("--dir", "f", ls).ends(0).quiet()
    end.want(Seen(end).open == ["/"] and list(Seen(end).files) == ["/", "/f"],
             "the file alone")
    inside = ["--dir", "f::/a/b/"] if t.port == "linux" else []
    end = t.run("--dir", "f::/etc/g", "--dir", f"{a}::/a", *inside,
                "--dir", "f::/etc/h", ls).ends(0).quiet()
    seen = Seen(end)
    end.want(seen.open == ["/etc", "/a"], "one directory for /etc")
    end.want({"/etc/g", "/etc/h", "/a/b/hidden", "/a/one"} |
             ({"/a/b/f"} if inside else set()) <= set(seen.files),
             "files are in the directories")


@case
def writable_directories(t):
    """What may be changed is said for each, and nothing reaches the host."""
    ls = t.cc("ls")
    a, b = tree(t, "a", {"one": "1"}), tree(t, "b", {"two": "2", "d": None})
    (t.work / "f").write_text("file")
    acts = ["do", "append", "/one", "append", "/b/two", "make", "/new",
            "make", "/b/new", "write", "/b/x", "append", "/b/f", "remove",
            "/one", "rename", "/b/two", "/two", "rename", "/b/two", "/b/d/2"]
    end = t.run("--copy-dir", f"{a}::::ro", "--copy-dir", f"{b}::/b",
                "--copy-dir", "f::/b/::ro", ls, *acts).ends(0).quiet()
    seen = Seen(end)
    readonly = "Read-only file system"
    for act, what in (("append /one", readonly), ("append /b/two", "done"),
                      ("make /new", readonly), ("make /b/new", "done"),
                      ("write /b/x", "done"), ("append /b/f", readonly),
                      ("remove /one", readonly)):
        end.want(seen.done[act] == what, f"{act}: {what}")
    end.shows(f"^rename /b/two: {readonly}$").shows("^rename /b/two: done$")
    end.want(seen.files["/b/d/2"][1] == "4 2new", "it is elsewhere")
    end = t.run("--copy-dir", a, "--copy-dir", f"{b}::/b::ro", ls,
                *acts).ends(0).quiet()
    seen = Seen(end)
    end.want(seen.done["append /one"] == "done" and
             seen.done["append /b/two"] == readonly and
             seen.done["make /b/new"] == readonly, "the other way round")
    assert (t.work / "a/one").read_text() == "1"
    assert sorted(os.listdir(t.work / "b")) == ["d", "two"]


@case
def read_only_places(t):
    """What is read-only among what is writable also keeps its place."""
    ls = t.cc("ls")
    b = tree(t, "b", {"two": "2", "x/one": "1"})
    s = tree(t, "s", {"in": "3"})
    (t.work / "f").write_text("file")
    readonly = "Read-only file system"
    refused = (("rename", "/b/two", "/b/f"), ("remove", "/b/f"),
               ("rename", "/b/f", "/b/g"), ("write", "/b/f"),
               ("rename", "/b/./s", "/b/t"), ("remove", "/b/s/in"),
               ("make", "/b/s/new"), ("rename", "/b/two", "/b/s/in"),
               ("rename", "/b/x", "/b/y"), ("remove", "/b/x/f"),
               ("rename", "/b/two", "/b/x/f"), ("rename", "/b/x/f", "/b/y"))
    allowed = (("append", "/b/two"), ("rename", "/b/x/one", "/b/x/two"),
               ("make", "/b/x/new"), ("remove", "/b/x/two"),
               ("remove", "/b/two"))
    end = t.run("--copy-dir", f"{b}::/b", "--copy-dir", "f::/b/f::ro",
                "--copy-dir", f"{s}::/b/s::ro", "--copy-dir", "f::/b/x/f::ro",
                ls, "do",
                *(w for act in refused + allowed for w in act)).ends(0).quiet()
    lines = [line for line in end.out.splitlines()
             if line.split(" ")[0] in ("rename", "remove", "write", "make",
                                       "append")]
    want = [f"{' '.join(a[:2])}: {readonly}" for a in refused] + [
        f"{' '.join(a[:2])}: done" for a in allowed]
    end.want(lines == want, f"expected {want}, not {lines}")
    end.shows(r"^/b/f .* 4 file$").shows(r"^/b/x/f .* 4 file$")


@case
def order_of_modes(t):
    """An inner directory has its own mode, in whichever order they are given."""
    ls = t.cc("ls")
    a, b = tree(t, "a", {"one": "1"}), tree(t, "b", {"two": "2"})
    acts = ["do", "append", "/one", "append", "/b/two"]
    for words, one, two in (
            (["--copy-dir", f"{b}::/b::ro", "--copy-dir", a], "done",
             "Read-only file system"),
            (["--copy-dir", f"{b}::/b", "--copy-dir", f"{a}::::ro"],
             "Read-only file system", "done")):
        for order in (words, words[2:] + words[:2]):
            seen = Seen(t.run(*order, ls, *acts).ends(0).quiet())
            assert seen.done["append /one"] == one, order
            assert seen.done["append /b/two"] == two, order


@case
def directories_refused(t):
    ls, a = t.cc("ls"), tree(t, "a", {"one": "1"})
    b = tree(t, "b", {})
    (t.work / "f").write_text("file")
    pipe = t.work / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
    for words, pattern in (
            (["--dir", a, "--dir", b], "--dir a and --dir b: they are both /"),
            (["--dir", a, "--copy-dir", a], "--dir a and --copy-dir a: .* both"),
            (["--dir", f"{a}::/x", "--dir", f"{b}::x/"],
             "--dir a::/x and --dir b::x/: they are both /x"),
            (["--dir", "f::/x", "--dir", f"{b}::/x/y"],
             "--dir f::/x and --dir b::/x/y: they are a file and below it"),
            (["--dir", f"{a}::/../x"], "--dir a::/../x: .* has a \\.\\."),
            (["--dir", "f::/"], None),
            (["--dir", "nowhere"], "--dir nowhere: No such file or directory"),
            (["--dir", "pipe"], "--dir pipe: neither a directory nor a file")):
        end = t.run(*words, ls)
        if pattern is None:
            end.ends(0).shows("^/f .* 4 file$")
        else:
            end.ends(1).lines(1).says(f"^nebulet: {pattern}")


@case
def unreadable_files(t):
    """Left out with a warning; root needs to be without its privilege."""
    ls = t.cc("ls")
    a = tree(t, "a", {"secret": "1", "open": "2", "dir/x": "3", "z": "4"})
    os.chmod(t.work / "a/secret", 0)
    os.chmod(t.work / "a/dir", 0)
    os.mkfifo(t.work / "a/pipe")
    before = [] if os.getuid() else [
        "setpriv", "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-all"]
    end = t.run("--copy-dir", a, ls, before=before)
    os.chmod(t.work / "a/dir", 0o755)
    end.ends(0).lines(3)
    end.says("^nebulet: a/secret: Permission denied: left out$")
    end.says("^nebulet: a/dir: Permission denied: left out$")
    end.says("^nebulet: a/pipe: not a file, directory or link: left out$")
    end.want(list(Seen(end).files) == ["/", "/open", "/z"], "the others")


@case
def deep_directories(t):
    """What is too deep is left out, with all below it, and said."""
    deep = "/".join(["d"] * 66)
    a = tree(t, "a", {deep + "/leaf": "1", "other": "2"})
    end = t.run("--copy-dir", a, t.cc("ls")).ends(0).lines(1)
    end.says("^nebulet: a(/d){65}: more than 64 directories in each other: "
             "left out$").shows("^/other .* 1 2$")


@case
def limits_of_the_host(t):
    """What the user's limits forbid is said, and no panic."""
    if t.port == "metal":
        return
    for limit in ("--as=300000000", "--data=50000000"):
        t.run(t.cc("ls"), before=["prlimit", limit]).ends(1).lines(1).says(
            "^nebulet: the host does not give a process enough addresses")


@case
def files_beyond_the_machine(t):
    """Files that a machine has no room for: how much it takes; that is true."""
    a = tree(t, "large", {"zeros": ""})
    os.truncate(t.work / "large/zeros", 80 << 20)
    ls = t.cc("ls")
    if t.port == "linux":
        t.run("--copy-dir", a, ls).ends(0).quiet()
        return
    end = t.run("--memory", 64, "--copy-dir", a, ls).ends(1).lines(1)
    end.says("^nebulet: the programs and their files have 81 MiB, 81 of them by "
             "--copy-dir large, too much for a machine of 64 MiB: run with --memory "
             "[0-9]+ or more$")
    enough = int(re.search("--memory ([0-9]+)", end.err)[1])
    t.run("--memory", enough - 1, "--copy-dir", a, ls).ends(1).lines(1)
    for machine in "microvm", "q35":
        end = t.run("--machine", machine, "--memory", enough, "--copy-dir", a,
                    ls)
        end.ends(0).quiet().shows(f"^/zeros .* {80 << 20} ")


@case
def names_and_times(t):
    ls = t.cc("ls")
    long = "/".join("d" * 90 + str(i) for i in range(20))
    a = tree(t, "a", {"new\nline": "1", "\u20ac": "2", "n" * 255: "3",
                      long + "/leaf": "4", "back\\slash": "5"})
    (t.work / "a/link").symlink_to("x" * 300)
    times = {"1": (1, 500000000), "2": (-1, 0), "3": (8589934592, 0),
             "4": (9999999999, 123456789), "5": (1e10, 0), "6": (0, 1)}
    for name, (seconds, ns) in times.items():
        (t.work / "a" / name).write_text("")
        ns += int(seconds) * 10**9
        os.utime(t.work / "a" / name, ns=(ns, ns))
    end = t.run("--dir", a, ls).ends(0).quiet()
    seen = Seen(end).files
    for name in ("/new\\0aline", "/\\e2\\82\\ac", "/" + "n" * 255,
                 "/" + long + "/leaf", "/back\\slash"):
        end.want(name in seen, f"{name} is there")
    end.shows(r"^/link .* -> 300 x{20}$")
    for name, time in (("1", "1.500000000"), ("2", "0.000000000"),
                       ("3", "8589934592.000000000"),
                       ("4", "9999999999.123456789"),
                       ("5", "10000000000.000000000"), ("6", "0.000000001")):
        end.want(seen["/" + name][0] == time, f"{name} is from {time}")


@case
def too_large_directories(t):
    """Files that there is no room for are not read: their sizes are enough,
    alone and in sum, and the largest directory is named."""
    ls, a = t.cc("ls"), tree(t, "a", {"hole": ""})
    many = tree(t, "many", {f"d{i}/{i}": "" for i in range(40)})
    little = ["prlimit", "--data=100000000"]
    room = {"linux": "but only [0-9]+ MiB are free here: run with fewer files$",
            "metal": "a machine takes 1984: run with --on linux, or with fewer "
                     "files$"}[t.port]
    for size in (8 << 30, 1 << 40):
        os.truncate(t.work / "a/hole", size)
        t.run("--copy-dir", a, ls, before=little).ends(1).lines(1).says(
            f"^nebulet: the programs and their files have {(size >> 20) + 1} "
            f"MiB, {(size >> 20) + 1} of them by --copy-dir a, {room}")
    for i in range(40):
        os.truncate(t.work / f"many/d{i}/{i}", 100 << 20)
    t.run("--copy-dir", f"{many}::/m", "--copy-dir", "ls.wasm::/ls", ls,
          before=little).ends(1).lines(1).says(
        f" have 400[0-9] MiB, 4001 of them by --copy-dir many::/m, {room}")
    os.truncate(t.work / "a/hole", 0)


@case
def time_limit_of_files(t):
    """The time limit holds while files are read: 1.5 GiB take longer."""
    ls, a = t.cc("ls"), tree(t, "a", {"hole": ""})
    os.truncate(t.work / "a/hole", 1500 << 20)
    t.run("--memory", 4096, "--timeout", "40ms", "--copy-dir", a, ls).ends(124).says(
        "^nebulet: timeout, before any program was started$")
    os.truncate(t.work / "a/hole", 0)


# --- test scripts ------------------------------------------------------------


def script(t, name, module, commands):
    """Run a script on one module, which is its first command."""
    wasm = t.text("script", module)
    for line, command in enumerate(commands, 1):
        command.update(line=line, filename=wasm)
    (t.work / name).write_text(json.dumps({"commands": commands}))
    return t.call("wast", "--on", t.port, name)


def invoke(field, *args):
    return {"type": "invoke", "field": field,
            "args": [{"type": "i32", "value": str(a)} for a in args]}


@case
def many_values(t):
    """Calls with as many arguments and results as a type can have."""
    for count in (64, 65, 1000):
        module = (f"(module (func (export \"f\") (param{' i32' * count}) "
                  f"(result{' i32' * count}) "
                  f"{' '.join(f'local.get {i}' for i in range(count))}))")
        for wrong in (None, count - 1):
            args = list(range(count))
            want = [{"type": "i32", "value": str(a)} for a in args]
            if wrong is not None:
                want[wrong]["value"] = "77777"
            end = script(t, "many.json", module, [
                {"type": "module"},
                {"type": "assert_return", "action": invoke("f", *args),
                 "expected": want}])
            end.ends(0 if wrong is None else 1)
            end.shows("^2 passed, 0 failed" if wrong is None else
                      f"result {count - 1} is 0x")


@case
def many_names(t):
    """More instances with names than the suite has."""
    commands = [{"type": "module"}]
    for i in range(1500):
        commands.append({"type": "register", "as": f"r{i}"})
    script(t, "names.json", "(module)", commands).ends(0).shows("^1501 passed")


@case
def messages_of_scripts(t):
    """The expected message is a prefix of ours, of whole words."""
    traps = [("unreachable", True), ("u", False), ("unreach", False),
             ("unreachable 2", True), ("unreachable: why", True),
             ("unreachable code", False), ("", False), ("x", False)]
    script(t, "traps.json", "(module (func (export \"f\") unreachable))", [
        {"type": "module"}] + [
        {"type": "assert_trap", "action": invoke("f"), "text": text}
        for text, _ in traps]).ends(1).shows(
            f"^{1 + sum(good for _, good in traps)} passed, "
            f"{sum(not good for _, good in traps)} failed, 0 skipped$")
    refused = [("assert_invalid", "type mismatch", True),
               ("assert_invalid", "type", True),
               ("assert_invalid", "t", False),
               ("assert_malformed", "type mismatch", False),
               ("assert_unlinkable", "type mismatch", False),
               ("assert_uninstantiable", "type mismatch", False)]
    script(t, "refused.json", "(module (func (result i32)))", [
        {"type": kind, "text": text, "module_type": "binary"}
        for kind, text, _ in refused]).ends(1).shows(
            f"^{sum(good for *_, good in refused)} passed, "
            f"{sum(not good for *_, good in refused)} failed, 0 skipped$")


@case
def backslashes_of_scripts(t):
    """A NUL in a name, and what only looks like one."""
    names = ["a\\u0000b", "a\0b", "\\\0", "\\"]
    escaped = ["".join(f"\\{byte:02x}" for byte in name.encode())
               for name in names]
    funcs = "".join(f'(func (export "{name}"))' for name in escaped)
    script(t, "names.json", f"(module {funcs})", [{"type": "module"}] + [
        {"type": "assert_return", "action": invoke(name), "expected": []}
        for name in names]).ends(0).shows("^5 passed, 0 failed, 0 skipped$")


def reasons_of_skips(end):
    return end.shows(r"^[^ ]*: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped "
                     r"\(modules in the text format\)$")


TYPED = """(module (global (export "g") i32 (i32.const 3))
  (func (export "f") (param i32) (result i32) local.get 0)
  (func (export "d") (param f32) (result f32) local.get 0)
  (func (export "v") (result v128) v128.const i32x4 1 2 3 4)
  (func (export "r") (param externref) (result externref) local.get 0)
  (func (export "h") (param funcref) (result funcref) local.get 0))"""


def returns(field, argument, expected, kind="invoke"):
    args = [] if argument is None else [argument]
    return {"type": "assert_return", "expected": [expected],
            "action": {"type": kind, "field": field, "args": args}}


def value(kind, number=None):
    return {"type": kind} | ({} if number is None else {"value": number})


@case
def types_of_scripts(t):
    """Values are compared with their types, also those that have the bits."""
    one, null = value("i32", "1"), value("externref", "null")
    good = [returns("f", one, one), returns("f", one, value("i32")),
            returns("f", value("i32", "-1"), value("i32", "4294967295")),
            returns("g", None, value("i32", "3"), "get"),
            returns("r", null, value("refnull")), returns("r", null, null),
            returns("r", value("externref", "7"), value("externref")),
            returns("f", one, {"type": "either", "values": [
                value("i64", "1"), one]}),
            returns("v", None, value("v128", ["1", "2", "3", "4"]) |
                    {"lane_type": "i32"})]
    script(t, "good.json", TYPED, [{"type": "module"}, *good]).ends(0).shows(
        f"^{len(good) + 1} passed, 0 failed, 0 skipped$")
    bad = [returns("f", one, value("i64", "1")),
           returns("f", one, value("f32", "1")),
           returns("f", one, value("f32")),
           returns("f", one, value("externref")),
           returns("f", one, value("refnull")),
           returns("f", value("i64", "1"), one),
           returns("f", value("f32", "1"), one),
           returns("f", value("externref", "0"), one),
           returns("f", None, one), returns("f", one, value("i32", "2")),
           returns("d", value("i32", "0"), value("f32", "0")),
           returns("g", None, value("i64", "3"), "get"),
           returns("g", None, value("i32", "3")),
           returns("f", None, one, "get"),
           returns("r", null, value("funcref", "null")),
           returns("r", value("funcref", "null"), null),
           returns("h", value("funcref", "7"), value("funcref")),
           returns("r", value("externref", "7"), value("externref", "8")),
           returns("v", None, value("i32", "1")),
           returns("f", one, {"type": "either", "values": [
               value("i64", "1"), value("i32", "2")]})]
    script(t, "bad.json", TYPED, [{"type": "module"}, *bad]).ends(1).shows(
        f"^1 passed, {len(bad)} failed, 0 skipped$")


@case
def numbers_of_scripts(t):
    """What is no number, or not one of the type, is refused with its line."""
    one = value("i32", "1")
    lanes = value("v128", ["1", "2", "3", "4294967296"]) | {"lane_type": "i32"}
    for bad in (value("i32", "4294967296"), value("i32", "-2147483649"),
                value("i32", "zz"), value("i32", "1 "), value("i32", ""),
                value("i32", " 1"), value("i32", "+1"), value("i32", "0x1"),
                value("i32", 1), value("i32", "nan:canonical"), value("i32", []),
                value("i64", "18446744073709551616"), value("f32", "-1"),
                value("f32", "nan:other"), value("i8", "1"), value("v128", []),
                value("externref", "x"), value("externref", 1),
                value("i33", "1"), value("noref"), {}, lanes,
                {"type": "either", "values": [one, value("i32", "x")]}):
        for command in (returns("f", bad, one), returns("f", one, bad)):
            end = script(t, "number.json", TYPED, [{"type": "module"}, command])
            end.ends(1).says(r"^nebulet: number\.json: line 2: ")
    for bad in (value("i32"), value("f32", "nan:canonical"), value("externref"),
                {"type": "either", "values": [one]}):
        script(t, "number.json", TYPED, [{"type": "module"}, returns(
            "f", bad, one)]).ends(1).says(r"^nebulet: number\.json: line 2: ")


@case
def scripts_without_tests(t):
    """A script that tests nothing fails; text modules are counted."""
    script(t, "empty.json", "(module)", []).ends(1).shows(
        "^0 passed, 0 failed, 0 skipped$")
    text = {"type": "assert_malformed", "text": "x", "module_type": "text"}
    reasons_of_skips(script(t, "text.json", "(module)", [
        {"type": "module"}, text])).ends(0).shows(
            "^1 passed, 0 failed, 1 skipped$")
    reasons_of_skips(script(t, "texts.json", TYPED, [
        {"type": "module"}, {"type": "module", "module_type": "text"}])).ends(0)
    script(t, "after.json", TYPED, [
        {"type": "module"}, {"type": "module", "module_type": "text"},
        returns("f", value("i32", "1"), value("i32", "1"))]).ends(0).shows(
            "^1 passed, 0 failed, 2 skipped$")


@case
def features_of_scripts(t):
    """Features are left out by --without; a module may be refused for want of
    one that no valid module of its script uses.  The folder does not matter."""
    for name, module in (("one", "(module (memory 1))"),
                         ("two", "(module (memory 1) (memory 1))"),
                         ("none", "(module)")):
        shutil.copy(t.work / t.text("script", module), t.work / f"{name}.wasm")

    def valid(name, kind="module", text=""):
        return {"type": kind, "line": 1, "filename": f"{name}.wasm",
                "text": text}

    refused = valid("two", "assert_invalid", "multiple memories")
    late = valid("two", "assert_unlinkable", "unknown import")
    for commands, words, good in (
            ([valid("two")], [], True),
            ([valid("two")], ["--without=none"], True),
            ([valid("two")], ["--without=multi-memory"], False),
            ([valid("two")], ["--without=multi-table"], True),
            ([valid("two")], ["--without=page-sizes",
                              "--without=multi-memory"], False),
            ([valid("one"), refused], [], True),
            ([refused, valid("none")], [], True),
            ([valid("one"), refused], ["--without=none"], False),
            ([valid("one"), refused], ["--without=multi-memory"], True),
            ([refused, valid("two")], [], False),
            ([valid("one"), valid("two", "assert_invalid", "else")], [], False),
            ([refused, late], [], False)):
        for folder in ("", "core", "threads") if t.port == "linux" else ("",):
            (t.work / folder).mkdir(exist_ok=True)
            for command in commands:
                if folder:
                    shutil.copy(t.work / command["filename"], t.work / folder)
            path = t.work / folder / "f.json"
            path.write_text(json.dumps({"commands": commands}))
            t.call("wast", "--on", t.port, *words,
                   path.relative_to(t.work)).ends(0 if good else 1)
    t.call("wast", "--without", "gc", "x").ends(2).lines(1).says(
        "--without gc: not none, page-sizes")


sys.exit(main(Tools))
