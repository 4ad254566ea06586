"""test/command/help.py: what tests of the host command share.  A script of
cases is called SCRIPT OUT PORT [NAME...]; with names it runs only those.  It ends
with "N passed, N failed, N skipped"."""

import os
import pathlib
import re
import subprocess
import sys

TIME_LIMIT_S = 300

cases = []
skipped = []


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
        # Scripts run beside each other.
        self.work = out / f"{pathlib.Path(sys.argv[0]).stem}-{port}"
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
        """The program test/command/programs/NAME.wat; its path in the folder."""
        wasm = to or name + ".wasm"
        subprocess.run(["wat2wasm", "--enable-all", f"test/command/programs/{name}.wat",
                        "-o", self.work / wasm], check=True)
        return wasm

    def text(self, name, module):
        """A program in the text format, NAME.wasm."""
        (self.work / f"{name}.wat").write_text(module)
        subprocess.run(["wat2wasm", "--enable-all", "--no-check",
                        f"{name}.wat", "-o", f"{name}.wasm"], cwd=self.work,
                       check=True)
        return f"{name}.wasm"

    def cc(self, name, *flags):
        """The program test/command/programs/NAME.c."""
        wasm = name + ".wasm"
        subprocess.run(["clang", "--target=wasm32-wasi", "-O2", "-Wall",
                        *flags, f"test/command/programs/{name}.c", "-o",
                        self.work / wasm],
                       check=True)
        return wasm


    def mortal(self, server):
        """The command with a server of files that dies when it is told to."""
        place = self.work / "mortal"
        (place / "user").mkdir(parents=True, exist_ok=True)
        for name in ("nebulet", "nebulet.elf"):
            (place / name).unlink(missing_ok=True)
            if (self.out / name).exists():
                os.link(self.out / name, place / name)
        made = self.out / "user"
        subprocess.run(["clang", "--target=wasm32-wasi", "-O2", "-Wall",
                        f"-I{made}/include", "-Iuser/libsip",
                        *made.glob(f"obj/{server}/*.c.o"),
                        *made.glob("obj/libsip/*.c.o"),
                        "test/command/programs/mortal.c",
                        "-Wl,--wrap=sip_serve_files", "-o",
                        place / "user" / f"{server}.wasm"], check=True)
        return place.resolve() / "nebulet"

    def deaths(self, server, *words):
        """Run deaths.c with that; the end."""
        command = [self.mortal(server), "run", "--on", self.port, *words,
                   self.cc("deaths"), "/w"]
        return Result(command, subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=TIME_LIMIT_S, cwd=self.work))


def skip(what, why):
    """Count as skipped, with a reason for the end of the test."""
    skipped.append(what)
    print(f"skipped: {what}: {why}")


def main(tools):
    out, port, *names = sys.argv[1:]
    t = tools(pathlib.Path(out), port)
    passed = failed = 0
    for function in cases:
        if names and function.__name__ not in names:
            continue
        before = len(skipped)
        try:
            function(t)
            passed += len(skipped) == before
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED: {function.__name__}: {error}")
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
    return failed != 0 or passed + len(skipped) == 0
