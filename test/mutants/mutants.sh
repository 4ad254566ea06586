#!/bin/sh
# test/mutants/mutants.sh OUT SEED CHUNKS: random mutants
# (test/mutants/mutants.c) of the programs, of modules that fuzzing has made,
# and of the official suites where they are.

exec "$1/mutants" "$2" "$3" "$1/user" "$1/user/traps" "$1/seeds/compile" \
    "$1/suite/core" "$1/suite/threads" "$1/suite/legacy-exceptions"
