#!/bin/sh
# test/sysroot/sysroot.sh OUT [PORT...]: what `nebulet sysroot` makes: programs
# are built with it and run.  Ends with "N passed, N failed, N skipped".

set -u
out=$(pwd)/$1
shift
ports=${*:-linux metal}
work=$out/sysroot-test
root="$work/a place"
. test/verdict.sh
rm -rf "$work"
mkdir -p "$work"
cp "$out/user/hello-c.wasm" "$work/hello.wasm"

# builds NAME SOURCE COMMAND...: without a word; into NAME.wasm.
builds() {
    name=$1 source=$(pwd)/$2
    shift 2
    (cd "$work" && timeout 100 "$@" -O2 "$source" -o "$name.wasm") \
        >"$work/stdout" 2>"$work/stderr"
    verdict "$name is built" "$([ $? = 0 ] && [ ! -s "$work/stderr" ] || echo "no")"
}

# runs NAME STATUS PATTERN OPTION...: on both ports.
runs() {
    name=$1 want=$2 pattern=$3
    shift 3
    for port in $ports; do
        (cd "$work" && timeout 200 "$out/nebulet" run --on $port "$@" "$name.wasm") \
            >"$work/stdout" 2>"$work/stderr" </dev/null
        status=$?
        verdict "$name on $port" "$(
            [ $status = "$want" ] && [ ! -s "$work/stderr" ] &&
                grep -q "$pattern" "$work/stdout" || echo "status $status")"
    done
}

# says STATUS PATTERN ARGUMENT...: in one line on stderr.
says() {
    want=$1 pattern=$2
    shift 2
    "$out/nebulet" sysroot "$@" >"$work/stdout" 2>"$work/stderr"
    status=$?
    verdict "sysroot $*" "$(
        [ $status = "$want" ] && [ ! -s "$work/stdout" ] &&
            [ "$(wc -l <"$work/stderr")" -le 1 ] &&
            { [ -z "$pattern" ] || grep -q "$pattern" "$work/stderr"; } ||
            echo "status $status")"
}

says 0 "" "$root"
(cd "$work" && find "a place" | sort) >"$work/first"
says 0 "" "$root"
(cd "$work" && find "a place" | sort) >"$work/second"
verdict "twice" "$(diff "$work/first" "$work/second")"
verdict "no dead link" "$(find "$root" -xtype l)"
verdict "libc is Debian's" "$([ -z "$(find /usr/lib/wasm32-wasi -newer "$work/hello.wasm")" ] ||
    echo "was written to")"

builds threads test/sysroot/threads.c clang --config "$root/threads.cfg"
runs threads 0 '^8 threads counted to 8000$'
builds pthreads user/pthreads/main.c clang --config "$root/threads.cfg"
runs pthreads 0 .
builds setjmp user/setjmp/main.c clang --config "$root/setjmp.cfg"
runs setjmp 0 '^recursion: 30007$'
builds posix test/sysroot/posix.c clang --config "$root/posix.cfg"
runs posix 0 '^it says: Hello' --dir hello.wasm
builds plain user/hello-c/main.c clang --target=wasm32-wasi --sysroot "$root"
runs plain 0 Hello
builds plusplus user/hello-cpp/main.cc clang++ --target=wasm32-wasi \
    --sysroot "$root" -fno-exceptions
runs plusplus 0 Hello

# In two steps, too.
(cd "$work" && clang --config "$root/threads.cfg" -Wall -Werror -O2 -c \
    "$OLDPWD/test/sysroot/threads.c" -o threads.o &&
    clang --config "$root/threads.cfg" threads.o -o two.wasm) 2>"$work/stderr"
verdict "two is built" "$([ ! -s "$work/stderr" ] || echo "no")"
runs two 0 '^8 threads counted to 8000$'

says 2 "no directory given"
says 2 "one too many" "$root" more
says 1 "No such file" "$work/no/where"
says 1 "Not a directory" "$work/hello.wasm"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
