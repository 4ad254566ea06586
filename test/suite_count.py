#!/usr/bin/env python3
"""test/suite_count.py SCRIPT.json...: how many commands the scripts hold,
without those on modules in the text format, which test a text parser."""

import json
import sys


def commands(path):
    with open(path, encoding="utf-8", errors="surrogatepass") as script:
        return json.load(script)["commands"]


def counts(command):
    return command.get("module_type") != "text"


print(sum(counts(c) for path in sys.argv[1:] for c in commands(path)))
