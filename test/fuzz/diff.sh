#!/bin/sh
# test/fuzz/diff.sh OUT GENERATOR FIRST-SEED COUNT: random modules against Node,
# in chunks; GENERATOR is scalar, simd or ttf.  Modules on which the two differ
# stay in OUT/fuzz.  Ends with "N passed, N failed, N skipped".

set -u
out=$1 generator=$2 first=$3 count=$4
chunk=1000 passed=0 failed=0 modules=0 seed=$first
keep=$out/fuzz
mkdir -p "$keep"

while [ "$modules" -lt "$count" ]; do
    dir=$keep/work-$generator-$seed
    rm -rf "$dir"
    case $generator in
    ttf) node test/fuzz/ttf.mjs "$dir" "$seed" $chunk ;;
    *) node test/fuzz/smith.mjs "$dir" "$seed" $chunk "$generator" ;;
    esac >"$keep/generate.log" || { cat "$keep/generate.log"; exit 1; }
    "$out/nebulet" wast "$dir"/*.json >"$keep/$generator-$seed.log"
    line=$(tail -1 "$keep/$generator-$seed.log")
    # shellcheck disable=SC2046
    set -- $(echo "$line" | tr -cd '0-9 ')
    passed=$((passed + $1)) failed=$((failed + $2))
    modules=$((modules + chunk)) seed=$((seed + chunk))
    if [ "$2" = 0 ]; then
        rm -rf "$dir" "$keep/$generator-$((seed - chunk)).log"
    else
        head -5 "$keep/$generator-$((seed - chunk)).log"
    fi
    echo "$generator: $modules modules, $passed passed, $failed failed"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
