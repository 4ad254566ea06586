#!/bin/sh
# test/fuzz/diff.sh OUT GENERATOR FIRST-SEED COUNT [COMMAND...]: random modules
# against Node, in chunks; GENERATOR is scalar, simd, control, ttf or gc; or calls,
# whose results calls.py computes itself.  $NODE is another Node than the one on
# PATH; gc, which wants one of 24 or later, builds its generator with cargo.
# Each COMMAND runs them all: OUT/nebulet when none is given, OUT/nebulet-plain
# for plain mode, with variables before it; with ON=metal in the environment in
# QEMU.  Modules on which they differ stay in OUT/fuzz.  Ends with "N passed, N
# failed, N skipped".

set -u
out=$1 generator=$2 seed=$3 count=$4
shift 4
[ $# -gt 0 ] || set -- "$out/nebulet"
chunk=$((count < 1000 ? count : 1000)) passed=0 failed=0 modules=0
keep=$out/fuzz node=${NODE:-node}
mkdir -p "$keep"
if [ "$generator" = gc ]; then
    smith=$out/gc-smith/release/gc-smith
    cargo build --quiet --release --locked --manifest-path test/fuzz/gc/Cargo.toml \
        --target-dir "$out/gc-smith" || exit 1
fi

# Run the scripts in $dir with command $1; 1 if one failed, or was left out.
run() {
    log=$dir-$(basename "$1").log
    # shellcheck disable=SC2086
    find "$dir" -name '*.json' -exec env $1 wast --on "${ON:-linux}" {} + >"$log"
    counts=$(tail -1 "$log" | tr -cd '0-9 ')
    # shellcheck disable=SC2086
    set -- ${counts:-0 1 0}
    passed=$((passed + $1)) failed=$((failed + $2 + $3))
    [ $(($2 + $3)) != 0 ] || { rm "$log"; return 0; }
    head -5 "$log"
    return 1
}

while [ "$modules" -lt "$count" ]; do
    dir=$keep/$generator-$seed-${ON:-linux}
    rm -rf "$dir"
    case $generator in
    calls) test/fuzz/calls.py "$dir" "$seed" "$chunk" ;;
    ttf) "$node" test/fuzz/ttf.mjs "$dir" "$seed" "$chunk" ;;
    gc) "$node" test/fuzz/gc.mjs "$smith" "$dir" "$seed" "$chunk" ;;
    *) "$node" test/fuzz/smith.mjs "$dir" "$seed" "$chunk" "$generator" ;;
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
