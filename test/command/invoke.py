#!/usr/bin/env python3
"""test/command/invoke.py OUT PORT [NAME...]: `nebulet run --invoke`,
functions called with typed arguments, and `--preload`, modules linked under
names.  Ends with "N passed, N failed, N skipped"."""

import random
import struct
import sys

sys.dont_write_bytecode = True
from help import Tools, case, main

MATH = """(module
  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "v128") (param v128) (result v128) (local.get 0))
  (func (export "all") (param i32 i64 f32 f64 v128)
    (result v128 f64 f32 i64 i32)
    (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (func (export "nothing"))
  (func (export "trap") (result i32) unreachable)
  (func (export "take") (param externref))
  (func (export "give") (result funcref) (ref.null func))
  (memory (export "memory") 1))"""


def lines(*texts):
    return "".join(f"{text}\n" for text in texts)


def math(t):
    return t.text("math", MATH)


# --- --invoke --------------------------------------------------------------------


@case
def values(t):
    """What goes in comes out, with the sign of integers and the shortest text of
    floats."""
    for kind, given, printed in (
            ("i32", "-1", "-1"), ("i32", "4294967295", "-1"),
            ("i32", "-2147483648", "-2147483648"), ("i32", "0xff", "255"),
            ("i64", "9223372036854775807", "9223372036854775807"),
            ("i64", "18446744073709551615", "-1"), ("i64", "-0x10", "-16"),
            ("i64", "-9223372036854775808", "-9223372036854775808"),
            ("f32", "0.1", "0.1"), ("f32", "16777217", "16777216"),
            ("f64", "0.1", "0.1"), ("f64", "-0", "-0"), ("f64", "1e21", "1e+21"),
            ("f64", "inf", "inf"), ("f64", "-inf", "-inf"), ("f64", "nan", "nan"),
            ("f64", "0x1.8p1", "3"), ("f64", "5e-324", "5e-324"),
            ("v128", "0x1", "0x" + "0" * 31 + "1"),
            ("v128", "0x123456789abcdef", "0x" + "0" * 17 + "123456789abcdef"),
            ("v128", "0x0123456789abcdeffedcba9876543210",
             "0x0123456789abcdeffedcba9876543210")):
        t.run("--invoke", kind, math(t), given).ends(0).quiet().prints(
            lines(printed))


@case
def several_values(t):
    t.run("--invoke=add", math(t), "40", "2").ends(0).quiet().prints("42\n")
    t.run("--invoke", "add", "--", math(t), "-40", "-2").ends(0).prints("-42\n")
    t.run("--invoke", "all", math(t), "-7", "8", "0.5", "1e300", "0xa0000000000000000"
          ).ends(0).quiet().prints(lines("0x" + "0" * 14 + "0a" + "0" * 16, "1e+300",
                                         "0.5", "8", "-7"))
    t.run("--invoke", "nothing", math(t)).ends(0).quiet().prints("")


@case
def a_product_of_128_bits(t):
    """By halves, with something between its lower and its upper half, is one
    instruction, and right."""
    product = t.text("product",
                     open("test/fuzz/found/mul_wide_apart.wat").read())
    for a, b in ((0xfedcba9876543210, 0x123456789abcdef1), (2**64 - 1, 2**64 - 1),
                 (0, 2**64 - 1), (2**63, 2), (3, 5)):
        words = a * b % 2**64, ((a * b >> 64) + (a ^ b)) % 2**64
        t.run("--invoke", "product", product, hex(a), hex(b)).ends(0).prints(
            lines(*(w - 2**64 if w >= 2**63 else w for w in words)))


@case
def of_a_code_file(t):
    t.call("compile", "--baseline", "-o", "math.neb", math(t)).ends(0).quiet()
    t.run("--invoke", "add", "math.neb", "40", "2").ends(0).quiet().prints("42\n")
    t.run("--invoke", "ad", "math.neb", "1").ends(1)


