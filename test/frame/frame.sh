#!/bin/sh
# test/frame/frame.sh OUT: test/run.sh itself: what does not run, dies or skips
# in silence has failed.  Ends with "N passed, N failed, N skipped".

set -u
work=$1/frame
. test/verdict.sh
rm -rf "$work"
mkdir -p "$work"
: >"$work/stderr"
sed '/^for p in/,$d' test/run.sh >"$work/functions.sh"

# What all scripts begin with here: the functions.
# shellcheck disable=SC2016
begin='set -- "$0" && . "$0/functions.sh" || exit'

# sums NAME WANT COMMAND: what the part that runs this shell command adds to one
# that is well; the whole has failed if one has.
sums() {
    sum=$(COMMAND=$3 sh -c "$begin"'
        part other echo "1 passed, 0 failed, 0 skipped"
        whole 3 things one sh -c "$COMMAND"
        finish; echo "status $?"' "$work" | tail -2 | tr -cd "0-9 \n" | xargs)
    set -- "$1" $2
    want="$(($2 + 1)) $3 $4 $(($3 > 0))"
    verdict "$1" "$([ "$sum" = "$want" ] || echo "is $sum, expected $want")"
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

# Two at once, no third, and what is interrupted leaves nothing behind.
sum=$(JOBS=2 sh -c "$begin"'
    for i in 1 2 3; do
        part "$i" sh -c "echo >\"$out/began-$i\"; [ $i != 1 ] || until [ -e \"$out/began-2\" ]; do sleep 0.01; done; [ $i != 2 ] || [ ! -e \"$out/began-3\" ] && echo 1 passed, 0 failed, 0 skipped"
    done
    finish' "$work" | tail -1)
verdict "beside each other" "$([ "$sum" = "3 passed, 0 failed, 0 skipped" ] || echo "$sum")"
sh -c "$begin"'
    part long sh -c "echo \$\$ >\"$out/long\"; exec sleep infinity"
    finish' "$work" >"$work/stdout" 2>"$work/stderr" &
until [ -s "$work/long" ]; do sleep 0.01; done
kill $!
wait $!
verdict "interrupted" "$([ $? = 130 ] || echo "status $?")"
until [ ! -e "/proc/$(cat "$work/long")" ]; do sleep 0.01; done

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
