#!/bin/sh
# test/fuzz/soak.sh OUT: full counts of what `make test` runs a hundredth of.
# Goes on where it was stopped: OUT/soak/NAME.next is the next seed of a job,
# OUT/soak/NAME.log what it has done.  Remove OUT/soak to begin again.  JOBS in
# the environment names the jobs to run, by blanks; all without it.  Ends with
# "N passed, N failed, N skipped", of chunks of seeds and modules.

set -u
out=$1
passed=0 failed=0
mkdir -p "$out/soak"

# wanted NAME: is this job among $JOBS?
wanted() {
    case " ${JOBS:-$1} " in
    *" $1 "*) ;;
    *) return 1 ;;
    esac
}

# each NAME SEEDS CHUNK COMMAND...: run it for $seed and the CHUNK - 1 behind it,
# from 1 on; what failed is kept.
each() {
    name=$1 seeds=$2 chunk=$3
    shift 3
    wanted "$name" || return 0
    seed=$(cat "$out/soak/$name.next" 2>/dev/null || echo 1)
    while [ "$seed" -le "$seeds" ]; do
        if "$@" >"$out/soak/$name.last" 2>&1; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            cp "$out/soak/$name.last" "$out/soak/$name.$seed"
        fi
        echo "$name: seeds $seed to $((seed + chunk - 1)):" \
            "$(tail -1 "$out/soak/$name.last")" | tee -a "$out/soak/$name.log"
        seed=$((seed + chunk))
        echo "$seed" >"$out/soak/$name.next"
    done
}

# job NAME GENERATOR SEEDS CHUNK COMMAND...
job() {
    name=$1 generator=$2 seeds=$3 count=$4
    shift 4
    each "$name" "$seeds" "$count" generated "$@"
}

generated() {
    test/fuzz/diff.sh "$out" "$generator" "$seed" "$count" "$@"
}

job calls-linux calls 20000 500 "$out/nebulet" "$out/nebulet-plain"
# Modules near the limits: how many instructions run without preemption.
stretch() {
    wanted latency || return 0
    grep -qs "^$1, " "$out/soak/latency.log" && return
    test/latency/latency.sh "$out" "$@" >"$out/soak/latency.last"
    tail -1 "$out/soak/latency.last" | grep -q ", 0 failed," &&
        passed=$((passed + 1)) || failed=$((failed + 1))
    echo "$1, $2: $(tr '\n' ' ' <"$out/soak/latency.last")" |
        tee -a "$out/soak/latency.log"
}

stretch types 1000000 4096
stretch rec_types 1000000 4096
stretch imports 999999 2048
stretch exports 1000000 1024
stretch functions 1000000 4096
stretch globals 1000000 2048
stretch tables 50000 4096
stretch data 500000000 4096
stretch elems 10000000 4096
stretch passive 10000000 4096
stretch elem 10000000 2048
stretch elem_exprs 10000000 2048
stretch thunks 8000 2048
stretch small_code 50000000 4096
stretch code 98000000 6144
stretch lines 64000000 2048

# 10,000,000 changes to compiled code, 100,000 at once.
mutants() {
    test/mutants/mutants.sh "$out" "$seed" 25
}
each mutants 2500 25 mutants
# 1,000 sites of each class of changes, where the official suites have them.
classes() {
    NEBULET_SUITE=$out/suite SOAK=1 "$out/san/test-verify" verify_mutants
}
[ ! -e "$out/suite/core" ] || each classes 1 1 classes
# All rows of the verifier's table are proved.
each prove 1 1 make/prove.sh "$out"

# 200,000 random modules, in both modes, each accepted by the verifier: floats and
# vectors, exceptions, tail calls.  (calls-linux, above, has several instances.)
verify() {
    dir=$out/soak/verify-$generator
    rm -rf "$dir"
    node test/fuzz/smith.mjs "$dir" "$seed" 1000 "$generator" >/dev/null &&
        find "$dir" -name '*.wasm' >"$dir.list" &&
        xargs -n 500 "$out/nebulet" verify <"$dir.list" &&
        xargs -n 500 "$out/nebulet" verify --plain <"$dir.list" &&
        echo "$(wc -l <"$dir.list") passed, 0 failed, 0 skipped"
}
if command -v node >/dev/null 2>&1; then
    for generator in scalar simd control; do
        each "verify-$generator" 67000 1000 verify
    done
