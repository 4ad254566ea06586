#!/bin/sh
# test/verify/coverage.sh OUT: build verify/ to count branches, run its own
# tests and random mutants (test/mutants/mutants.c), and fail where a branch of
# it has not been taken both ways; asserts apart, which do not fail.  The
# mutants are of the modules of test/verify, which have all that there is, and
# of test/ir.

set -u
out=$1
build=$out/coverage
passed=0 failed=0

fail() {
    echo "FAILED: $*"
    failed=$((failed + 1))
}

flags="-std=c11 -I. -D_GNU_SOURCE -DNEBULET_CHECKED -fwrapv -fno-strict-aliasing"
rm -rf "$build" && mkdir -p "$build" || exit 1
for file in verify/*.c; do
    # shellcheck disable=SC2086
    gcc $flags -O0 --coverage -c "$file" -o "$build/$(basename "$file" .c).o" ||
        exit 1
done

# link NAME FILE...: with those objects instead of the library's.
link() {
    name=$1
    shift
    # shellcheck disable=SC2086
    gcc $flags -O1 --coverage -fno-lto "$@" test/wasm/help.c "$build"/*.o \
        "$out/host/libnebulet.a" -lZydis -lpthread -o "$build/$name" || exit 1
}

# run NAME COMMAND...: which have to pass.
run() {
    log=$build/$1.log
    shift
    "$@" >"$log" 2>&1 && return
    tail -20 "$log"
    fail "$*"
}

link test test/verify/decode.c test/verify/zydis.c test/verify/judge.c \
    test/verify/judge_attack.c test/verify/mutants.c test/verify/steps.c \
    test/main.c
link mutants test/mutants/mutants.c test/mutants/guard.c
# On every machine the same: not with the suites that are here or not.
run test env NEBULET_SUITE="$build/none" "$build/test"
# Modules from text, and from bytes where wabt is too old for the text.
make_modules() {
    mkdir -p "$build/modules" || exit 1
    for file in test/verify/*.wat test/ir/golden/*.wat; do
        wat2wasm --enable-threads --enable-tail-call --enable-exceptions \
            --enable-memory64 --enable-multi-memory "$file" \
            -o "$build/modules/$(basename "$file" .wat).wasm" || exit 1
    done
    for file in test/verify/*.hex; do
        sed 's/;.*//' "$file" | python3 -c 'import sys
sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' \
            >"$build/modules/$(basename "$file" .hex).wasm" || exit 1
    done
}

make_modules
run mutants "$build/mutants" 1 80 "$build/modules"

# gcov writes a line of source, then its branches; those of headers for each file.
for file in verify/*.c; do
    gcov -b -c -t -o "$build" "$build/$(basename "$file" .c).o" || exit 1
done >"$build/all.gcov" 2>/dev/null
awk '
    /^ *-: *0:Source:/ { sub(/.*Source:/, ""); file = $0; next }
    /^ *[0-9#=-]+\*?: *[0-9]+:/ {
        split($0, part, ":")
        place = file ":" part[2] + 0
        text[place] = $0
        branch = 0
        next
    }
    /^branch / {
        branch++
        if (place !~ /^verify\// || text[place] ~ /assert\(/)
            next
        all[place, branch] = place
        if ($3 == "taken")
            taken[place, branch] += $4
    }
    END {
        for (one in all) {
            count++
            if (taken[one] > 0)
                continue
            missed++
            line = text[all[one]]
            sub(/^[^:]*: *[0-9]+: */, "", line)
            print all[one] ": not taken: " line | "sort -u"
        }
        close("sort -u")
        print count + 0 " branches of verify/, " missed + 0 " not taken"
        exit missed > 0 || count == 0
    }' "$build/all.gcov" && passed=1 || fail "branches that are not taken"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