@case
def floats_by_chance(t):
    """Python reads from what is printed the same double, many at once."""
    chance = random.Random(5)
    doubles = [struct.unpack("<d", chance.randbytes(8))[0] for _ in range(900)]
    doubles = [d for d in doubles if d == d]
    kinds = " f64" * len(doubles)
    wasm = t.text("floats", f"(module (func (export \"f\") (param{kinds}) "
                  f"(result{kinds}) " +
                  " ".join(f"local.get {i}" for i in range(len(doubles))) + "))")
    end = t.run("--invoke", "f", wasm, *map(repr, doubles)).ends(0).quiet()
    end.want([float(line) for line in end.out.split()] == doubles, "the same")
    end.want(all(len(line) <= len(repr(d)) + 6 for line, d in
                 zip(end.out.split(), doubles)), "not longer than needed")


@case
def calls_that_do_not_return(t):
    t.run("--invoke", "trap", math(t)).ends(134).prints("").says(
        r"^nebulet: math\.wasm: trap: unreachable$")
    wasm = t.text("leaves", """(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory 1) (func (export "f") (param i32) (result i32)
        (call $exit (local.get 0)) (i32.const 1)))""")
    t.run("--invoke", "f", wasm, "7").ends(7).prints("").quiet()
    wasm = t.text("stays", '(module (func (export "f") (loop (br 0))))')
    t.run("--timeout", "300ms", "--invoke", "f", wasm).ends(124).prints("")


REACTOR = """(module (global $set (mut i32) (i32.const 0))
  (func $start (global.set $set (i32.const 1)))
  (start $start)
  (func (export "_initialize")
    (global.set $set (i32.add (global.get $set) (i32.const 10))))
  (func (export "_start") unreachable)
  (func (export "get") (result i32) (global.get $set)))"""


@case
def reactors(t):
    """The start function and _initialize come first, _start does not."""
    t.run("--invoke", "get", t.text("reactor", REACTOR)).ends(0).prints("11\n")
    wasm = t.text("bad-reactor", '(module (func (export "_initialize") '
                  'unreachable) (func (export "f")))')
    t.run("--invoke", "f", wasm).ends(134).says("trap: unreachable$")


@case
def world_of_a_call(t):
    """It has the environment, and argument 0 alone."""
    wasm = t.text("world", """(module
      (import "wasi_snapshot_preview1" "args_sizes_get"
        (func $args (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "environ_sizes_get"
        (func $environ (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "f") (param i32) (result i32 i32)
        (drop (call $args (i32.const 0) (i32.const 4)))
        (drop (call $environ (i32.const 8) (i32.const 12)))
        (i32.load (i32.const 0)) (i32.load (i32.const 8))))""")
    t.run("--env", "A=1", "--env", "B=2", "--invoke", "f", wasm, "5").ends(
        0).prints("1\n2\n")


@case
def calls_that_are_none(t):
    """One line; 1 where the module is to blame, 2 where the words are."""
    def refused(status, pattern, *words):
        t.run("--invoke", *words).ends(status).lines(1).prints("").says(
            f"^nebulet: {pattern}")

    refused(1, 'math.wasm: there is no function "ad" to call; it exports add, i32, '
            "i64, f32, f64, v128, all, nothing, trap, take, give$", "ad", math(t))
    refused(1, 'math.wasm: there is no function "memory" to call', "memory", math(t))
    refused(1, 'none.wasm: there is no function "f" to call, it exports none$', "f",
            t.text("none", "(module)"))
    many = " ".join(f'(func (export "f{i}"))' for i in range(1000))
    refused(1, r'many.wasm: there is no function "g" to call; it exports f0, .*f\d+'
            r", \.\.\.$", "g", t.text("many", f"(module {many})"))
    refused(1, "math.wasm: take takes a reference, which --invoke cannot give$",
            "take", math(t), "1")
    refused(1, "math.wasm: give returns a reference, which --invoke cannot print$",
            "give", math(t))
    refused(2, r"run: --invoke add: it takes 2 arguments, 1 is given \(", "add",
            math(t), "1")
    refused(2, r"run: --invoke f64: it takes 1 argument, 0 are given \(", "f64",
            math(t))
    refused(2, r"run: --invoke nothing: it takes 0 arguments, 1 is given \(",
            "nothing", math(t), "1")
    for kind, words in (
            ("i32", ("", "x", "1x", "4294967296", "-2147483649", "1.5", "--1", "+1",
                     " 1", "0x", "1e3")),
            ("i64", ("18446744073709551616", "-9223372036854775809", "1 ")),
            ("f32", ("", "x", "1.5x", " 1")), ("f64", ("1e5z", "one")),
            ("v128", ("1", "0x", "0xg", "0x" + "1" * 33))):
        for word in words:
            refused(2, f"run: --invoke {kind}: argument 1, .*: not a number of type "
                    f"{kind} \\(", kind, math(t), word)
    refused(1, "broken.wasm: offset 0x0: ", "f", broken(t))


