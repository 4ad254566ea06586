#!/usr/bin/env python3
"""test/hostile/fuzz.py SEED ROUNDS [quiet]: print a module (text) that calls
every import of nebulet and WASI with edge arguments, from four threads, while a
fifth grows the memory and changes the table.  What ends the process or waits
for good is left out of the main thread; the process ends with status 0 after
ROUNDS calls, or after LIMIT_S seconds: the threads spawn more of themselves,
and the main thread gets only its share.  With "quiet" nothing is written to the
streams.

The calls come from abi/syscalls.def and wasi/calls.def."""

import re
import sys

seed, rounds = int(sys.argv[1]), int(sys.argv[2])
quiet = "quiet" in sys.argv[3:]
LIMIT_S = 20
# What a kind takes; other kinds are made of these by the tables themselves.
LETTERS = {"NONE": "", "HANDLE": "i", "OPTION": "i", "ANY": "i", "U32": "i",
           "U64": "l", "BYTES": "ii", "BUFFER": "ii", "WORD": "i",
           "ITEMS": "ii", "OUT_U32": "i", "OUT_U64": "i"}
ENDS = {"process_exit", "thread_exit", "proc_exit"}
WAITS = {"process_wait", "stream_read", "stream_write", "port_wait", "channel_read", "channel_call", "object_wait_one", "object_wait_many", "pfex_acquire", "thread_join", "thread_sleep", "poll_oneoff"}
WRITES = {"fd_write", "log_write"}


def without_comments(path):
    return re.sub(r"//.*", "", open(path).read())


def letters_of(args, letters):
    kinds = re.findall(r"\b([A-Z0-9_]+)\b(?=\(|\s*$|\s)", args)
    return "".join(letters[k] for k in kinds)


def letters_in(text):
    letters = dict(LETTERS)
    for kind, args in re.findall(
            r"(?m)^#define (\w+)\([^)]*\) +(\w+\(.*)$", text):
        if not kind.startswith(("SYSCALL", "CALL")):
            letters[kind] = letters_of(args, letters)
    return letters


def nebulet_calls():
    text = without_comments("abi/syscalls.def")
    kinds = letters_in(text)
    for form, name, args in re.findall(
            r'(SYSCALL\w*)\(\s*\d+,\s*(\w+),\s*"[^"]*",'
            r'\s*((?:\w+(?:\([^)]*\))?\s*)*)\)', text):
        letters = ("i" if form == "SYSCALL_IN_MEMORY"
                   else letters_of(args, kinds))
        yield "nebulet", name, letters + ":i"


def wasi_calls():
    text = without_comments("wasi/calls.def")
    kinds = letters_in(text)
    text = re.sub(r"(?m)^#.*", "", text)
    for kind, name, args in re.findall(
            r"(CALL\w*)\((\w+),\s*((?:\w+(?:\([^)]*\))?\s*)*)\)", text):
        sig = letters_of(args, kinds) + (":" if kind == "CALL_EXIT" else ":i")
        yield "wasi_snapshot_preview1", name, sig
        yield "wasi_unstable", name, sig


def types(letters):
    return " ".join("i32" if c == "i" else "i64" for c in letters)


calls = [c for c in list(nebulet_calls()) + list(wasi_calls())
         if c[1] not in ENDS and not (quiet and c[1] in WRITES)]
calls.sort(key=lambda c: c[1] in WAITS)  # those that wait come last
safe = sum(c[1] not in WAITS for c in calls)
assert len(calls) > 60

print("(module")
print('  (import "nebulet" "process_exit"'
      ' (func $process_exit (param i32) (result i32)))')
for k, (module, name, sig) in enumerate(calls):
    args, results = sig.split(":")
    print(f'  (import "{module}" "{name}" (func $c{k}'
          f' (param {types(args)}) (result {types(results)})))')
print("  (memory 2 40) (table 8 64 funcref)")
print("  (global $seed (mut i32) (i32.const 0))")
print("  (elem (i32.const 0) $worker $grower $short $short)")
print(r"""
  (func $random (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed)
      (i32.const 1664525)) (i32.const 1013904223)))
    (i32.xor (i32.shr_u (global.get $seed) (i32.const 9))
      (i32.shl (global.get $seed) (i32.const 17))))
  (func $size (result i32) (i32.shl (memory.size) (i32.const 16)))
  (func $e32 (result i32) (local $k i32)
    (local.set $k (i32.rem_u (call $random) (i32.const 24)))""")
