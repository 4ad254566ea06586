#!/usr/bin/env python3
"""test/command/progress.py OUT: how far long work is: shown on a terminal,
erased at the end, and nowhere else.  Ends with "N passed, N failed, N
skipped"."""

import os
import pathlib
import pty
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from help import Tools, case, main

COMPILING = r"\rnebulet: compiling big\.wasm: (\d+) %\x1b\[K"
PACKING = r"\rnebulet: packing files: (\d+) %\x1b\[K"
ERASED = "\r\x1b[K"


class Slow(Tools):
    """The command with sanitizers takes more than a second for little."""

    def __init__(self, out, port):
        super().__init__(out, port)
        self.slow = str(out.resolve() / "san/nebulet")
        self.work = out / "progress"
        self.work.mkdir(exist_ok=True)
        subprocess.run([sys.executable, "test/latency/big.py", "small_code", "12000000",
                        self.work / "big.wasm"], check=True)
        (self.work / "files").mkdir(exist_ok=True)
        for name, size in (("large", 101 << 20), ("little", 90 << 20)):
            (self.work / name).mkdir(exist_ok=True)
            (self.work / name / "hole").write_bytes(b"")
            os.truncate(self.work / name / "hole", size)

    def shown(self, *words, streams="2"):
        """What comes on a terminal that is those streams; the exit status."""
        ours, theirs = pty.openpty()
        where = {name: theirs if name in streams else subprocess.PIPE
                 for name in "12"}
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=where["1"],
                              stderr=where["2"], cwd=self.work) as running:
            os.close(theirs)
            text = b""
            while True:
                try:
                    got = os.read(ours, 65536)
                except OSError:
                    got = b""
                if not got:
                    break
                text += got
            rest = b"".join(running.communicate(timeout=100)[i] or b""
                            for i in (0, 1))
        os.close(ours)
        return text.decode(), running.returncode, rest.decode()


def steps(text, pattern):
    """The percentages, which are all that is there, and erased at the end."""
    found = [int(n) for n in re.findall(pattern, text)]
    assert re.fullmatch(f"({pattern})+" + re.escape(ERASED), text), text[:300]
    assert found == sorted(found) and found[-1] <= 100, found
    return found


@case
def compiling(t):
    text, status, rest = t.shown(t.slow, "compile", "big.wasm")
    assert (status, rest) == (0, "") and len(steps(text, COMPILING)) > 1, text
    text, status, rest = t.shown(t.slow, "run", "--on", "linux", "--cache",
                                 "kept", "big.wasm")
    assert (status, rest) == (0, "") and len(steps(text, COMPILING)) > 1, text
    (t.work / "kept").joinpath("none").write_text("")
    for path in (t.work / "kept").iterdir():
        path.unlink()


@case
def packing(t):
    hello = t.text("hello", '(module (func (export "_start")))')
    run = [t.nebulet, "run", "--on", "linux", "--copy-dir"]
    text, status, rest = t.shown(*run, "large", hello)
    assert (status, rest) == (0, "") and steps(text, PACKING), text
    assert t.shown(*run, "little", hello) == ("", 0, "")


@case
def a_message_between(t):
    """It has a line of its own."""
    lost = t.work / "large/lost"
    lost.unlink(missing_ok=True)
    os.mkfifo(lost)
    hello = t.text("hello", '(module (func (export "_start")))')
    text, status, _ = t.shown(t.nebulet, "run", "--on", "linux", "--copy-dir",
                              "large", hello)
    lost.unlink()
    assert status == 0, text
    assert re.search(r"\r\x1b\[Knebulet: large/lost: .*: left out\r\n", text), text


@case
def not_on_a_terminal(t):
    assert t.shown(t.slow, "compile", "big.wasm", streams="1") == ("", 0, "")
    hello = t.text("hello", '(module (func (export "_start")))')
    assert t.shown(t.nebulet, "run", "--on", "linux", "--copy-dir", "large",
                   hello, streams="1") == ("", 0, "")


@case
def nothing_short(t):
    hello = t.text("hello", '(module (func (export "_start")))')
    assert t.shown(t.nebulet, "compile", hello) == ("", 0, "")


sys.argv.insert(2, "linux")
sys.exit(main(Slow))
