#!/bin/sh
# test/hostile.sh OUT PORT: programs that try to break the kernel, see
# test/hostile/.  On Linux under ASan and UBSan.  Ends with
# "N passed, N failed, N skipped".

set -u
out=$1 port=$2
command=$out/nebulet
[ "$port" = metal ] || command=$out/san/nebulet
run="$command run --on $port"
work=$out/hostile-$port
passed=0 failed=0
mkdir -p "$work/root/sub"
echo text >"$work/root/file"

# check NAME STATUS ARGS...: run with these arguments; the exit status.
check() {
    name=$1 want=$2
    shift 2
    timeout 180 $run "$@" >"$work/stdout" 2>"$work/stderr" </dev/null
    got=$?
    verdict "$name" "$([ $got = "$want" ] || echo "exit status $got, expected $want")"
}

verdict() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1: $2"
        tail -5 "$work/stderr"
    fi
}

# says NAME FILE PATTERN: the last run's stdout or stderr has such a line.
says() {
    verdict "$1" "$(grep -qE -- "$3" "$work/$2" || echo "no line $3 in $2")"
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

# --- every call with edge arguments --------------------------------------------

seeds="1 2 3 4 5 6"
[ "$port" = linux ] || seeds="1 2"
for seed in $seeds; do
    python3 test/hostile/fuzz.py "$seed" 3000 quiet >"$work/fuzz-$seed.txt" &&
        wat2wasm "$work/fuzz-$seed.txt" -o "$work/fuzz-$seed.wasm" || exit 1
    check "calls, seed $seed" 0 --dir-copy "$work/root" --timeout 100s \
        "$work/fuzz-$seed.wasm"
done

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