EDGES = ["i32.const 0", "i32.const 1", "i32.const 2", "i32.const 3",
         "i32.const 4", "i32.const 0x7fffffff", "i32.const 0x80000000",
         "i32.const 0xffffffff", "i32.const 0xfffffffc", "call $size",
         "i32.sub (call $size) (i32.const 1)", "i32.const 0x100001",
         "i32.sub (call $size) (i32.const 4)", "i32.const 0x200002",
         "i32.sub (call $size) (i32.const 8)", "i32.const 1024",
         "i32.add (call $size) (i32.const 1)", "i32.load (i32.const 64)"]
for k, edge in enumerate(EDGES):
    print(f"    (if (i32.eq (local.get $k) (i32.const {k})) (then"
          f" (return ({edge}))))")
print("""    (if (i32.lt_u (local.get $k) (i32.const 22))
      (then (return (i32.and (call $random) (i32.const 0x1ffff)))))
    (call $random))
  (func $e64 (result i64)
    (if (i32.and (call $random) (i32.const 1))
      (then (return (i64.extend_i32_s (call $e32)))))
    (i64.or (i64.extend_i32_u (call $e32))
      (i64.shl (i64.extend_i32_u (call $e32)) (i64.const 32))))""")
for k, (module, name, sig) in enumerate(calls):
    args, results = sig.split(":")
    values = " ".join("(call $e32)" if c == "i" else "(call $e64)"
                      for c in args)
    call = f"(call $c{k} {values})"
    print(f"  (func $f{k} {'(drop ' + call + ')' if results else call})")
print("  (func $one (param $count i32) (local $k i32)")
print("    (local.set $k (i32.rem_u (call $random) (local.get $count)))")
for k in range(len(calls)):
    print(f"    (if (i32.eq (local.get $k) (i32.const {k}))"
          f" (then (call $f{k})))")
print("  )")
spawn = next(k for k, c in enumerate(calls) if c[1] == "thread_spawn")
clock = next(k for k, c in enumerate(calls) if c[1] == "clock_get")
yields = next(k for k, c in enumerate(calls) if c[1] == "thread_yield")
print(f"""
  (func $fill (local $i i32)
    (loop $again
      (i32.store (local.get $i) (call $e32))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 4096)))))
  (func $worker (param i32)
    (global.set $seed (local.get 0))
    (loop $again (call $one (i32.const {len(calls)})) (br $again)))
  (func $short (param i32) (call $one (i32.const {safe})))
  (func $grower (param i32)
    (loop $again
      (drop (memory.grow (i32.const 1)))
      (drop (table.grow 0 (ref.null func) (i32.const 1)))
      (table.set 0 (i32.const 5) (ref.func $short))
      (drop (call $c{yields}))
      (table.set 0 (i32.const 5) (ref.null func))
      (call $fill)
      (br $again)))
  (func $now (result i64)
    (drop (call $c{clock} (i32.const 0) (i32.const 65528)))
    (i64.load (i32.const 65528)))
  (func (export "_start") (local $i i32) (local $end i64)
    (global.set $seed (i32.const {seed * 7919 + 1}))
    (local.set $end (i64.add (call $now) (i64.const {LIMIT_S}000000000)))
    (call $fill)
    (loop $spawn
      (drop (call $c{spawn} (i32.eq (local.get $i) (i32.const 4))
        (i32.add (call $random) (local.get $i)) (i32.const 65536) (i32.const 64)))
      (br_if $spawn (i32.lt_u (local.tee $i (i32.add (local.get $i)
        (i32.const 1))) (i32.const 5))))
    (local.set $i (i32.const {rounds}))
    (loop $again
      (call $one (i32.const {safe}))
      (if (i64.lt_u (call $now) (local.get $end)) (then
        (br_if $again (local.tee $i
          (i32.sub (local.get $i) (i32.const 1)))))))
    (drop (call $process_exit (i32.const 0)))))""")
