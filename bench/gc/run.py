#!/usr/bin/env python3
"""bench/gc/run.py OUT: programs with structs, arrays and casts, beside V8 and
Wasmtime: CPU time of whole processes, compiling included, of which the same with
one turn is taken off; the runs of one program follow each other in every round,
and the least of all rounds counts.  The programs are assembled by the wasmtime
of PyPI (`python3 -m venv`; $WASMTIME_PYTHON is a Python that has it).  $NODE is
a Node of 24 or later (`npm install node@25`); without it there is no column of
V8.  ROUNDS=N (default 5)."""

import math
import os
import pathlib
import resource
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PYTHON = os.environ.get("WASMTIME_PYTHON", sys.executable)
NODE = os.environ.get("NODE", "node")
ROUNDS = int(os.environ.get("ROUNDS", 5))
TURNS = {"arrays": 8_000_000, "casts": 10_000, "list": 1200, "map": 60,
         "queens": 10_000, "trees": 400}

ASSEMBLE = """import sys, wasmtime
sys.stdout.buffer.write(wasmtime.wat2wasm(sys.stdin.read()))"""

WASMTIME = """import sys, wasmtime
config = wasmtime.Config()
config.wasm_gc = config.wasm_function_references = True
store = wasmtime.Store(wasmtime.Engine(config))
module = wasmtime.Module.from_file(store.engine, sys.argv[1])
run = wasmtime.Instance(store, module, []).exports(store)["run"]
print(run(store, int(sys.argv[2])))"""

V8 = """const module = new WebAssembly.Module(
    require("fs").readFileSync(process.argv[1]));
console.log(new WebAssembly.Instance(module).exports.run(
    Number(process.argv[2])));"""


def assemble(out, name):
    wasm = out / f"{name}.wasm"
    text = (HERE / f"{name}.wat").read_bytes()
    wasm.write_bytes(subprocess.run([PYTHON, "-c", ASSEMBLE], input=text,
                                    stdout=subprocess.PIPE, check=True).stdout)
    return wasm


def has_node():
    if shutil.which(NODE) is None:
        return False
    version = subprocess.check_output([NODE, "--version"], text=True)
    return int(version[1:].split(".")[0]) >= 24


def commands(out):
    found = {"nebulet": [out.parent / "nebulet", "run", "--on", "linux",
                         "--invoke", "run"]}
    if has_node():
        found["V8"] = [NODE, "-e", V8]
    found["wasmtime"] = [PYTHON, "-c", WASMTIME]
    return found


def time(command, wasm, turns):
    """The CPU time that it took, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*map(str, command), str(wasm), str(turns)],
                          stdout=subprocess.PIPE, check=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime -
            before.ru_stime, done.stdout)


def measure(wasm, turns, engines):
    least = {}
    printed = set()
    for _ in range(ROUNDS):
        for name, command in engines.items():
            begun, _ = time(command, wasm, 1)
            whole, text = time(command, wasm, turns)
            printed.add(text)
            least[name] = min(least.get(name, math.inf), whole - begun)
    if len(printed) != 1:
        sys.exit(f"{wasm.stem}: results differ: {printed}")
    return least


def main():
    out = pathlib.Path(sys.argv[1]) / "bench-gc"
    out.mkdir(parents=True, exist_ok=True)
    if subprocess.run([PYTHON, "-c", "import wasmtime"], check=False,
                      stderr=subprocess.DEVNULL).returncode != 0:
        sys.exit(f"bench-gc: {PYTHON} has no wasmtime, which assembles: "
                 "see bench/gc/run.py")
    engines = commands(out)
    others = [name for name in engines if name != "nebulet"]
    print("seconds, and ours by theirs")
    print(f"{'program':10} {'nebulet':>8}" +
          "".join(f" {name:>9} ratio" for name in others))
    logs = {name: 0.0 for name in others}
    for name, turns in TURNS.items():
        least = measure(assemble(out, name), turns, engines)
        line = f"{name:10} {least['nebulet']:8.3f}"
        for other in others:
            ratio = least["nebulet"] / least[other]
            logs[other] += math.log(ratio) / len(TURNS)
            line += f" {least[other]:9.3f} {ratio:5.2f}"
        print(line, flush=True)
    print(f"{'geomean':19}" +
          "".join(f" {'':9} {math.exp(logs[name]):5.2f}" for name in others))


main()
