#!/usr/bin/env python3
"""test/suite/count.py SCRIPT.json...: how many commands the scripts hold."""

import json
import sys


def commands(path):
    with open(path, encoding="utf-8", errors="surrogatepass") as script:
        return json.load(script)["commands"]


print(sum(len(commands(path)) for path in sys.argv[1:]))
