#!/bin/sh
# bench/run.sh OUT: the speed of generated code.  Each kernel is built native by
# gcc and clang (-O2) and as wasm (clang -O2); the runs of one kernel follow each
# other in every round, so that noise hits all alike.  Times are the fastest turn
# of all rounds; what counts are the ratios.  Without Node there is no column of
# it.  ROUNDS=N (default 3).

set -u
out=$1
dir=$out/bench
mkdir -p "$dir"
rounds=${ROUNDS:-3}

others="gcc clang"
if command -v node >/dev/null 2>&1; then others="$others node"; fi

# run KIND NAME: one round; prints "checksum time".
run() {
    case $1 in
    nebulet) "$out/nebulet" run --on linux --smp 1 "$dir/$2.wasm" ;;
    node) node --no-warnings bench/node.mjs "$dir/$2.wasm" ;;
    *) "$dir/$2.$1" ;;
    esac
}

# measure NAME: "NAME kind time kind time ..."; fails when checksums differ.
measure() {
    rm -f "$dir/$1".*.txt
    for _ in $(seq "$rounds"); do
        for kind in nebulet $others; do
            run $kind "$1" >>"$dir/$1.$kind.txt" || return
        done
    done
    sums=$(cat "$dir/$1".*.txt | cut -d' ' -f1 | sort -u | wc -l)
    [ "$sums" = 1 ] || { echo "$1: checksums differ" >&2; return 1; }
    printf %s "$1"
    for kind in nebulet $others; do
        printf ' %s %s' $kind "$(cut -d' ' -f2 "$dir/$1.$kind.txt" | sort -n |
            head -1)"
    done
    echo
}

gcc --version | head -1
clang --version | head -1
for kind in $others; do [ $kind != node ] || echo "node $(node --version)"; done

for source in bench/*.c; do
    name=$(basename "$source" .c)
    for compiler in gcc clang; do
        $compiler -O2 -w -I. "$source" -o "$dir/$name.$compiler" || exit 1
    done
    clang --target=wasm32-wasi -O2 -w -I. "$source" -o "$dir/$name.wasm" || exit 1
    measure "$name" || exit 1
done | awk '
    # The geometric mean of a column, with the least and the greatest.
    function sum_up(text, i, k, n) {
        printf "%-10s", text
        for (i = 2; i < columns; i += 2) {
            if (i == 2) { printf " %10s", ""; continue }
            printf " %10s %6s", "", sprintf("%.2f", \
                text == "geomean" ? exp(sum[i] / rows) : \
                text == "least" ? least[i] : most[i])
        }
        print ""
    }
    NR == 1 {
        columns = NF
        printf "%-10s", "kernel"
        for (i = 2; i < NF; i += 2)
            printf i == 2 ? " %10s" : " %10s  ratio", $i
        print ""
    }
    {
        rows++
        printf "%-10s %10d", $1, $3
        for (i = 4; i < NF; i += 2) {
            ratio = $3 / $(i + 1)
            printf " %10d %6.2f", $(i + 1), ratio
            sum[i] += log(ratio)
            if (rows == 1 || ratio < least[i]) least[i] = ratio
            if (rows == 1 || ratio > most[i]) most[i] = ratio
        }
        print ""
    }
    END { sum_up("geomean"); sum_up("least"); sum_up("most"); exit rows == 0 }'
