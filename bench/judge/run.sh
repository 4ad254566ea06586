#!/bin/sh
# bench/judge/run.sh OUT [FILE...]: what the verifier costs beside the compiler:
# of the programs in user/ and bench/, or of the files named, in instructions
# where valgrind is here, else in CPU time (microseconds).  Fails where it is more
# than 15 %.

set -u
out=$1
shift
dir=$out/bench
mkdir -p "$dir"

if [ $# = 0 ]; then
    for source in bench/*.c; do
        clang --target=wasm32-wasi -O2 -w -I. "$source" \
            -o "$dir/$(basename "$source" .c).wasm" || exit 1
    done
    set -- "$out"/user/*.wasm "$out"/user/traps/*.wasm "$dir"/*.wasm
fi

# Lines "NAME CODE COMPILE JUDGE" of one file, counted by valgrind.
counted() {
    valgrind --tool=callgrind --callgrind-out-file="$dir/judge.count" \
        "$out/judge-cost" --once "$1" >"$dir/judge.line" 2>"$dir/judge.log" || {
        tail -3 "$dir/judge.log" >&2
        return 1
    }
    callgrind_annotate --inclusive=yes --threshold=100 "$dir/judge.count" |
        awk '/:work_(compile|judge)/ {
                gsub(",", "", $1)
                count[$0 ~ /work_judge/] = $1
            }
            NR == FNR { next }
            { print $1, $2, count[0], count[1] }' - "$dir/judge.line"
}

unit=microseconds
! command -v valgrind >/dev/null || unit=instructions
for file in "$@"; do
    if [ $unit = instructions ]; then
        counted "$file" || exit 1
    else
        "$out/judge-cost" "$file" || exit 1
    fi
done | awk -v unit=$unit '
    BEGIN { print "program                     code     compile       judge  " unit }
    {
        share = 100 * $4 / $3
        printf "%-22s %9d %11d %11d %5.1f %%\n", $1, $2, $3, $4, share
        if (share > 15) bad++
    }
    END { if (bad) print bad " above 15 %"; exit bad > 0 }'
