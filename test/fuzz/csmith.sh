#!/bin/sh
# test/fuzz/csmith.sh OUT FIRST-SEED COUNT: random C programs, native and as
# wasm on the Linux port: the checksums must agree.  Programs that run natively
# for more than 5 seconds are left out and counted as skipped.  `long` has 32
# bits in wasm, so constants that csmith calls L are made LL.

set -u
out=$1 first=$2 count=$3
dir=$out/csmith
mkdir -p "$dir"
passed=0 failed=0 skipped=0

for seed in $(seq "$first" $((first + count - 1))); do
    base=$dir/$seed
    (cd "$dir" && csmith --seed "$seed" --no-packed-struct --no-bitfields \
        --max-funcs 8 --max-block-depth 4 --concise -o "$seed.c")
    sed -i -E 's/\b(0x[0-9A-F]+|[0-9]+)(U?)L\b/\1\2LL/g' "$base.c"
    cc -O1 -w -I/usr/include/csmith "$base.c" -o "$base.native"
    want=$(timeout 5 "$base.native") || { skipped=$((skipped + 1)); rm -f "$base".*; continue; }
    clang --target=wasm32-wasi -O$((seed % 3)) -w -I/usr/include/csmith \
        "$base.c" -o "$base.wasm"
    got=$("$out/nebulet" run --on linux --timeout 60s "$base.wasm" 2>&1)
    if [ "$got" = "$want" ]; then
        passed=$((passed + 1))
        rm -f "$base".*
    else
        failed=$((failed + 1))
        echo "seed $seed: native \"$want\", nebulet \"$got\" ($base.wasm)"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
