#!/usr/bin/env python3
"""test/command/profiles.py OUT PORT [NAME...]: what `nebulet run --profile` and --perf write:
functions by their names, as often as they should be found.  Ends with "N passed, N
failed, N skipped"."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree

sys.dont_write_bytecode = True
from help import Tools, case, main

# hot() runs three times as long as cold(); deep() is five deep.
PROGRAM = """
volatile unsigned sink;
#define FUNCTION __attribute__((noinline)) void
FUNCTION spin(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sink = sink * 3 + i;
}
FUNCTION cold(unsigned n) { spin(n); sink++; }
FUNCTION hot(unsigned n) { spin(3 * n); sink++; }
FUNCTION deep(unsigned n, unsigned turns)
{
    if (n == 0)
        spin(turns);
    else
        deep(n - 1, turns);
    sink++;
}
int main(void)
{
    for (int i = 0; i < 40; i++) {
        hot(TURNS);
        cold(TURNS);
        deep(4, TURNS);
    }
    return 7;
}
"""


def program(t):
    (t.work / "hot.c").write_text(PROGRAM)
    turns = 3000000 if t.port == "linux" else 300000
    t.compile("hot.c", f"-DTURNS={turns}u", "-O1")
    return "hot.wasm"


def stacks(t, name):
    """Lines "A;B;C COUNT" as a dict."""
    lines = (t.work / name).read_text().splitlines()
    found = {}
    for line in lines:
        stack, number = line.rsplit(" ", 1)
        assert stack not in found, f"twice: {line}"
        found[stack] = int(number)
    assert sorted(found) == list(found), "they are not sorted"
    return found


def below(found, *functions):
    """Samples whose stack has these functions, each called by the one before."""
    return sum(count for stack, count in found.items()
               if f";{';'.join(functions)};" in f";{stack};")


@case
def folded_stacks(t):
    t.run("--profile", "out.txt", program(t)).ends(7).quiet().prints("")
    found = stacks(t, "out.txt")
    total = sum(found.values())
    assert total >= 50, found
    hot, cold = below(found, "hot", "spin"), below(found, "cold", "spin")
    deep = below(found, *["deep"] * 5, "spin")
    assert hot + cold + deep >= 0.9 * total, found
    assert 0.45 * total < hot < 0.75 * total, found
    assert 0.1 * total < cold < 0.32 * total, found
    assert 0.1 * total < deep < 0.32 * total, found
    assert below(found, "main", "hot") + below(found, "__original_main", "hot") \
        + below(found, "__main_void", "hot") >= 0.9 * hot, found


@case
def flame_graph(t):
    """The bars are as wide as their samples, and above their callers'."""
    t.run("--profile", "out.svg", program(t)).ends(7).quiet()
    root = xml.etree.ElementTree.parse(t.work / "out.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    bars = {}
    for group in root.iter(f"{space}g"):
        title = group.find(f"{space}title").text
        name, samples = re.fullmatch(r"(.*) \((\d+) samples, [0-9.]+%\)",
                                     title).groups()
        rect = group.find(f"{space}rect").attrib
        bars.setdefault(name, []).append(
            (int(samples), float(rect["x"]), float(rect["y"]),
             float(rect["width"])))
    total = int(re.search(r"(\d+) samples", root.find(f"{space}text").text)[1])
    for rows in bars.values():
        for samples, _, _, width in rows:
            assert abs(width - samples * 1180 / total) < 0.2, rows
    (hot,), spins = bars["hot"], bars["spin"]
    above = [s for s in spins if s[2] == hot[2] - 17 and
             hot[1] - 0.1 <= s[1] <= hot[1] + hot[3]]
    assert len(above) == 1 and above[0][0] >= 0.9 * hot[0], (hot, spins)


@case
def all_programs(t):
    """Names that are none, and what several CPUs have counted."""
    t.run("--smp", "2", "--profile", "two.txt", "--beside", program(t),
          "hot.wasm").ends(7)
    found = stacks(t, "two.txt")
    assert below(found, "hot", "spin") > 0, found


# Functions of names that would be something else in a line or in a graph.
NAMES = ["a;b", "<&>\"'", "\u00e9" * 100, "\U0001f600" * 3000, "\ufffe", "line\nend",
         "last 7"]


def leb(value):
    return bytes([value & 127 | 128, value >> 7 & 127 | 128, value >> 14])


def with_names(wasm, names):
    """A module with a section of these names of its functions."""
    rows = [name.encode() for name in names]
    part = leb(len(rows)) + b"".join(bytes([i]) + leb(len(row)) + row
                                     for i, row in enumerate(rows))
    section = b"\4name\1" + leb(len(part)) + part
    return wasm + b"\0" + leb(len(section)) + section


@case
def strange_names(t):
    count = len(NAMES)
    funcs = "".join(f"""(func (param $n i32) (local $i i32)
        {f"(call {i + 1} (local.get $n))" if i + 1 < count else ""}
        (loop (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 3)))
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                               (local.get $n)))))""" for i in range(count))
    turns = 30000000 if t.port == "linux" else 6000000
    wasm = t.text("strange", f"""(module {funcs} (memory 1)
        (table funcref (elem {" ".join(map(str, range(count)))}))
        (func (export "_start") (call_indirect (param i32) (i32.const {turns})
                                               (i32.const 0))))""")
    (t.work / wasm).write_bytes(with_names((t.work / wasm).read_bytes(), NAMES))
    for name in ("strange.svg", "strange.txt"):
        t.run("--profile", name, wasm).ends(0).quiet()
    seen = {name for stack in stacks(t, "strange.txt") for name in stack.split(";")}
    assert {"a:b", "<&>\"'", "\u00e9" * 100, "\\xef\\xbf\\xbe", "\U0001f600" * 63, "line\\nend",
            "last 7"} <= seen, seen
    root = xml.etree.ElementTree.parse(t.work / "strange.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    titles = " ".join(e.text for e in root.iter(f"{space}title"))
    assert "<&>\"' (" in titles and "\U0001f600" * 63 in titles, titles[:1000]


@case
def map_for_perf(t):
    if t.port != "linux":
        t.run("--perf", program(t)).ends(7).lines(1).says(
            "^nebulet: note: --perf has no effect on metal$")
        return
    before = set(os.listdir("/tmp"))
    t.run("--perf", program(t)).ends(7).quiet()
    made = [name for name in set(os.listdir("/tmp")) - before
            if re.fullmatch(r"perf-\d+\.map", name)]
    texts = [open(f"/tmp/{name}", encoding="utf-8").read() for name in made]
    ours = [text for text in texts if re.search(r"^[0-9a-f]+ [0-9a-f]+ hot$", text,
                                                re.M)]
    assert len(ours) == 1, texts
    rows = [(int(start, 16), int(size, 16), name) for start, size, name in
            re.findall(r"^([0-9a-f]+) ([0-9a-f]+) (.+)$", ours[0], re.M)]
    assert {"hot", "cold", "deep", "spin", "_start"} <= {r[2] for r in rows}, rows
    rows.sort()
    assert all(a[0] + a[1] <= b[0] for a, b in zip(rows, rows[1:])), "they overlap"
    for name in made:
        os.unlink(f"/tmp/{name}")


@case
def bad_files(t):
    t.run("--profile=", program(t)).ends(2).lines(1).says("no file given")
    t.run("--profile", "no/where", program(t)).ends(7).lines(1).says(
        "^nebulet: no/where: No such file")


class Compiler(Tools):
    def __init__(self, out, port):
        super().__init__(out, port)
        self.work = out / f"profile-{port}"
        self.work.mkdir(parents=True, exist_ok=True)

    def compile(self, name, *flags):
        # Linked without -O, where clang may let wasm-opt drop the names.
        clang = ["clang", "--target=wasm32-wasi"]
        subprocess.run([*clang, "-fno-optimize-sibling-calls", *flags, "-c", name,
                        "-o", "hot.o"], cwd=self.work, check=True)
        subprocess.run([*clang, "hot.o", "-o", name.replace(".c", ".wasm")],
                       cwd=self.work, check=True)


sys.exit(main(Compiler))
