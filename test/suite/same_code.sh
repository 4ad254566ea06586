#!/bin/sh
# test/suite/same_code.sh OUT: compile every module of the suite twice, in two
# processes: the same machine code.  Ends with "N passed, N failed, N skipped".

set -u
out=$1
list=$(find "$out/suite" -name '*.wasm' | sort)
for run in 1 2; do
    # shellcheck disable=SC2086
    "$out/nebulet" compile --hash $list >"$out/hashes-$run" || exit 1
done
count=$(wc -l <"$out/hashes-1")
if cmp "$out/hashes-1" "$out/hashes-2"; then
    echo "$count passed, 0 failed, 0 skipped"
else
    diff "$out/hashes-1" "$out/hashes-2" | head
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