def broken(t):
    (t.work / "broken.wasm").write_bytes(b"no module")
    return "broken.wasm"


# --- --preload -------------------------------------------------------------------

USER = """(module
  (import "math" "add" (func $add (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (call $add (i32.const 40) (i32.const 2))))
  (func (export "twice") (param i32) (result i32)
    (call $add (local.get 0) (local.get 0))))"""


def user(t):
    return t.text("user", USER)


@case
def linked(t):
    t.run("--preload", f"math={math(t)}", user(t)).ends(42).quiet()
    t.run(f"--preload=math={math(t)}", "--invoke", "twice", user(t), "21").ends(
        0).prints("42\n")


@case
def everything_is_linked(t):
    """Memories, tables and globals of a library, changed by both."""
    library = t.text("library", """(module
      (memory (export "memory") 1)
      (table (export "table") 2 funcref)
      (global (export "global") (mut i32) (i32.const 5))
      (tag (export "tag") (param i32))
      (data (i32.const 0) "\\07")
      (func (export "peek") (param i32) (result i32)
        (i32.load8_u (local.get 0)))
      (func $six (result i32) (i32.const 6))
      (elem (i32.const 0) $six))""")
    program = t.text("program", """(module
      (import "lib" "memory" (memory 1))
      (import "lib" "table" (table 2 funcref))
      (import "lib" "global" (global $g (mut i32)))
      (import "lib" "peek" (func $peek (param i32) (result i32)))
      (type $f (func (result i32)))
      (func $eight (result i32) (i32.const 8))
      (elem (i32.const 1) $eight)
      (func (export "f") (result i32 i32 i32 i32 i32)
        (i32.store8 (i32.const 1) (i32.const 9))
        (global.set $g (i32.add (global.get $g) (i32.const 1)))
        (i32.load8_u (i32.const 0)) (call $peek (i32.const 1)) (global.get $g)
        (call_indirect (type $f) (i32.const 0))
        (call_indirect (type $f) (i32.const 1))))""")
    t.run("--preload", f"lib={library}", "--invoke", "f", program).ends(0).prints(
        lines(7, 9, 6, 6, 8))


STEPS = """(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\08\\00\\00\\00\\03\\00\\00\\00NAME")
  (func $say (param i32)
    (i32.store8 (i32.const 10) (local.get 0))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1)
                       (i32.const 20))))
  (func $start (call $say (i32.const 83))) (start $start)
  (func (export "_initialize") (call $say (i32.const 73)))
  (func (export "run") (call $say (i32.const 82))))"""


@case
def order(t):
    """Libraries are initialised in their order, before the program; each writes
    from its own memory."""
    for name in ("a", "b"):
        t.text(name, STEPS.replace("NAME", f"{name}-0 "))
    main_module = t.text("main", STEPS.replace("NAME", "m-0 ").replace(
        "(import", '(import "b" "run" (func $b)) (import "a" "run" (func $a)) (import',
        1) .replace("_initialize", "_start").replace(
            "(call $say (i32.const 73))",
            "(call $b) (call $a) (call $say (i32.const 77))"))
    t.run("--preload", "a=a.wasm", "--preload", "b=b.wasm", main_module).ends(
        0).quiet().prints("a-Sa-Ib-Sb-Im-Sb-Ra-Rm-M")


