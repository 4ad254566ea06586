#!/bin/sh
# test/fuzz/diff.sh OUT GENERATOR FIRST-SEED COUNT [COMMAND...]: random modules
# against Node, in chunks; GENERATOR is scalar, simd, control or ttf; or calls,
# whose results calls.py computes itself.  Each COMMAND runs them all:
# OUT/nebulet when none is given, OUT/nebulet-plain for plain mode; with
# ON=metal in the environment in QEMU.  Modules on which they differ stay in
# OUT/fuzz.  Ends with "N passed, N failed, N skipped".

set -u
out=$1 generator=$2 seed=$3 count=$4
shift 4
[ $# -gt 0 ] || set -- "$out/nebulet"
chunk=$((count < 1000 ? count : 1000)) passed=0 failed=0 modules=0
keep=$out/fuzz
mkdir -p "$keep"

# Run the scripts in $dir with command $1; 1 if one failed.
run() {
    log=$dir-$(basename "$1").log
    "$1" wast --on "${ON:-linux}" "$dir"/*.json >"$log"
    counts=$(tail -1 "$log" | tr -cd '0-9 ')
    # shellcheck disable=SC2086
    set -- ${counts:-0 1}
    passed=$((passed + $1)) failed=$((failed + $2))
    [ "$2" != 0 ] || { rm "$log"; return 0; }
    head -5 "$log"
    return 1
}

while [ "$modules" -lt "$count" ]; do
    dir=$keep/$generator-$seed-${ON:-linux}
    rm -rf "$dir"
    case $generator in
    calls) test/fuzz/calls.py "$dir" "$seed" "$chunk" ;;
    ttf) node test/fuzz/ttf.mjs "$dir" "$seed" "$chunk" ;;
    *) node test/fuzz/smith.mjs "$dir" "$seed" "$chunk" "$generator" ;;
    esac >"$dir.generate.log" || { cat "$dir.generate.log"; exit 1; }
    same=yes
    for command; do
        run "$command" || same=no
    done
    [ $same = no ] || rm -r "$dir" "$dir.generate.log"
    modules=$((modules + chunk)) seed=$((seed + chunk))
    echo "$generator: $modules modules, $passed passed, $failed failed"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
