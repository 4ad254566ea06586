#!/bin/sh
# test/gdb.sh OUT PORT: tool/gdb.py finds the functions and frames of a program,
# and what ran before.  Ends with "N passed, N failed, N skipped".

set -u
out=$1 port=$2
work=$out/gdb-$port
. test/verdict.sh
mkdir -p "$work"

if ! command -v gdb >/dev/null; then
    echo "skipped: gdb: not installed (Debian package gdb)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
# The way to the first call, and what is looked at there.
{
    echo "set pagination off"
    echo "set confirm off"
    echo "source tool/gdb.py"
    if [ "$port" = metal ]; then
        tcp=$((20000 + $$ % 20000))
        echo "target remote 127.0.0.1:$tcp"
        echo "hbreak wasi_fd_write"
        echo "continue"
    else
        echo "break wasi_fd_write"
        echo "run"
    fi
    echo "nebulet-symbols"
    echo "nebulet-backtrace 0"
    echo "nebulet-history"
    echo "info symbol *(unsigned long *)run_queues[0].current->entry.rsp"
    echo "kill"
} >"$work/script"

program=$out/user/hello-c.wasm
if [ "$port" = metal ]; then
    "$out/nebulet" run --smp 1 --gdb $tcp "$program" >"$work/guest" 2>&1 </dev/null &
    timeout 200 gdb -nx -batch -x "$work/script" "$out/nebulet.elf" \
        >"$work/stdout" 2>"$work/stderr" </dev/null
    kill $! 2>/dev/null
    wait
else
    timeout 200 gdb -nx -batch -x "$work/script" --args "$out/nebulet" run \
        --on linux --smp 1 "$program" >"$work/stdout" 2>"$work/stderr" </dev/null
fi

says "modules" stdout "hello-c.wasm: [0-9]+ functions at 0x"
says "frames: the innermost" stdout "^#0 wasm __wasi_fd_write in .*, offset 0x"
says "frames: C" stdout "^#[0-9]+ wasm main in "
says "frames: the outermost" stdout "^#[0-9]+ wasm _start"
says "history" stdout "^    thread [0-9]+ after thread [0-9]+$"
says "symbols" stdout "wasm_.*wasi_fd_write \+ [0-9]+ in section"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
