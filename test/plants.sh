#!/bin/sh
# test/plants.sh OUT: the kernel's image for tests stops at each fault of
# test/kernel_plants.def, with its message.  Ends with "N passed, N failed,
# N skipped".

set -u
out=$1
work=$out/plants
. test/verdict.sh
mkdir -p "$work"

sed -n 's/^PLANT(\([a-z_]*\), *"\(.*\)")$/\1 \2/p' test/kernel_plants.def \
    >"$work/list"
while read -r id message; do
    timeout 1000 "$out/nebulet" selftest microvm "plant=$id" kernel-test.elf \
        >"$work/stdout" 2>"$work/stderr" </dev/null
    status=$?
    panic=$(grep -a "^kernel panic: " "$work/stderr")
    verdict "$id" "$(case "$status $panic" in
        0*) echo "exit status 0" ;;
        *"$message"*) ;;
        *) echo "exit status $status, not \"$message\"" ;;
        esac)"
done <"$work/list"

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
