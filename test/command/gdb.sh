#!/bin/sh
# test/command/gdb.sh OUT PORT: tool/gdb.py finds the functions and frames of a
# program, and what ran before.  Ends with "N passed, N failed, N skipped".

set -u
out=$1 port=$2
work=$out/gdb-$port
. test/verdict.sh
rm -rf "$work/tmp"
mkdir -p "$work/tmp"
TMPDIR=$(cd "$work/tmp" && pwd)
export TMPDIR

if ! command -v gdb >/dev/null; then
    echo "skipped: gdb: not installed (Debian package gdb)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
# look NAME PROGRAM COMMAND...: at its first call; what GDB says is in NAME.
look() {
    name=$1 program=$2
    shift 2
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
        printf '%s\n' "$@" kill
    } >"$work/script"
    if [ "$port" = metal ]; then
        "$out/nebulet" run --smp 1 --gdb $tcp "$program" >"$work/guest" 2>&1 </dev/null &
        timeout 200 gdb -nx -batch -x "$work/script" "$out/nebulet.elf" \
            >"$work/$name" 2>"$work/stderr" </dev/null
        kill $! 2>/dev/null
        wait
    else
        timeout 200 gdb -nx -batch -x "$work/script" --args "$out/nebulet" run \
            --on linux --smp 1 "$program" >"$work/$name" 2>"$work/stderr" </dev/null
    fi
}

look stdout "$out/user/hello-c.wasm" nebulet-symbols "nebulet-backtrace 0" nebulet-history \
    "info symbol *(unsigned long *)run_queues[0].current->entry.rsp"
says "modules" stdout "hello-c.wasm: [0-9]+ functions at 0x"
says "frames: the innermost" stdout "^#0 wasm __wasi_fd_write in .*, offset 0x"
says "frames: C" stdout "^#[0-9]+ wasm main in "
says "frames: the outermost" stdout "^#[0-9]+ wasm _start"
says "history" stdout "^    thread [0-9]+ after thread [0-9]+$"
says "symbols" stdout "wasm_.*wasi_fd_write \+ [0-9]+ in section"

# Names are anybody's: one with a sequence for the terminal, and some that come twice,
# made unique or not (_start, two functions and an import).
printf '\000asm\001\000\000\000\001\020\003`\004\177\177\177\177\001\177`\001\177\000`\000\000' \
    >"$work/names.wasm"
printf '\002#\001\026wasi_snapshot_preview1\010fd_write\000\000\003\004\003\001\002\001' \
    >>"$work/names.wasm"
printf '\005\003\001\000\001\007\023\002\006memory\002\000\006_start\000\002\n(\003' \
    >>"$work/names.wasm"
printf '\r\000A\001A\000A\001A \020\000\032\013\n\000A\001\020\001A\002\020\003\013' \
    >>"$work/names.wasm"
printf '\r\000A\001A\000A\001A \020\000\032\013\000(\004name\001!\003' >>"$work/names.wasm"
printf '\001\012x__0_o_d_3\002\010x\033]0;o\007d\003\010x__0_o_d' >>"$work/names.wasm"
look names "$work/names.wasm" "nebulet-backtrace 0" nebulet-symbols
says "names: escaped" names 'wasm x\\u001b\]0;o\\u0007d in '
says "names: unique" names 'names.wasm: [0-9]+ functions at 0x'
verdict "names: none as it is" "$(grep -q "$(printf '\033')" "$work/names" && echo "an escape")"
verdict "nothing left behind" "$(ls -d "$work"/tmp/* 2>/dev/null)"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