@case
def libraries_of_libraries(t):
    """Later ones import of earlier ones; the other way round it is missing, and
    the message is of the module that misses it."""
    lower = t.text("lower", '(module (func (export "one") (result i32) '
                   "(i32.const 1)))")
    upper = t.text("upper", '(module (import "lower" "one" (func (result i32))) '
                   '(export "uno" (func 0)) (export "one" (func 0)))')
    program = t.text("above", '(module (import "upper" "uno" '
                     '(func $f (result i32))) (func (export "f") (result i32) '
                     "(call $f)))")
    both = ["--preload", f"lower={lower}", "--preload", f"upper={upper}"]
    t.run(*both, "--invoke", "f", program).ends(0).prints("1\n")
    t.run(*both[2:], *both[:2], "--invoke", "f", program).ends(1).lines(1).says(
        '^nebulet: upper.wasm: offset 0x[0-9a-f]+: unknown import "lower" "one"$')


@case
def what_is_missing(t):
    def refused(*lines_, modules):
        end = t.run(*modules).ends(1).lines(len(lines_)).prints("")
        for line in lines_:
            end.says(f"^nebulet: {line}$")

    refused('user.wasm: offset 0x[0-9a-f]+: unknown import "math" "add"',
            modules=[user(t)])
    other = t.text("other", '(module (func (export "sub")) '
                   '(func (export "add") (param i64)))')
    refused('user.wasm: offset 0x[0-9a-f]+: incompatible import type "math" "add"',
            modules=["--preload", f"math={other}", user(t)])
    wants = t.text("wants", """(module (import "l" "f" (func))
        (import "l" "memory" (memory 1)) (import "k" "memory" (memory 1))
        (import "l" "g" (global i32)) (func (export "_start")))""")
    refused(*(f'wants.wasm: offset 0x[0-9a-f]+: unknown import "l" "{name}"'
              for name in ("f", "memory", "g")),
            modules=["--preload", f"l={t.text('empty', '(module)')}", wants])
    refused(r"broken.wasm: offset 0x0: .*",
            modules=["--preload", f"l={broken(t)}", user(t)])
    refused("no.wasm: No such file or directory",
            modules=["--preload", "math=no.wasm", user(t)])
    traps = t.text("traps", "(module (func $f unreachable) (start $f))")
    t.run("--preload", f"math={math(t)}", "--preload", f"x={traps}", user(t)).ends(
        134).says("trap: unreachable$")
    data = t.text("data", '(module (memory 1) (data (i32.const 65536) "x"))')
    refused("data.wasm: offset 0x[0-9a-f]+: out of bounds memory access: .*",
            modules=["--preload", f"math={math(t)}", "--preload", f"x={data}",
                     user(t)])


@case
def misused(t):
    for words in (["math"], ["=x.wasm"], ["math="], [""]):
        t.run("--preload", *words, user(t)).ends(2).lines(1).says(
            f"^nebulet: run: --preload {words[0]}: not of the form NAME=FILE \\(")
    t.run("--preload", "a=x", "--preload", "a=y", user(t)).ends(2).lines(1).says(
        "^nebulet: run: --preload a=y: there is a a already")
    many = [w for i in range(17) for w in ("--preload", f"l{i}=x")]
    t.run(*many, user(t)).ends(2).lines(1).says(
        "^nebulet: run: --preload l16=x: more than 16 libraries")
    sixteen = [w for i in range(15) for w in ("--preload", f"l{i}={math(t)}")]
    t.run(*sixteen, "--preload", f"math={math(t)}", user(t)).ends(42).quiet()


@case
def instead_of_the_host(t):
    """A library may stand for a module of ours; the rest is found there."""
    library = t.text("exits", """(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (func (export "proc_exit") (param i32) (call $exit (i32.const 99))))""")
    t.run("--preload", f"wasi_snapshot_preview1={library}", "--preload",
          f"math={math(t)}", user(t)).ends(99).quiet()


@case
def threads_with_libraries(t):
    """A thread has its own instance's globals, and the library's functions."""
    program = t.text("threads", """(module
      (import "math" "add" (func $add (param i32 i32) (result i32)))
      (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
      (memory (export "memory") 1 1 shared)
      (func (export "wasi_thread_start") (param i32 i32)
        (i32.atomic.store (i32.const 0)
                          (call $add (local.get 1) (i32.const 1)))
        (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
      (func (export "f") (result i32)
        (drop (call $spawn (i32.const 41)))
        (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
        (i32.atomic.load (i32.const 0))))""")
    t.run("--preload", f"math={math(t)}", "--invoke", "f", program).ends(
        0).quiet().prints("42\n")


sys.exit(main(Tools))
