"""test/command/verdict.py: how test scripts count, and which tests they run:
those whose name has one of the words of the command line, from the third on,
in it."""

import sys

words = sys.argv[3:]
counts = {"passed": 0, "failed": 0}


def wanted(name):
    return not words or any(word in name for word in words)


def verdict(name, problem):
    """Passed if there is no problem."""
    if problem:
        print(f"FAILED: {name}: {problem}", flush=True)
    counts["failed" if problem else "passed"] += 1


def end():
    """Print the counts, and exit: 0 where some passed and none failed."""
    print("{passed} passed, {failed} failed, 0 skipped".format(**counts))
    sys.exit(counts["failed"] > 0 or counts["passed"] == 0)