else
    echo "verify: left out: no Node"
fi

# 100,000 modules of wasm-smith with structs and arrays, against V8; also collected
# whenever an object is made, all at once or in steps.
node_major() {
    "${NODE:-node}" --version 2>/dev/null | sed 's/^v//; s/[.].*//'
}
if command -v cargo >/dev/null 2>&1 && [ "$(node_major || echo 0)" -ge 24 ]; then
    job gc gc 100000 1000 "$out/nebulet" "$out/nebulet-plain" \
        "COLLECT=all PART_INS=none $out/nebulet-plain" \
        "COLLECT=some PART_INS=none $out/nebulet-plain"
else
    echo "gc: left out: no cargo, or no Node of 24 or later (NODE=...)"
fi

# 1,000 containers made, run and deleted.
cycles() {
    test/oci/rate.py "$out" 1000
}
each cycles 1 1 cycles

# 10^11 bytes of garbage in 64 MiB.
garbage() {
    env NEBULET_ARRAYS=105000000 test/command/collect.py "$out" linux garbage_fits
}
each garbage 1 1 garbage

ON=metal
export ON
job calls-metal calls 500 100 "$out/nebulet"

# Run $test of the kernel's tests once, with $seed: on linux with variables, in
# QEMU with words of the kernel's line and options of `nebulet selftest`.
on_linux() {
    env NEBULET_SEED="$seed" "$@" "$out/san/test-kernel" "$test"
}

of_files() {
    test/fuzz/files.sh "$out" linux "$1" 20 50000 "$seed"
}

# 2,000 workloads with each cut of what they write, 100,000 hostile disks.
crashes() {
    env NEBULET_DISK_WORKLOADS=10 NEBULET_DISK_SUBSETS=8 \
        NEBULET_DISK_SEED="$seed" "$out/san/test-disk" disk_crash
}
each disk-crashes 2000 10 crashes
hostile_disks() {
    env NEBULET_DISK_IMAGES=1000 NEBULET_DISK_SEED="$seed" \
        "$out/san/test-disk" disk_hostile
}
each disk-hostile 50000 1000 hostile_disks

on_metal() {
    words=$1
    shift
    "$out/nebulet" selftest "$@" microvm "only=$test seed=$seed $words" \
        kernel-test.elf
}

# kernel NAME TEST SEEDS linux VARIABLE=VALUE...
# kernel NAME TEST SEEDS metal WORDS [OPTION...]: such a test with so many seeds.
kernel() {
    name=$1 test=$2 seeds=$3 port=$4
    shift 4
    each "$name" "$seeds" 1 "on_$port" "$@"
}

# 10,000,000 submits of a driver, 1,000,000 steps of a device, 10,000 drivers
# killed; and fewer of all in QEMU.
kernel devices device_ 100 linux
kernel devices-metal device_ 20 metal "devices=50000"
kernel stress stress 100 linux NEBULET_SMP=4
kernel stress-metal stress 100 metal "" --smp 4
# 100,000 processes made and killed, and memory that comes and goes meanwhile.
kernel storm storm 800 linux NEBULET_SMP=4
kernel storm-metal storm 800 metal "" --smp 4
# 100,000 calls of gates among programs that are killed.
kernel gates gate_random_kills 100 linux NEBULET_SMP=4
kernel gates-metal gate_random_kills 100 metal "" --smp 4
# 10,000,000 system calls, each test makes its number twice; 1,000,000 in QEMU.
kernel fuzz fuzz 50 linux NEBULET_SMP=1 NEBULET_CALLS=50000
kernel fuzz-smp fuzz 50 linux NEBULET_SMP=4 NEBULET_CALLS=50000
kernel fuzz-metal fuzz 5 metal calls=50000
kernel fuzz-metal-smp fuzz 5 metal calls=50000 --smp 4
# 5,000,000 calls on files, of the host and in memory.
each files 100 20 of_files --dir
each files-copies 100 20 of_files --copy-dir
# Every request that can fail.
kernel faults faults 1 linux NEBULET_FAULTS=1
kernel faults-metal faults 1 metal faults=1

grep -hv ", 0 failed," "$out"/soak/*.log
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
