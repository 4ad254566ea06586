# test/programs/cases.sh: what each program must do; read by
# test/programs/programs.sh. shellcheck shell=sh disable=SC2154,SC2086

user=$out/user

# --- hello: the same bytes on every port, arguments, environment, status ---------

for lang in c:C cpp:C++ rust:Rust; do
    name=hello-${lang%%:*}
    {
        echo "Hello from ${lang##*:}!"
        echo "argument 1: one"
        echo "argument 2: two words"
        echo "argument 3: --exit"
        echo "argument 4: 7"
        echo "environment: COLOUR=green"
    } >"$work/want"
    check $name 7 $run --env COLOUR=green "$user/$name.wasm" one "two words" \
        --exit 7
done

check "exit status 200" 200 $run "$user/hello-c.wasm" --exit 200

# --- the dining philosophers ---------------------------------------------------------

for lang in c rust; do
    check philosophers-$lang 0 $run "$user/philosophers-$lang.wasm"
    for name in "Judith Butler" "Gilles Deleuze" "Karl Marx" "Emma Goldman" \
        "Michel Foucault"; do
        says "philosophers-$lang" stdout "^$name is eating\.$"
        says "philosophers-$lang" stdout "^$name is done eating\.$"
    done
    verdict "philosophers-$lang: ten lines" \
        "$([ "$(wc -l <"$work/stdout")" = 10 ] || cat "$work/stdout")"
done

# --- threads: the heap and locks under load ----------------------------------------

echo "64000 turns, 1280 names, 42736 left" >"$work/want"
check threads 0 $run "$user/threads.wasm"

# --- a driver: bytes of virtio-rng, by itself and from init's shell -------------------

# bytes NAME SIZE: so many are in stdout, and not all alike.
bytes() {
    size=$(wc -c <"$work/stdout")
    kinds=$(od -An -v -tx1 -w1 "$work/stdout" | sort -u | wc -l)
    verdict "$1: bytes" \
        "$([ "$size" = "$2" ] && [ "$kinds" -gt 200 ] ||
            echo "$size bytes of $kinds kinds")"
}

check random 0 $run --device random "$user/random.wasm" 10000
bytes random 10000
if [ "$port" = metal ]; then
    check "random, PCI" 0 $run --machine q35 --device random \
        "$user/random.wasm" 10000
    bytes "random, PCI" 10000
fi
check "random without a device" 1 $run "$user/random.wasm" 10
says "random without a device" stderr "there is no such device"
if [ -d "$(dirname "$command")/system" ]; then # not of the build by clang
    echo "5000" >"$work/want"
    check "random in a shell" 0 $command shell --on $port --device random -- -c \
        'random 5000 | wc -c'
    : >"$work/want"
    check "random, given up" 0 $command shell --on $port --device random -- -c \
        'random | head -c 100000 >/dev/null; random | head -c 100 >/dev/null'
    check "random without a grant" 1 $command shell --on $port --device random -- \
        -c 'cp /bin/random /tmp/other; /tmp/other 10'
    says "random without a grant" stderr "there is no such device"
fi

# --- three threads write to one descriptor: no byte is lost --------------------------

wat2wasm --enable-threads test/programs/records.wat -o "$work/records.wasm" ||
    exit 1
mkdir -p "$work/files" && : >"$work/files/some"
check "records" 0 $run --copy-dir "$work/files" "$work/records.wasm"

# --- traps: reason, function name, status 134; the next program still runs --------------

while read -r trap function reason; do
    check "trap $trap" 134 $run --then "$user/hello-c.wasm" \
        "$user/traps/$trap.wasm"
    says "trap $trap: reason" stderr "trap: $reason"
    says "trap $trap: function" stderr "$function"
    says "trap $trap: next program" stdout "^Hello from C!$"
done <<'EOF'
unreachable reach_the_unreachable           unreachable
divide      divide_by              integer divide by zero
overflow    divide_smallest_by     integer overflow
conversion  convert_not_a_number        invalid conversion to integer
memory      read_at                out of bounds memory access
element     call_beyond_the_table  undefined element
null        call_null              uninitialized element
signature   call_with_wrong_type           indirect call type mismatch
stack       dig_deeper              call stack exhausted
EOF

check "trap: line" 134 $run "$user/traps/memory.wasm"
says "trap: line" stderr "at read_at .memory.c:8, offset 0x[0-9a-f]+"
says "trap: line of the caller" stderr "at .*memory.c:16, offset"

wat2wasm --debug-names test/programs/inlined.wat -o "$work/inlined.wasm" || exit 1
check "trap: inlined" 134 $run "$work/inlined.wasm"
verdict "trap: inlined: all frames" "$(grep '^    at ' "$work/stderr" |
    cut -d' ' -f6 | tr '\n' ' ' | grep -vx 'load work _start ')"

# --- a function too large for the compiler's normal mode ----------------------------------

