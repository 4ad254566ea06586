#!/bin/sh
# test/input.sh OUT: the channel of the kernel's own tests in QEMU
# (test/metal_port.c): every byte value twice on standard input, which they
# compare, and 16 MiB of output, for which they count what it costs.

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
    size=$("$1/nebulet" selftest $machine output | wc -c)
    [ "$size" = 16777216 ] || exit
done
