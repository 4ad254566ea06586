#!/bin/sh
# test/fuzz/csmith.sh OUT FIRST-SEED COUNT: random C programs, native and as
# wasm on the Linux port: the checksums must agree.  Goes on with further seeds
# until COUNT were compared.
#
# Programs end at once or never: those that natively take more than 2 seconds
# are skipped and counted.  csmith writes constants of 32 bits with the suffix
# L, which is 64 bits natively and 32 in wasm; they are made LL.  That changes
# nothing natively, so the program still has no undefined behaviour, and it
# makes every type as wide in wasm; nothing else csmith prints says `long`.

set -u
out=$1 seed=$2 count=$3
dir=$out/csmith
passed=0 failed=0 endless=0

# Write the program of this seed and compile it both ways.
prepare() {
    (cd "$dir" && csmith --seed "$seed" --no-packed-struct --no-bitfields \
        --max-funcs 8 --max-block-depth 4 --concise -o "$seed.c") &&
        sed -i -E 's/\b(0x[0-9A-F]+|[0-9]+)(U?)L\b/\1\2LL/g' "$base.c" &&
        cc -O1 -w -I/usr/include/csmith "$base.c" -o "$base.native"
}

compare() {
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
}

mkdir -p "$dir"
while [ $((passed + failed)) -lt "$count" ]; do
    base=$dir/$seed
    prepare || exit 1
    want=$(timeout 2 "$base.native")
    case $? in
    0) compare ;;
    124) endless=$((endless + 1)) && rm -f "$base".* ;;
    *) echo "seed $seed: native run failed" && exit 1 ;;
    esac
    seed=$((seed + 1))
    [ $((seed % 100)) != 0 ] ||
        echo "up to seed $seed: $passed agree, $failed differ, $endless endless"
done
echo "up to seed $seed: $passed agree, $failed differ, $endless endless"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
