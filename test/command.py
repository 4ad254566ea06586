#!/usr/bin/env python3
"""test/command.py OUT PORT [NAME...]: what the host command says, and with which
status: messages, options, directories.  With names only those cases.  Programs
are in test/command/.  Ends with "N passed, N failed, N skipped"."""

import json
import pathlib
import re
import subprocess
import sys

TIME_LIMIT_S = 300

cases = []


def case(function):
    """A function that is run with the tools below; what it asserts counts."""
    cases.append(function)
    return function


class Result:
    """How a command ended; each check returns the result again."""

    def __init__(self, argv, done):
        self.argv = argv
        self.status = done.returncode
        self.out = done.stdout.decode(errors="surrogateescape")
        self.err = done.stderr.decode(errors="surrogateescape")

    def want(self, good, what):
        if not good:
            shown = " ".join(repr(a) for a in self.argv[1:])
            raise AssertionError(f"{shown}\n  {what}; status {self.status},\n"
                                 f"  stdout {self.out[-600:]!r},\n"
                                 f"  stderr {self.err[-1500:]!r}")
        return self

    def ends(self, status):
        return self.want(self.status == status, f"expected status {status}")

    def prints(self, text):
        return self.want(self.out == text, f"expected stdout {text!r}")

    def shows(self, pattern):
        return self.want(re.search(pattern, self.out, re.M),
                         f"no {pattern!r} on stdout")

    def says(self, pattern):
        return self.want(re.search(pattern, self.err, re.M),
                         f"no {pattern!r} on stderr")

    def never_says(self, pattern):
        return self.want(not re.search(pattern, self.err, re.M),
                         f"{pattern!r} on stderr")

    def lines(self, count):
        return self.want(self.err.count("\n") == count,
                         f"expected {count} lines on stderr")

    def quiet(self):
        return self.want(self.err == "", "expected nothing on stderr")


class Tools:
    def __init__(self, out, port):
        self.out = out
        self.port = port
        self.nebulet = str(out.resolve() / "nebulet")
        self.work = out / f"command-{port}"
        self.work.mkdir(parents=True, exist_ok=True)

    def call(self, *argv, stdin=b"", before=(), **more):
        """Run `nebulet ARGV...` (after the words of `before`) in the folder
        of the programs."""
        argv = [*before, self.nebulet, *map(str, argv)]
        done = subprocess.run(argv, input=stdin, capture_output=True,
                              timeout=TIME_LIMIT_S, cwd=self.work, **more)
        return Result(argv, done)

    def run(self, *argv, **more):
        return self.call("run", "--on", self.port, *argv, **more)

    def wat(self, name, to=None):
        """The program test/command/NAME.wat; its path in the folder."""
        wasm = to or name + ".wasm"
        subprocess.run(["wat2wasm", "--enable-all", f"test/command/{name}.wat",
                        "-o", self.work / wasm], check=True)
        return wasm

    def text(self, name, module):
        """A program in the text format, NAME.wasm."""
        (self.work / f"{name}.wat").write_text(module)
        subprocess.run(["wat2wasm", "--enable-all", "--no-check",
                        f"{name}.wat", "-o", f"{name}.wasm"], cwd=self.work,
                       check=True)
        return f"{name}.wasm"

    def cc(self, name):
        """The program test/command/NAME.c."""
        wasm = name + ".wasm"
        subprocess.run(["clang", "--target=wasm32-wasi", "-O2", "-Wall",
                        f"test/command/{name}.c", "-o", self.work / wasm],
                       check=True)
        return wasm


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


# --- what programs may ask for -----------------------------------------------


@case
def vectors(t):
    t.run(t.wat("vectors"), stdin=b"abc").ends(0).prints("x" * 3000).quiet()


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


# --- all of them -------------------------------------------------------------


def main():
    out, port, *names = sys.argv[1:]
    tools = Tools(pathlib.Path(out), port)
    passed = failed = 0
    for function in cases:
        if names and function.__name__ not in names:
            continue
        try:
            function(tools)
            passed += 1
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED: {function.__name__}: {error}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0 or passed == 0


sys.exit(main())
