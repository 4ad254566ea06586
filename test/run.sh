#!/bin/sh
# test/run.sh OUT PART...: run the parts of the test suite, each a command
# whose last line of the form "N passed, N failed, N skipped" counts; print the
# output of those that fail and the sum of all.
#
# Parts: unit, suite, programs, wasi, hostile, metal.  The official suites are
# unpacked into OUT when ../shared/suites is there; else that counts as one
# skipped test.

set -u
out=$1
shift

LIMIT_S=1200 # what takes longer hangs
passed=0 failed=0 skipped=0

# Run "$@" as the part called $1; add up its closing line.  One that is killed
# has failed.
part() {
    name=$1
    shift
    log=$out/test-$(echo "$name" | tr ' /' '--').log
    timeout $LIMIT_S "$@" >"$log" 2>&1
    status=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" |
        tail -1)
    # shellcheck disable=SC2046
    set -- $(echo "${line:-0 0 0}" | tr -cd '0-9 ')
    echo "$name: ${line:-no result} (exit status $status)"
    if [ "$status" != 0 ] && [ "$2" = 0 ]; then
        set -- "$1" 1 "$3" # it died before it could count
    fi
    [ "$2" = 0 ] || tail -40 "$log"
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

part_unit() {
    if suite_unpack; then
        NEBULET_SUITE=$out/suite
        export NEBULET_SUITE
    fi
    for test in "$out"/san/test-*; do
        case $test in *.*) ;; *) part "${test##*/test-}" "$test" ;; esac
    done
    for target in decode validate compile; do
        part "corpus $target" "$out/san/fuzz-$target" "$out/seeds/$target"/* \
            "$out"/found/*
    done
    part "compiler memory" "$out/linear" --memory
}

suite_unpack() {
    if [ ! -e "$out/suite/core" ] && [ -e ../shared/suites/spec.tar.gz ]; then
        mkdir -p "$out/suite"
        tar xzf ../shared/suites/spec.tar.gz -C "$out/suite"
    fi
    [ -e "$out/suite/core" ]
}

suite_present() {
    suite_unpack && return
    echo "official suite: not present (../shared/suites/spec.tar.gz)"
    skipped=$((skipped + 1))
    return 1
}

part_suite() {
    suite_present || return
    part "suite linux" "$out/san/nebulet" wast "$out"/suite/*/*.json
    for ins in 1 7 4096; do
        part "suite plain, parts of $ins" env PART_INS=$ins \
            "$out/nebulet-plain" wast "$out"/suite/*/*.json
    done
    part "same code twice" test/same_code.sh "$out"
}

part_programs() {
    part "programs linux" test/programs.sh "$out" linux
    part "programs plain" env PART_INS=20 \
        test/programs.sh "$out" linux "$out/nebulet-plain"
    part "programs metal" test/programs.sh "$out" metal
}

wasi_present() {
    if [ ! -e "$out/wasi-p1" ] && [ -e ../shared/suites/wasi-p1.tar.gz ]; then
        mkdir -p "$out/wasi-p1"
        tar xzf ../shared/suites/wasi-p1.tar.gz -C "$out/wasi-p1"
    fi
    [ -e "$out/wasi-p1" ] && return
    echo "official WASI tests: not present (../shared/suites/wasi-p1.tar.gz)"
    skipped=$((skipped + 1))
    return 1
}

part_wasi() {
    wasi_present || return
    part "wasi linux" test/wasi_suite.py "$out" linux "$out/wasi-p1"
    part "wasi metal" test/wasi_suite.py "$out" metal "$out/wasi-p1"
}

part_hostile() {
    part "hostile linux" test/hostile.sh "$out" linux
    part "hostile metal" test/hostile.sh "$out" metal
}

part_metal() {
    for machine in microvm q35; do
        part "port $machine" "$out/nebulet" selftest $machine
        part "kernel $machine" "$out/nebulet" selftest $machine "" \
            kernel-test.elf
    done
    part "kernel input" test/input.sh "$out"
    suite_present || return
    part "suite metal" "$out/nebulet" wast --on metal "$out"/suite/*/*.json
}

for p in "$@"; do
    "part_$p"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
