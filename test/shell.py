#!/usr/bin/env python3
"""test/shell.py OUT PORT [WORD...]: the shell and its tools: scripts, each with
what it prints and its exit status.  A WORD picks the cases whose name it is part
of.  Ends with "N passed, N failed, N skipped".

The scripts are in test/shell/scripts.txt; all run in one machine."""

import pathlib
import re
import subprocess
import sys
import tempfile

out, port = pathlib.Path(sys.argv[1]), sys.argv[2]
words = sys.argv[3:]
work = pathlib.Path(tempfile.mkdtemp(dir=out, prefix=f"shell-{port}-"))
nebulet = str(out / "nebulet")
passed = failed = 0
LIMIT_S = 1200  # what takes longer hangs


def verdict(name, problem):
    global passed, failed
    if problem:
        failed += 1
        print(f"FAILED: {name}: {problem}", flush=True)
    else:
        passed += 1


def wanted(name):
    return not words or any(word in name for word in words)


# --- scripts -----------------------------------------------------------------

def read_scripts(path):
    """[name, exit status, script, output] of each case in the file."""
    cases = []
    for text in path.read_text().rstrip("\n").split("\n==== ")[1:]:
        head, _, rest = text.partition("\n")
        script, _, want = rest.strip("\n").partition("\n---\n")
        name, _, status = head.rpartition(": ")
        cases.append([name, int(status), script + "\n",
                      want + "\n" if want else ""])
    return cases


def run_scripts(cases):
    """What each printed, and its exit status, as one text."""
    for number, case in enumerate(cases):
        (work / "cases").mkdir(exist_ok=True)
        (work / "cases" / str(number)).write_text(case[2])
    (work / "files").mkdir()
    (work / "files" / "fruit").write_text("pear\napple\nfig\napple\n")
    (work / "files" / "numbers").write_text("10 x\n9 y\n-1 z\n")
    (work / "files" / "bytes").write_bytes(bytes(range(20)))
    script = "".join(
        f"cd /tmp; shell /cases/{n} one 'two  words' >/out 2>&1; "
        f"echo \"@{n} $?\"; cat /out; echo \"@\"\n" for n in range(len(cases)))
    done = subprocess.run(
        [nebulet, "shell", "--on", port, "--dir", f"{work}/cases::/cases",
         "--dir", f"{work}/files::/files",
         "--dir", f"{out}/user/traps/unreachable.wasm::/bin/trap"],
        input=script.encode(), capture_output=True, timeout=LIMIT_S)
    return done


def check_scripts(cases):
    done = run_scripts(cases)
    text = done.stdout.decode(errors="replace")
    verdict("scripts end", "" if done.returncode == 0 else
            f"status {done.returncode}: {done.stderr[-600:]!r}")
    for number, (name, status, _, want) in enumerate(cases):
        found = re.search(rf"^@{number} (\d+)\n(.*?)^@\n", text, re.M | re.S)
        got = found and (int(found[1]), found[2])
        ok = got and got[0] == status and \
            re.fullmatch(want, got[1]) if want.startswith("(?s)") else \
            got == (status, want)
        verdict(name, "" if ok else f"{got!r}, expected {(status, want)!r}")


check_scripts([case for case in
               read_scripts(pathlib.Path("test/shell/scripts.txt"))
               if wanted(case[0])])
print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed != 0)