# It calls itself first, deep enough for the stack to grow.  Then come 100,000
# calls through a table; after one half of them an exception comes from the last,
# and what it carries goes on with the other half.
awk 'BEGIN {
    n = 50000
    print "(module (tag $e (param i32)) (type $t (func (param i32) (result i32)))"
    print "(table funcref (elem $more $throw))"
    print "(func $more (type $t) (i32.add (local.get 0) (i32.const 1)))"
    print "(func $throw (type $t) (throw $e (local.get 0)))"
    print "(memory (export \"memory\") 1)"
    print "(func (export \"_start\") (call $huge (i32.const 2000)))"
    print "(func $huge (param $deep i32) (local $n i32)"
    print "(if (local.get $deep) (then (call $huge (i32.sub (local.get $deep)"
    print "(i32.const 1))) (return)))"
    print "(try (do"
    call = "(call_indirect (type $t) (local.get $n)"
    for (i = 0; i < n; i++) print "(local.set $n " call " (i32.const 0)))"
    print "(drop " call "(i32.const 1))) (unreachable)"
    print ") (catch $e (local.set $n)))"
    for (i = 0; i < n; i++) print "(local.set $n " call " (i32.const 0)))"
    print "(if (i32.ne (local.get $n) (i32.const " 2 * n ")) (then unreachable))))"
}' >"$work/huge.wat"
wat2wasm --enable-exceptions "$work/huge.wat" -o "$work/huge.wasm" || exit 1
verdict "huge function: in parts" "$("$out/nebulet" dump --after=build \
    "$work/huge.wasm" | grep -q "last part" || echo "not in plain mode")"
: >"$work/want"
check "huge function" 0 $run "$work/huge.wasm"

# --- memory ----------------------------------------------------------------------------

wat2wasm --enable-threads test/programs/race.wat -o "$work/race.wasm" || exit 1
check "memory: two threads, one first touch" 42 $run "$work/race.wasm"

# A machine of 256 MiB: what one program was given, another cannot take away, in
# whatever order they run; and what ended gave everything back.
if [ "$port" = metal ]; then
    small="$run --memory 256"
    for program in late hog churn want declares; do
        wat2wasm test/programs/$program.wat -o "$work/$program.wasm" || exit 1
    done
    check "memory: a hog beside" 0 $small --beside "$work/hog.wasm" \
        "$work/late.wasm"
    verdict "memory: nobody traps" "$(grep trap "$work/stderr")"
    check "memory: beside a hog" 0 $small --beside "$work/late.wasm" \
        "$work/hog.wasm"
    verdict "memory: nor here" "$(grep trap "$work/stderr")"
    check "memory: comes back" 0 $small --then "$work/want.wasm" \
        "$work/churn.wasm"
    verdict "memory: all of it" "$(grep trap "$work/stderr")"
    check "memory: declares too much" 1 $small "$work/declares.wasm"
    says "memory: says why" stderr \
        "memory of 3072 MiB does not fit: the machine has"
fi

# --- endless loops ----------------------------------------------------------------------

check "loop: time limit" 124 $run --timeout 500ms "$user/loop.wasm"
for limit in 2s 20s 200s; do # the others get on, however slow the machine is
    check "loop: time limit $limit" 124 $run --timeout $limit \
        --beside "$user/hello-c.wasm" "$user/loop.wasm"
    grep -q "^Hello from C!$" "$work/stdout" && break
done
says "loop: others run" stdout "^Hello from C!$"

# --- files, qsort, printf of floats, malloc (its status is argc) -------------------------------------------

if command -v node >/dev/null 2>&1; then
    node --no-warnings test/programs/node.mjs user/kitchen/root \
        "$user/kitchen.wasm" >"$work/want" 2>/dev/null
    check "kitchen as under Node" 0 $run --dir user/kitchen/root \
        "$user/kitchen.wasm"
else
    check "kitchen" 0 $run --dir user/kitchen/root "$user/kitchen.wasm"
fi

# --- standard input ------------------------------------------------------------------------

# --- bad input: one clear line, status 1 -----------------------------------------------------

bad() {
    name=$1 pattern=$2
    shift 2
    check "bad: $name" 1 "$@"
    says "bad: $name" stderr "$pattern"
    verdict "bad: $name: one line" \
        "$([ "$(wc -l <"$work/stderr")" = 1 ] || cat "$work/stderr")"
}

head -c 1000 "$user/hello-c.wasm" >"$work/truncated.wasm"
printf 'not wasm at all' >"$work/text.wasm"
: >"$work/empty.wasm"
printf '\000asm\001\000\000\000\001\004\001\140\000\000\003\002\001\000\012\007\001\005\000\101\000\152\013' \
    >"$work/invalid.wasm"
printf '\000asm\001\000\000\000\001\004\001\140\000\000\002\013\001\003env\003foo\000\000' \
    >"$work/unknown.wasm"
printf '\000asm\001\000\000\000\001\004\001\140\000\000\002\045\001\026wasi_snapshot_preview1\012fd_advise_\000\000' \
    >"$work/missing-call.wasm"
printf '\000asm\001\000\000\000\001\004\001\140\000\000\002\043\001\026wasi_snapshot_preview1\010fd_close\000\000' \
    >"$work/mistyped.wasm"
bad truncated "truncated.wasm: offset 0x[0-9a-f]+: .*" $run "$work/truncated.wasm"
bad text "text.wasm: offset 0x0: magic header not detected" $run "$work/text.wasm"
bad empty "empty.wasm: offset 0x0: .*" $run "$work/empty.wasm"
bad invalid "invalid.wasm: offset 0x[0-9a-f]+: type mismatch" \
    $run "$work/invalid.wasm"
bad "unknown import" "unknown.wasm: offset 0x[0-9a-f]+: unknown import.*env.*foo" \
    $run "$work/unknown.wasm"
bad "unknown call" "missing-call.wasm: offset 0x[0-9a-f]+: unknown import" \
    $run "$work/missing-call.wasm"
bad "mistyped import" "mistyped.wasm: offset 0x[0-9a-f]+: incompatible import type" \
    $run "$work/mistyped.wasm"
bad "missing file" "no-such-file.wasm: No such file" $run "$work/no-such-file.wasm"
bad "directory" "Is a directory" $run "$work"
