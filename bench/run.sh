#!/bin/sh
# bench/run.sh OUT: the speed of generated code.  Each kernel is built native
# (cc -O2) and as wasm (clang -O2); the runs of one kernel follow each other in
# every round, so that noise hits all alike.  Times are the fastest turn of all
# rounds; what counts are the ratios.

set -u
out=$1
dir=$out/bench
mkdir -p "$dir"
rounds=${ROUNDS:-3}
node=$(command -v node || true)

# best FILE: the least time in a file of "checksum time" lines; checks that all
# checksums agree.
best() {
    awk '{ if (NR > 1 && $1 != sum) { print "checksums differ"; exit }
           sum = $1; if (NR == 1 || $2 < min) min = $2 } END { print min }' "$1"
}

printf '%-10s %10s %10s %10s %9s %9s\n' kernel native nebulet node \
    neb/native neb/node
for source in bench/*.c; do
    name=$(basename "$source" .c)
    cc -O2 -w -I. "$source" -o "$dir/$name" || exit 1
    clang --target=wasm32-wasi -O2 -w -I. "$source" -o "$dir/$name.wasm" || exit 1
    rm -f "$dir/$name".*.txt
    for round in $(seq "$rounds"); do
        "$dir/$name" >>"$dir/$name.native.txt"
        "$out/nebulet" run --on linux "$dir/$name.wasm" \
            >>"$dir/$name.nebulet.txt"
        if [ -n "$node" ]; then
            node --no-warnings bench/node.mjs "$dir/$name.wasm" \
                >>"$dir/$name.node.txt"
        fi
    done
    sums=$(cat "$dir/$name".*.txt | cut -d' ' -f1 | sort -u | wc -l)
    [ "$sums" = 1 ] || { echo "$name: checksums differ"; exit 1; }
    native=$(best "$dir/$name.native.txt")
    nebulet=$(best "$dir/$name.nebulet.txt")
    other=$([ -n "$node" ] && best "$dir/$name.node.txt" || echo 0)
    echo "$name $native $nebulet $other"
done | awk '
    NF != 4 { print; bad = 1; next }
    {
        printf "%-10s %10d %10d %10d %9.2f %9s\n", $1, $2, $3, $4, $3 / $2,
               $4 ? sprintf("%.2f", $3 / $4) : "-"
        native += log($3 / $2); n++
        if ($4) { node += log($3 / $4); k++ }
    }
    END {
        if (n) printf "%-10s %42.2f %9s\n", "geomean", exp(native / n),
                      k ? sprintf("%.2f", exp(node / k)) : "-"
        exit bad
    }'
