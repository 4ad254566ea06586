#!/usr/bin/env python3
"""test/command/collect.py OUT PORT [NAME...]: programs whose heaps are collected.  Ends
with "N passed, N failed, N skipped"."""

import os
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from collect_help import module
from help import Tools, case, main


def heap(t):
    (t.work / "heap.wasm").write_bytes(module())
    return "heap.wasm"


def calls(t, function, number, *options):
    return t.run(*options, "--invoke", function, heap(t), number)


def machine(t):
    """One with little memory, or so much for the program."""
    return (["--memory", "72"] if t.port == "metal" else
            ["--max-memory", "64M"])


def sum_to(number):
    """As an i32 with a sign."""
    total = number * (number + 1) // 2 % 2 ** 32
    return f"{total - 2 ** 32 if total >= 2 ** 31 else total}\n"


@case
def same_module(t):
    """What the kernel's tests have in C."""
    text = pathlib.Path("test/kernel/collect.c").read_text(encoding="utf-8")
    array = re.search(r"graph\[\] = {(.*?)}", text, re.S).group(1)
    assert bytes(int(n, 16) for n in re.findall("0x..", array)) == module()


@case
def long_list(t):
    """One that is looked through to its end, with as much garbage between."""
    for count in (1000, 10_000_000 if t.port == "linux" else 2_000_000):
        calls(t, "l", count).ends(0).quiet().prints(sum_to(count))


@case
def tree(t):
    calls(t, "t", 18).ends(0).prints(f"{2 ** 19 - 1}\n")


@case
def many_references(t):
    """In one array: more than can wait to be looked into."""
    calls(t, "a", 1_000_000).ends(0).prints(sum_to(1_000_000))


@case
def garbage_fits(t):
    """10 GB and more in 64 MiB, or in a machine of 72; 100 in `make soak`."""
    count = 10_500_000 if t.port == "linux" else 500_000
    count = int(os.environ.get("NEBULET_ARRAYS", count))
    calls(t, "c", count, *machine(t)).ends(0).quiet().prints(f"{count}\n")


@case
def rings_go(t):
    """Two that refer to each other."""
    count = 20_000_000 if t.port == "linux" else 2_000_000
    calls(t, "r", count, *machine(t)).ends(0).quiet().prints(f"{count}\n")


@case
def all_is_kept(t):
    for size in (1, 3000, 1_000_000):
        calls(t, "p", size, *machine(t)).ends(134).says(
            "trap: out of memory").says("at p ")


@case
def killed(t):
    """One that has much to look through, again and again."""
    calls(t, "l", 100_000_000, "--timeout", "2s").ends(124)


@case
def preemptible(t):
    if t.port == "metal":
        calls(t, "l", 200_000, "--latency").ends(0)


if __name__ == "__main__":
    sys.exit(main(Tools))
