#!/bin/sh
# test/fuzz/files.sh OUT PORT OPTION SEEDS COUNT [FIRST]: for each seed that many
# random calls on files (test/hostile/files.c) of a directory that is given by
# OPTION, --dir or --copy-dir; on linux under ASan and UBSan.  Around it are
# files that say OUTSIDE, and links to them come and go in it meanwhile where it
# is the host's.  Ends with "N passed, N failed, N skipped".

set -u
out=$1 port=$2 option=$3 seeds=$4 count=$5 seed=${6:-1}
work=$out/fuzz-files$option-$port
. test/verdict.sh
nebulet=$out/nebulet
[ "$port" = metal ] || nebulet=$out/san/nebulet
mkdir -p "$work"
clang --target=wasm32-wasi -O2 -Wall test/hostile/files.c -o "$work/files.wasm" ||
    exit 1

# A directory in $1 among others, with names that the program uses.
prepare() {
    rm -rf "$1"
    mkdir -p "$1/out/w"
    for name in a b c d e l m ..a etc proc; do
        echo OUTSIDE >"$1/$name"
        echo OUTSIDE >"$1/out/$name"
    done
}

# What is outside, as it has to stay.
outside() {
    (cd "$1" && ls -A . && ls -A out | grep -vx 'w\|away\|running'
        grep -ac '^OUTSIDE$' ./[!o]* ./..a out/[!wr]* out/..a 2>&1 |
            grep -v '^out/away')
}

# While $1/running is there: exchange names in $1/w for links that lead out.
exchange() {
    while [ -e "$1/running" ]; do
        for name in a b c; do
            mv -T "$1/w/$name" "$1/away" && ln -s .. "$1/w/$name"
            rm -f "$1/w/$name"
            mv -T "$1/away" "$1/w/$name" || rm -rf "$1/away"
        done
    done
    rm -rf "$1/away"
}

end=$((seed + seeds))
while [ "$seed" -lt "$end" ]; do
    prepare "$work/top"
    before=$(outside "$work/top")
    if [ "$option" = --dir ]; then
        echo >"$work/top/out/running"
        exchange "$work/top/out" 2>/dev/null &
    fi
    timeout 3000 "$nebulet" run --on "$port" "$option" "$work/top/out/w::/w" \
        "$work/files.wasm" "$seed" "$count" \
        >"$work/stdout" 2>"$work/stderr" </dev/null
    status=$?
    rm -f "$work/top/out/running"
    wait
    problem=
    [ $status = 0 ] || problem="exit status $status "
    grep -aq "of [0-9]* calls succeeded" "$work/stdout" ||
        problem="${problem}it did not come to its end "
    [ "$(outside "$work/top")" = "$before" ] ||
        problem="${problem}what is outside has changed"
    verdict "seed $seed" "$problem"
    seed=$((seed + 1))
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
