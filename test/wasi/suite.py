#!/usr/bin/env python3
"""test/wasi/suite.py OUT PORT FILES SUITE: run the official WASI preview 1
tests (programs with an optional .json beside them: args, env, root, exit_code,
stdout, stderr) on one port; linux with the sanitizers and the order of locks
checked.  FILES is the option by which a program gets its `root`: --copy-dir, or
--dir, and then that is a copy of ours, or --disk, with ext3 that is made of it
and that e2fsck looks at afterwards.  Ends with "N passed, N failed, N skipped"."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TIME_LIMIT_S = 600


def expectations(wasm):
    file = wasm.with_suffix(".json")
    return json.loads(file.read_text()) if file.exists() else {}


E2FSPROGS = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")


def make_disk(root, image):
    subprocess.run(["mke2fs", "-q", "-t", "ext3", "-d", root, image, "8M"],
                   env=E2FSPROGS, check=True, capture_output=True)
    return image


def disk_problem(image):
    """What e2fsck finds, or None."""
    end = subprocess.run(["e2fsck", "-fn", image], env=E2FSPROGS, text=True,
                         capture_output=True)
    return end.stdout if end.returncode else None


def command(out, port, files, wasm, want, scratch):
    """The command that runs one test; `scratch` is for files of the host's."""
    nebulet = "san/nebulet" if port == "linux" else "nebulet"
    argv = [f"{out}/{nebulet}", "run", "--on", port]
    for key, value in want.get("env", {}).items():
        argv += ["--env", f"{key}={value}"]
    if "root" in want:
        root = wasm.parent / want["root"]
        if files == "--dir":
            root = shutil.copytree(root, pathlib.Path(scratch) / "root",
                                   symlinks=True)
        if files == "--disk":
            root = make_disk(root, pathlib.Path(scratch) / "disk")
        argv += [files, str(root)]
    return argv + [str(wasm)] + want.get("args", [])


def judge(want, got):
    """What is wrong with the outcome, or None."""
    status = want.get("exit_code", 0)
    if got.returncode != status:
        return f"exit status {got.returncode}, expected {status}"
    for stream in ("stdout", "stderr"):
        text = getattr(got, stream).decode(errors="replace")
        if stream in want and text != want[stream]:
            return f"{stream} is {text!r}, expected {want[stream]!r}"
    return None


def run(out, port, files, wasm):
    want = expectations(wasm)
    with tempfile.TemporaryDirectory() as scratch:
        argv = command(out, port, files, wasm, want, scratch)
        try:
            got = subprocess.run(argv, stdin=subprocess.DEVNULL,
                                 capture_output=True, timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            return "no end in sight"
        disk = pathlib.Path(scratch) / "disk"
        problem = judge(want, got) or (disk_problem(disk) if disk.exists()
                                       else None)
    if problem:
        problem += "\n" + got.stderr.decode(errors="replace")[-500:]
    return problem


def main():
    out, port, files, suite = sys.argv[1:]
    passed = failed = 0
    for wasm in sorted(pathlib.Path(suite).glob("*/*.wasm")):
        problem = run(out, port, files, wasm)
        if problem is None:
            passed += 1
        else:
            failed += 1
            print(f"FAILED: {wasm.parent.name}/{wasm.stem}: {problem}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


sys.exit(main())
