#!/bin/sh
# test/latency/latency.sh OUT [FAMILY COUNT MIB]: nothing that a program can ask
# for keeps the CPU from others for more than 1,000,000 instructions (nebulet
# run --latency).  Prints the longest stretch of each and where it ended.  With
# a family only that module of test/latency/big.py, on a machine of so many MiB.
# Ends with "N passed, N failed, N skipped".

set -u
out=$1
work=$out/latency
limit_s=1000 memory=512
. test/verdict.sh
mkdir -p "$work/files"

# watch NAME STATUS MODULE: run it; neither it nor its loading is too long.  What
# is (status 123) has to be so three times: the clock may have jumped (README.md).
watch() {
    for _ in 1 2 3; do
        timeout "$limit_s" "$out/nebulet" run --latency --memory "$memory" \
            --copy-dir "$work/files" --timeout "${4:-500s}" "$3" \
            >"$work/stdout" 2>"$work/stderr" </dev/null
        got=$?
        [ "$got" = 123 ] || break
    done
    line=$(grep -a "latency: [0-9]* instructions" "$work/stderr")
    at=${line##* until }
    echo "$1: ${line#*latency: } ($(addr2line -fe "$out/latency.elf" "$at" |
        tr '\n' ' '))"
    verdict "$1" "$([ "$got" = "$2" ] && [ -n "$line" ] ||
        echo "exit status $got, expected $2")"
}

# assembled NAME STATUS TEXT
assembled() {
    echo "$3" >"$work/$1.wat"
    wat2wasm --enable-all "$work/$1.wat" -o "$work/$1.wasm" || exit 1
    watch "$1" "$2" "$work/$1.wasm" "${4:-}"
}

# big FAMILY COUNT: a module with much of one thing.
big() {
    status=0
    case $1 in
    missing) status=1 ;;
    lines | names) status=134 ;;
    esac
    python3 test/latency/big.py "$1" "$2" "$work/big.wasm" || exit 1
    watch "$1, $2" $status "$work/big.wasm" 50000s
}

finish() {
    echo "$passed passed, $failed failed, 0 skipped"
    [ $failed = 0 ]
    exit
}

if [ $# = 4 ]; then
    limit_s=20000 memory=$4
    big "$2" "$3"
    finish
fi

assembled tables 0 '(module
    (table $t 0 funcref) (table $u 0 externref)
    (func (export "_start")
      (drop (table.grow $t (ref.null func) (i32.const 3000000)))
      (table.fill $t (i32.const 0) (ref.null func) (i32.const 3000000))
      (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 2000000))
      (drop (table.grow $u (ref.null extern) (i32.const 3000000)))))'

# Touched all over, so that much is given back at its end.
assembled memory 0 '(module (memory 0 65536) (data $d "abc")
    (func (export "_start")
      (if (i32.eq (memory.grow (i32.const 3200)) (i32.const -1))
        (then unreachable))
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 209715200))
      (memory.copy (i32.const 1) (i32.const 0) (i32.const 100000000))))'

for name in files names; do
    wat2wasm "test/latency/$name.wat" -o "$work/$name.wasm" || exit 1
    watch "$name" 0 "$work/$name.wasm"
done

# Two that only compute: each is preempted and comes back.
assembled busy 0 '(module
    (import "nebulet" "thread_spawn"
      (func $spawn (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table funcref (elem $busy))
    (func $busy (param i32) (loop $l (br $l)))
    (func (export "_start") (local $n i32)
      (if (call $spawn (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))
        (then unreachable))
      (loop $l
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $n) (i32.const 50000000))))))'

# As many as there is memory for sleep until the same moment.
wat2wasm --enable-all test/latency/sleepers.wat -o "$work/sleepers.wasm" || exit 1
watch sleepers 0 "$work/sleepers.wasm"

wat2wasm --enable-all test/latency/naps.wat -o "$work/naps.wasm" || exit 1
watch naps 0 "$work/naps.wasm" 60s

# Distinct types, each of a function that is used.
awk 'BEGIN {
    n = 3000
    for (i = 0; i < n; i++) {
        types = types "(type (func (param"
        for (bit = 0; bit < 14; bit++)
            types = types (int(i / 2 ^ bit) % 2 ? " i32" : " i64")
        types = types ")))"
        if (i % 100 == 0) { print (i ? "" : "(module") types; types = "" }
    }
    print types "(table funcref (elem"
    for (i = 0; i < n; i++) printf " $f%d", i
    print "))"
    for (i = 0; i < n; i++) printf "(func $f%d (type %d))\n", i, i
    print "(func (export \"_start\")))"
}' >"$work/types.txt"
wat2wasm --enable-all "$work/types.txt" -o "$work/types.wasm" || exit 1
watch types 0 "$work/types.wasm"

# One large function.
awk 'BEGIN {
    print "(module (memory 1) (func $large (param i32) (result i32)"
    for (i = 0; i < 30000; i++)
        print "(local.set 0 (i32.add (local.get 0) (i32.load (local.get 0))))"
    print "(local.get 0))(func (export \"_start\")))"
}' >"$work/large.txt"
wat2wasm --enable-all "$work/large.txt" -o "$work/large.wasm" || exit 1
watch "large function" 0 "$work/large.wasm"

# Many frames of a backtrace.
assembled deep 134 '(module
    (func $deep (call $deep)) (func (export "_start") (call $deep)))'

# Killed by its timeout.
assembled endless 124 '(module (func (export "_start") (loop $l (br $l))))' 1s

# A fiftieth of what `make soak` tries.
big imports 20000
big exports 20000
big functions 5000
big globals 20000
big tables 2000
big data 2000000
big elems 100000
big passive 100000
big elem_exprs 100000
big thunks 160
big code 300000
big lines 1200000
finish
