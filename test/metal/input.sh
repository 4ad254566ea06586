#!/bin/sh
# test/metal/input.sh OUT: the channel of the kernel's own tests in QEMU
# (test/metal/port.c): every byte value twice on standard input, which they
# compare; 4 MiB of input and 16 MiB of output, for which they count what they
# cost.

set -u

for machine in microvm q35; do
    for _ in 1 2; do
        byte=0
        while [ $byte -lt 256 ]; do
            # shellcheck disable=SC2059
            printf "\\$(printf %03o $byte)"
            byte=$((byte + 1))
        done
    done | "$1/nebulet" selftest $machine input || exit
    head -c 4194304 /dev/zero | "$1/nebulet" selftest $machine much || exit
    size=$("$1/nebulet" selftest $machine output | wc -c)
    [ "$size" = 16777216 ] || exit
done
