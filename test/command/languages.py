#!/usr/bin/env python3
"""test/command/languages.py OUT [install] [SECTION...]: the examples of
docs/languages.md, word for word, on linux: those whose compiler is there;
with `install` it is installed first.  With names only those sections.  Ends
with "N passed, N failed, N skipped"."""

import os
import pathlib
import re
import subprocess
import sys

TIME_LIMIT_S = 900


def sections(page):
    """Name, the two commands of its head, the example and what it prints."""
    for text in re.split(r"^## ", page, flags=re.M)[1:]:
        name = text.partition("\n")[0]
        there = re.search(r"^There if: `(.*)`$", text, re.M)
        if there is None:
            continue
        installed = re.search(r"^Installed by: `(.*)`$", text, re.M)
        prints = re.search(r"^It prints `(.*)`\.$", text, re.M)
        blocks = re.findall(r"(?:^(?:    .*)?\n)+", text, re.M)
        example = "\n".join(re.sub("^    ", "", block.strip("\n"), flags=re.M)
                            for block in blocks if "    " in block)
        assert installed and prints and example, name
        yield name, there[1], installed[1], example, prints[1]


def shell(text, work, out):
    """The text as a newcomer types it; its status and what it prints.  Nothing
    of `out` but the command is in the way of other commands' names."""
    own = work / "bin"
    own.mkdir(exist_ok=True)
    if not (own / "nebulet").exists():
        (own / "nebulet").symlink_to(out / "nebulet")
    env = dict(os.environ, NEBULET_ON="linux", NEBULET_CACHE="off",
               PATH=f"{own}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-e", "-c", text], cwd=work, env=env,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TIME_LIMIT_S, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def main():
    out = pathlib.Path(sys.argv[1]).resolve()
    install = "install" in sys.argv[2:]
    names = [name for name in sys.argv[2:] if name != "install"]
    page = pathlib.Path("docs/languages.md").read_text(encoding="utf-8")
    work = out / "languages"
    work.mkdir(exist_ok=True)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    found = list(sections(page))
    assert len(found) == page.count("\nThere if: ") >= 10, "a section is lost"
    for name, there, installed, example, prints in found:
        if names and name not in names:
            continue
        here = shell(there, work, out)[0] == 0
        if not here and install:
            said = shell(installed, work, out)[2]
            here = shell(there, work, out)[0] == 0
            if not here:
                print(f"FAILED: {name}: {installed}: {said[-300:]}")
                counts["failed"] += 1
                continue
        if not here:
            print(f"skipped: {name}: not there; `make test-languages` installs it")
            counts["skipped"] += 1
            continue
        status, printed, said = shell(example, work, out)
        good = status == 0 and printed.splitlines()[-1:] == [prints]
        if not good:
            print(f"FAILED: {name}: status {status}, {printed[-300:]!r}, "
                  f"{said[-600:]!r}")
        counts["passed" if good else "failed"] += 1
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    return counts["failed"] != 0


sys.exit(main())
