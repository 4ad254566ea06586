#!/bin/sh
# bench/kernel/run.sh OUT [--icount]: what the kernel's calls cost on linux, in nanoseconds,
# beside what a user of Linux has for the same, on one CPU; then a lock that two
# CPUs want, and how much sooner two computations end on two CPUs (there the ratio is
# by which ours is better, too).  `call` is one of a function, which the others are
# over.  The fastest of several rounds on either side; a machine that others use makes
# both worse.
# `noise` is how much longer a loop of plain code took at worst than at best: where
# that is more than 1.1, the rows say little.  With --icount: ours alone, in QEMU,
# in instructions.

set -u
out=$1
dir=$out/bench
mkdir -p "$dir"
clang --target=wasm32-wasi -O2 -Wall -Wextra -I. -I"$out/user/include" \
    -Iuser/libsip bench/kernel/ours.c user/libsip/sip.c user/libsip/gate.c \
    -o "$dir/ours.wasm" || exit 1

if [ "${2:-}" = --icount ]; then
    exec "$out/nebulet" run --icount "$dir/ours.wasm"
fi
gcc -O2 -Wall -Wextra -I. bench/kernel/theirs.c -o "$dir/theirs" -pthread || exit 1

# noise: the same work ten times, the longest by the shortest.
noise() {
    for _ in $(seq 10); do
        start=$(date +%s%N)
        awk 'BEGIN { for (i = 0; i < 200000; i++) n += i }'
        echo $(($(date +%s%N) - start))
    done | sort -n | awk 'NR == 1 { least = $1 } END { printf "noise %.2f\n", $1 / least }'
}

noise
"$out/nebulet" run --on linux --smp 1 "$dir/ours.wasm" >"$dir/ours.txt" || exit 1
"$dir/theirs" >"$dir/theirs.txt" || exit 1
"$out/nebulet" run --on linux --smp 2 "$dir/ours.wasm" two >>"$dir/ours.txt" || exit 1
"$dir/theirs" two >>"$dir/theirs.txt" || exit 1
printf '%-12s %10s %10s %8s  %s\n' "" nebulet linux ratio "beside"
awk '
    BEGIN {
        split("call call system-call getppid mutex pthread_mutex yield sched_yield thread pthread " \
            "channel socketpair gate pipe gate-window pipe stream-64k pipe spawn posix_spawn mutex-2 pthread_mutex speed-up pthread", w, " ")
        for (i = 1; i in w; i += 2) beside[w[i]] = w[i + 1]
    }
    FNR == NR { theirs[$1] = $2; next }
    $1 == "speed-up" { printf "%-12s %10.2f %10.2f %8.2f  %s\n", $1, $2, theirs[$1], $2 / theirs[$1], beside[$1]; next }
    { printf "%-12s %10.1f %10.1f %8.1f  %s\n", $1, $2, theirs[$1], theirs[$1] / $2, beside[$1] }
' "$dir/theirs.txt" "$dir/ours.txt"
noise
