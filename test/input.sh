#!/bin/sh
# test/input.sh OUT: every byte value twice on the standard input of the
# kernel's own tests in QEMU, which compare it (test/metal_port.c).

for _ in 1 2; do
    byte=0
    while [ $byte -lt 256 ]; do
        # shellcheck disable=SC2059
        printf "\\$(printf %03o $byte)"
        byte=$((byte + 1))
    done
done | "$1/nebulet" selftest microvm "input"
