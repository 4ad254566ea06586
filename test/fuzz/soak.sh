#!/bin/sh
# test/fuzz/soak.sh OUT: full counts of what `make test` runs a hundredth of.
# Goes on where it was stopped: OUT/soak/NAME.next is the next seed of a job,
# OUT/soak/NAME.log what it has done.  Remove OUT/soak to begin again.  Ends
# with "N passed, N failed, N skipped", of chunks of seeds.

set -u
out=$1
passed=0 failed=0
mkdir -p "$out/soak"

# job NAME GENERATOR SEEDS CHUNK COMMAND...: seeds from 1 on.
job() {
    name=$1 generator=$2 seeds=$3 chunk=$4
    shift 4
    next=$(cat "$out/soak/$name.next" 2>/dev/null || echo 1)
    while [ "$next" -le "$seeds" ]; do
        if test/fuzz/diff.sh "$out" "$generator" "$next" "$chunk" "$@" \
            >"$out/soak/$name.last"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
        fi
        echo "$name: seeds $next to $((next + chunk - 1)):" \
            "$(tail -1 "$out/soak/$name.last")" | tee -a "$out/soak/$name.log"
        next=$((next + chunk))
        echo "$next" >"$out/soak/$name.next"
    done
}

job calls-linux calls 20000 500 "$out/nebulet" "$out/nebulet-plain"
ON=metal
export ON
job calls-metal calls 500 100 "$out/nebulet"

grep -hv ", 0 failed," "$out"/soak/*.log
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
