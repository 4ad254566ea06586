#!/bin/sh
# test/verify_coverage.sh OUT: build verify/ to count branches, run its own
# tests, and fail where a branch of these files has not been taken both ways;
# asserts apart, which do not fail.

set -u
out=$1
files="decode"
build=$out/coverage
passed=0 failed=0

fail() {
    echo "FAILED: $*"
    failed=$((failed + 1))
}

# gcov writes a line of source, then its branches.
not_taken() {
    awk -F: -v name="$1" '
        /^ *[0-9#=-]+\*?: *[0-9]+:/ { line = $2; source = $0; next }
        /^branch / { branches++ }
        /^branch .*(taken 0%|never executed)/ && source !~ /assert\(/ {
            printf "verify/%s.c:%d: a branch is not taken\n", name, line
            bad = 1
        }
        END {
            if (branches == 0)
                print "verify/" name ".c: no branches counted"
            exit !bad && branches > 0
        }' "$build/$1.gcov"
}

flags="-std=c11 -I. -D_GNU_SOURCE -DNEBULET_CHECKED -fwrapv"
rm -rf "$build" && mkdir -p "$build" || exit 1
for file in $files; do
    # shellcheck disable=SC2086
    gcc $flags -O0 --coverage -c "verify/$file.c" -o "$build/$file.o" || exit 1
done
# shellcheck disable=SC2086
gcc $flags -O1 --coverage -fno-lto test/verify_decode.c test/verify_zydis.c \
    test/main.c "$build"/*.o "$out/host/libnebulet.a" -lZydis -lpthread \
    -o "$build/test" || exit 1
"$build/test" >"$build/log" 2>&1 || {
    cat "$build/log"
    fail "the tests"
}
for file in $files; do
    gcov -b -t -o "$build" "$build/$file.o" >"$build/$file.gcov" || exit 1
    if not_taken "$file"; then
        fail "$file"
    else
        passed=$((passed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
