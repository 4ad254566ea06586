#!/bin/sh
# test/frame.sh OUT: test/run.sh itself: what does not run, dies or skips in
# silence has failed.  Ends with "N passed, N failed, N skipped".

set -u
work=$1/frame
. test/verdict.sh
mkdir -p "$work"
: >"$work/stderr"
sed '/^for p in/,$d' test/run.sh >"$work/functions.sh"

# sums NAME WANT COMMAND: what the part that runs this shell command adds.
sums() {
    sum=$(sh -c 'command=$2 && set -- "$1" && . "$1/functions.sh" &&
        part one sh -c "$command" >"$out/stdout" &&
        counted 3 things >>"$out/stdout"; echo "$passed $failed $skipped"' \
        sh "$work" "$3")
    verdict "$1" "$([ "$sum" = "$2" ] || echo "counts as $sum, expected $2")"
}

sums "all well" "3 0 0" "echo 3 passed, 0 failed, 0 skipped"
sums "one fails" "2 1 0" "echo 2 passed, 1 failed, 0 skipped; false"
sums "dies" "0 2 0" "exit 1"
sums "dies after counting" "3 1 0" "echo 3 passed, 0 failed, 0 skipped; exit 9"
sums "nothing ran" "0 2 0" "echo 0 passed, 0 failed, 0 skipped"
sums "not all ran" "2 1 0" "echo 2 passed, 0 failed, 0 skipped"
sums "skips in silence" "2 1 1" "echo 2 passed, 0 failed, 1 skipped"
sums "skips with a reason" "2 0 1" \
    "echo skipped: this: no that; echo 2 passed, 0 failed, 1 skipped"
verdict "the reason" "$(grep -qx "one: this: no that" "$work/skipped.txt" ||
    echo "not noted")"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
