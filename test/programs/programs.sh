#!/bin/sh
# test/programs/programs.sh OUT PORT [COMMAND]: run the programs of user/ with
# OUT/nebulet or another, on $SMP CPUs (default 1), and judge what they print
# and how they end.  Ends with "N passed, N failed, N skipped".

set -u
out=$1 port=$2 command=${3:-$1/nebulet}
run="$command run --on $port --smp ${SMP:-1}"
work=$out/programs-$port-$(echo "${command#"$out"/}" | tr / -)
. test/verdict.sh
skipped=0
mkdir -p "$work"

# check NAME STATUS COMMAND...: the exit status, and stdout equal to the file
# $work/want when there is one.  stdout and stderr stay in $work.
check() {
    name=$1 want=$2
    shift 2
    echo "hangs" >"$work/status" # 124 would look like a time limit of ours
    timeout "${HANG_LIMIT:-600}" sh -c 'file=$0; "$@"; echo $? >"$file"' \
        "$work/status" "$@" >"$work/stdout" 2>"$work/stderr" \
        <"${input:-/dev/null}"
    got=$(cat "$work/status")
    reason=
    [ "$got" = "$want" ] || reason="exit status $got, expected $want"
    if [ -e "$work/want" ] && ! cmp -s "$work/want" "$work/stdout"; then
        reason="$reason stdout differs: $(diff "$work/want" "$work/stdout" | head -5)"
    fi
    rm -f "$work/want"
    verdict "$name" "$reason"
}

# skip NAME REASON
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1: $2"
}

. test/programs/cases.sh
. test/programs/kill.sh
. test/programs/languages.sh
. test/programs/abi2018.sh

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
