#!/bin/sh
# test/metal/models.sh OUT: the port's tests on CPUs that lack what others have,
# and the kernel's of threads where vectors are saved another way.  TCG has no
# TSC deadline, x2APIC, AVX-512 or kvmclock, and the kernel uses none of them.
# Ends with "N passed, N failed, N skipped".

set -u
out=$1
work=$out/models
. test/verdict.sh
mkdir -p "$work"

# model NAME IMAGE MODEL MESSAGE: the last line of the output, or of a panic.
model() {
    case $2 in kernel-*) line=only=thread ;; *) line= ;; esac
    timeout 1000 "$out/nebulet" selftest --smp 2 --cpu "$3" microvm "$line" "$2" \
        >"$work/stdout" 2>"$work/stderr" </dev/null
    status=$?
    said=$(grep -ahE "^kernel panic: |^[0-9]+ passed, " "$work/stdout" \
        "$work/stderr" | tail -1)
    verdict "$1" "$(case "$status $said" in
        *"$4"*) ;;
        *) echo "exit status $status, $said, not \"$4\"" ;;
        esac)"
}

well=", 0 failed, 0 skipped"
model "no AVX" port-test.elf max,-avx,-avx2 "$well"
model "no XSAVE" port-test.elf max,-xsave "$well"
model "no XSAVE, the kernel" kernel-test.elf max,-xsave "$well"
model "no random numbers" port-test.elf max,-rdrand,-rdseed "$well"
model "no guards of supervisors" port-test.elf \
    max,-smep,-smap,-umip,-fsgsbase "$well"
model "no global pages" port-test.elf max,-pge "$well"
model "no large pages" port-test.elf max,-pdpe1gb "$well"
model Nehalem port-test.elf Nehalem,-spec-ctrl "$well"
model "no SSE4.2" port-test.elf max,-sse4.2 \
    "this CPU lacks SSE4.2 or POPCNT"
model "no POPCNT" port-test.elf max,-popcnt "this CPU lacks SSE4.2 or POPCNT"
model "an old one" port-test.elf qemu64 "this CPU lacks SSE4.2 or POPCNT"

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
