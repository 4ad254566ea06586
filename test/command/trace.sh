#!/bin/sh
# test/command/trace.sh OUT PORT [COMMAND]: what `nebulet run --trace` of
# OUT/nebulet or another shows, compared with test/programs/trace.txt.
# ACCEPT=1: take what it shows as right.  Ends with "N passed, N failed, N
# skipped".

set -u
out=$1 port=$2
run="${3:-$out/nebulet} run --on $port --smp 1"
work=$out/trace-$port
golden=test/programs/trace.txt
. test/verdict.sh
rm -rf "$work"
mkdir -p "$work/files"
echo "three words here" >"$work/files/some"

clang --target=wasm32-wasi -O1 -I"$out/user/include" -Iuser/libsip \
    test/programs/trace.c user/libsip/sip.c -o "$work/trace.wasm" &&
    wat2wasm test/programs/trace0.wat -o "$work/trace0.wasm" || exit 1

# traced STATUS TRACE PROGRAM...: its calls on stderr, without what differs from
# run to run: addresses, and the path of the program.
traced() {
    want=$1 option=$2
    shift 2
    $run "$option" --copy-dir "$work/files" "$@" >"$work/stdout" \
        2>"$work/stderr" </dev/null
    got=$?
    verdict "$option $(basename "$1"): status" \
        "$([ $got = "$want" ] || echo "$got")"
    sed -E "s|^(\[?)$work/|\1|; s/0x[0-9a-f]{4,}/ADDRESS/g" "$work/stderr" |
        grep -v '= ADDRESS$' >>"$work/shown"
}

: >"$work/shown"
traced 7 --trace "$work/trace.wasm"
verdict "nothing on stdout" "$(cat "$work/stdout")"
# What the C library does before main() is its own affair.
sed -i '1,/args_get(/d' "$work/shown"
traced 0 --trace=wasi "$work/trace0.wasm"
traced 7 --trace=event_create,nebulet.handle_close "$work/trace.wasm"
if [ "${ACCEPT:-}" = 1 ]; then
    cp "$work/shown" "$golden"
fi
verdict "what is shown" "$(diff "$golden" "$work/shown")"

# The same without: nothing of it, and what it prints stays as it is.
traced 7 --trace=thread_join "$work/trace.wasm"
verdict "other calls: nothing" "$(grep -v logged "$work/stderr")"
$run "$out/user/hello-c.wasm" >"$work/plain" 2>"$work/stderr"
verdict "no --trace: nothing" "$(cat "$work/stderr")"
$run --trace "$out/user/hello-c.wasm" >"$work/stdout" 2>"$work/stderr"
verdict "stdout is the program's" "$(diff "$work/plain" "$work/stdout")"

# A call that does not return has no result.
wat2wasm - -o "$work/process.wasm" <<'WAT'
(module (import "nebulet" "process_exit" (func $exit (param i32) (result i32)))
 (memory (export "memory") 1)
 (func (export "_start") (drop (call $exit (i32.const 7)))))
WAT
wat2wasm - -o "$work/thread.wasm" <<'WAT'
(module (import "nebulet" "thread_exit" (func $exit (result i32)))
 (memory (export "memory") 1)
 (func (export "_start") (drop (call $exit))))
WAT
traced 7 --trace "$work/process.wasm"
says "process_exit: no result" stderr 'process_exit\(exit_status=7\) = \?$'
traced 0 --trace "$work/thread.wasm"
says "thread_exit: no result" stderr 'thread_exit\(\) = \?$'

# Of each call one line, also of those that others' memory is passed to.
traced 0 --trace "$work/trace.wasm" races
verdict "races: all calls" "$([ "$(grep -c 'fd_pwrite(fd=99.*BADF' \
    "$work/stderr")" = 300 ] || echo "not 300")"
verdict "races: whole lines" "$(grep -vE '^\[.*\] [a-z]+\.[a-z_]+\(.*\) = ' \
    "$work/stderr")"

# Programs that a program spawns are traced, too, and tell themselves apart.
cp "$out/user/spawn.wasm" "$work/files"
$run --trace=proc_exit,process_spawn --copy-dir "$work/files" \
    "$out/user/spawn.wasm" >"$work/stdout" 2>"$work/stderr" </dev/null
says "a child: spawned" stderr 'nebulet.process_spawn\(module=0x[0-9a-f]+, name="'
verdict "a child: its calls" "$([ "$(sed -E 's/.* ([0-9]+)\.[0-9]+\] .*/\1/' \
    "$work/stderr" | sort -u | wc -l)" -gt 1 ] || echo "only one process")"

# refused OPTION TEXT
refused() {
    $run "$1" "$work/trace.wasm" >"$work/stdout" 2>"$work/stderr"
    verdict "$1: status 2" "$([ $? = 2 ] || echo "no")"
    says "$1: says why" stderr "$2"
}

refused --trace=fd_write,fd_wrote "there is no call or module fd_wrote"
refused --trace=wasi.handle_close "there is no call or module wasi.handle_close"
refused --trace= "no name given"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
