# test/verdict.sh: how test scripts count; read by those that run programs, with
# stdout and stderr of the last run in $work.
# shellcheck shell=sh disable=SC2154

passed=0 failed=0

# verdict NAME PROBLEM: passed if there is none.
verdict() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1: $2"
        tail -5 "$work/stderr"
    fi
}

# says NAME FILE PATTERN: the last run's stdout or stderr has such a line.
says() {
    verdict "$1" "$(grep -qE -- "$3" "$work/$2" || echo "no line $3 in $2")"
}
