#!/bin/sh
# test/hostile/hostile.sh OUT PORT: programs that try to break the kernel, see
# test/hostile/.  On Linux under ASan and UBSan.  Ends with
# "N passed, N failed, N skipped".

set -u
out=$1 port=$2
command=$out/nebulet
[ "$port" = metal ] || command=$out/san/nebulet
run="$command run --on $port"
work=$out/hostile-$port
. test/verdict.sh
mkdir -p "$work/root/sub"
echo text >"$work/root/file"

# try ARGS...: run with these arguments.
try() {
    timeout 600 $run "$@" >"$work/stdout" 2>"$work/stderr" </dev/null
    got=$?
}

# ended NAME STATUS: what was tried ended so.
ended() {
    verdict "$1" "$([ $got = "$2" ] || echo "exit status $got, expected $2")"
}

# check NAME STATUS ARGS...: both.
check() {
    checked=$1 status=$2
    shift 2
    try "$@"
    ended "$checked" "$status"
}

for file in test/hostile/*.wat; do
    name=${file##*/}
    wat2wasm --enable-exceptions --enable-threads --debug-names "$file" \
        -o "$work/${name%.wat}.wasm" || exit 1
done

# --- races between threads, dead exceptions ----------------------------------

for _ in 1 2 3 4 5 6 7 8; do
    check "entry exchanged between check and call" 134 "$work/torn.wasm"
done
check "exception that outlives others" 134 "$work/kept.wasm"

# --- what the one before left -----------------------------------------------------

check "fresh memory and tables" 0 --then "$work/zero.wasm" \
    --then "$work/zero.wasm" --then "$work/zero.wasm" "$work/zero.wasm"

# --- every call with edge arguments --------------------------------------------

for seed in 1 2 3 4 5 6; do
    python3 test/hostile/fuzz.py "$seed" 3000 quiet >"$work/fuzz-$seed.txt" &&
        wat2wasm "$work/fuzz-$seed.txt" -o "$work/fuzz-$seed.wasm" || exit 1
    check "calls, seed $seed" 0 --copy-dir "$work/root" --timeout 500s \
        "$work/fuzz-$seed.wasm"
done

# --- too much of everything: the others do not notice --------------------------

awk 'BEGIN {
    n = 49000
    printf "(module (memory 1) (func $down (param i32) (result i64) (local"
    for (i = 0; i < n; i++) printf " i64"
    print ")"
    for (i = 1; i < n; i += 7)
        printf "(local.set %d (i64.load offset=%d (local.get 0)))\n", i, i
    print "(drop (call $down (i32.add (local.get 0) (i32.const 1))))"
    for (i = 8; i < n; i += 7)
        printf "(local.set 1 (i64.add (local.get 1) (local.get %d)))\n", i
    print "(local.get 1))"
    print "(func (export \"_start\") (drop (call $down (i32.const 0)))))"
}' >"$work/wide.txt"
wat2wasm --debug-names "$work/wide.txt" -o "$work/wide.wasm" || exit 1

small=
[ "$port" = linux ] || small="--memory 128"

# refused NAME: where it may hold all memory when the others come, they were
# refused for that (groups will see to it that they are not).
refused() {
    case $1 in spawn | fill) ;; *) false ;; esac &&
        grep -q "philosophers.*\(out of memory\|no thread\)" "$work/stderr"
}

# ate NAME: the philosophers beside it did, or were refused.
ate() {
    [ "$(grep -c "is done eating" "$work/stdout")" = 5 ] || refused "$1" ||
        echo "the philosophers did not eat"
}

# others NAME STATUS REASON: it ends so, and those beside and after it run.
others() {
    try $small --timeout 500s \
        --beside "$out/user/philosophers-c.wasm" --then "$work/spawn.wasm" \
        --then "$out/user/hello-c.wasm" "$work/$1.wasm"
    if refused "$1"; then ended "$1" 1; else ended "$1" "$2"; fi
    [ -z "$3" ] || says "$1: reason" stderr "$3"
    verdict "$1: beside" "$(ate "$1")"
    says "$1: after" stdout "^Hello from C!$"
}

others spawn 0 ""
others vector 0 ""
others deep 134 "deep.wasm: trap: call stack exhausted"
others start 134 "start.wasm: trap: call stack exhausted"
others wide 134 "wide.wasm: trap: call stack exhausted"
[ "$port" = linux ] || others fill 0 ""

# --- the command: streams that are not there, signals ---------------------------

timeout 600 $run "$out/user/hello-c.wasm" >"$work/stdout" 2>"$work/stderr" <&-
says "closed stdin" stdout "^Hello from C!$"

head -c 1048576 /dev/urandom >"$work/random"
timeout 600 $run "$out/user/cat.wasm" <"$work/random" >"$work/stdout" 2>"$work/stderr"
verdict "1 MiB in and out" "$(cmp "$work/random" "$work/stdout" 2>&1)"

{
    timeout 600 $run "$out/user/cat.wasm" </dev/zero 2>/dev/null
    echo $? >"$work/status"
} | head -c 10 >/dev/null
# cat hears of it at its next write (EPIPE), and ends with 1.
verdict "nobody reads" "$([ "$(cat "$work/status")" = 1 ] ||
    echo "exit status $(cat "$work/status")")"

# await COMMAND...: until it succeeds, at most a few minutes.
await() {
    for _ in $(seq 2000); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

machine_runs() {
    machine=$(cat "/proc/$command_id/task/$command_id/children")
    grep -qs "^qemu" "/proc/${machine% }/comm"
}

machine_ended() {
    ! grep -qs '^State:[^Z]*$' "/proc/${machine% }/status"
}

# No machine outlives the command.
outlives() {
    $run --timeout 600s "$out/user/loop.wasm" </dev/null >/dev/null 2>&1 &
    command_id=$!
    if await machine_runs; then
        kill -s "$1" $command_id
        verdict "$1" "$(await machine_ended || echo "the machine still runs")"
    else
        verdict "$1" "the machine does not run"
    fi
    wait $command_id 2>/dev/null
}

[ "$port" = linux ] || { outlives TERM && outlives KILL; }

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
