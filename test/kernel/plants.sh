#!/bin/sh
# test/kernel/plants.sh OUT: the kernel's image for tests stops at each fault of
# test/kernel/plants.def, with its message; and what a panic in the middle of a
# call of a program tells is test/kernel/plants.txt, on both ports.  ACCEPT=1:
# take that as right.  Ends with "N passed, N failed, N skipped".

set -u
out=$1
work=$out/plants
golden=test/kernel/plants.txt
. test/verdict.sh
mkdir -p "$work"

# in_qemu ID: commit it.
in_qemu() {
    timeout 1000 "$out/nebulet" selftest microvm "plant=$1" kernel-test.elf \
        >"$work/stdout" 2>"$work/stderr" </dev/null
    status=$?
}

# told: what the last panic told, without what differs from build to build, and
# with the last call and the last switch of what ran before: on a busy machine
# there are others between them.
told() {
    sed -nE '/panic: /,$p' "$work/stderr" |
        sed -E 's/^.*panic: (.*: )?/panic: /; s/\+0x[0-9a-f]+ \(.*\)//
            s/[0-9a-f]{16}/REGISTER/g; s/(thread|last of) [0-9]+/\1 N/g' |
        grep -E '^(panic|rip|r12|on|CPU|    (at|called)|    thread)' |
        awk '/^    thread/ { last = $0; if (/ calls /) call = $0; next } { print }
            END { print call; print last }'
}

sed -n 's/^PLANT(\([a-z_]*\), *"\(.*\)")$/\1 \2/p' test/kernel/plants.def \
    >"$work/list"
while read -r id message; do
    in_qemu "$id"
    panic=$(grep -a "^kernel panic: " "$work/stderr")
    verdict "$id" "$(case "$status $panic" in
        0*) echo "exit status 0" ;;
        *"$message"*) ;;
        *) echo "exit status $status, not \"$message\"" ;;
        esac)"
done <"$work/list"

in_qemu in_a_call
told >"$work/metal"
[ "${ACCEPT:-}" = 1 ] && cp "$work/metal" "$golden"
verdict "what a panic tells, metal" "$(diff "$golden" "$work/metal")"
NEBULET_PLANT=in_a_call "$out/san/test-kernel" plants_stop_the_kernel \
    2>"$work/stderr" >"$work/stdout"
told >"$work/linux"
verdict "what a panic tells, linux" "$(diff "$golden" "$work/linux")"

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
