#!/bin/sh
# test/run.sh OUT PART...: run the parts of the test suite, each a command
# whose last line of the form "N passed, N failed, N skipped" counts; print the
# output of those that fail, and at the end what was skipped, what failed, each
# with what it said, and the sum of all.  As many run at once as there are CPUs,
# or $JOBS: no two of them use the same files.
#
# Parts: lint, unit, suite, calls, programs, command, wasi, hostile, metal, cpus,
# smp, oci, tsan.  The official suites are unpacked into OUT when ../shared/suites is there,
# or were put there by `make suite`; else each counts as one skipped test.  A part
# in which nothing ran has failed, and so has one that skips without saying what
# and why.

set -u
out=$1
shift

# Nothing in the user's own cache: the kernel compiles each time.
NEBULET_CACHE=off
export NEBULET_CACHE

LIMIT_S=1800 # what takes longer hangs
# A line of counts for each part; what was skipped, and why; what failed.
counts=$out/counts.txt reasons=$out/skipped.txt failures=$out/failed.txt
for file in "$counts" "$reasons" "$failures"; do : >"$file"; done

# A line in this pipe is room for one part more.
rm -f "$out/rooms"
mkfifo "$out/rooms"
exec 3<>"$out/rooms"
rooms=${JOBS:-$(nproc)}
for _ in $(seq "$rooms"); do echo >&3; done
# (The shell's own kill: a small system has no other.)
# shellcheck disable=SC2046
trap 'jobs -p >"$out/jobs"; kill $(cat "$out/jobs"); exit 130' INT TERM

# Run "$@" as the part called $1 as soon as there is room.
part() {
    read -r _ <&3
    {
        judge "$@"
        echo >&3
    } &
}

# whole NUMBER WHAT NAME COMMAND...: a part that has to count so many.
whole() {
    all=$1 what=$2
    shift 2
    part "$@"
    all=
}
all=

# Run "$@" as the part called $1, and note its closing line.  One that is killed
# has failed.  (What sh runs in the background is deaf to ^C, unless told.)
judge() {
    name=$1
    shift
    log=$out/test-$(echo "$name" | tr ' /' '--').log
    begun=$(date +%s)
    trap 'kill $! 2>/dev/null; exit 130' TERM # also before there is anything
    env --default-signal=INT,QUIT timeout $LIMIT_S "$@" >"$log" 2>&1 3>&- &
    wait $!
    status=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" |
        tail -1)
    # shellcheck disable=SC2046
    set -- $(echo "${line:-0 0 0}" | tr -cd '0-9 ')
    echo "$name: ${line:-no result} (exit status $status," \
        "$(($(date +%s) - begun)) s)"
    part_failed=$2
    why="$2 failed"
    if [ "$status" != 0 ] && [ "$2" = 0 ]; then
        part_failed=1 why="exit status $status" # it died before it could count
    elif [ $(($1 + $2 + $3)) = 0 ]; then
        part_failed=1 why="nothing ran"
    elif [ "$3" -gt 0 ] && ! reasons_of "$name" "$log"; then
        part_failed=1 why="skips without a reason"
    fi
    [ "$part_failed" = 0 ] || failure "$why" "$log"
    if [ -n "$all" ] && [ "$all" != $(($1 + $2 + $3)) ]; then
        echo "$name: $(($1 + $2 + $3)) counted, but there are $all $what" |
            tee -a "$failures"
        part_failed=$((part_failed + 1))
    fi
    echo "$1 $part_failed $3" >>"$counts"
}

# failure WHY LOG: the part called $name has failed: show how it ended, and note
# for the end what was said of the first tests that failed, or its last lines.
failure() {
    {
        echo "$name: $1"
        { grep -B 6 '^FAILED' "$2" | head -30 | grep . || tail -12 "$2"; } |
            cut -c 1-300 | sed 's/^/    /'
    } >"$2.failed"
    tail -40 "$2"
    cat "$2.failed" >>"$failures"
}

# reasons_of NAME LOG: note what a part skipped, and why, for the end: lines
# "skipped: WHAT: WHY" and "SCRIPT: N passed, N failed, N skipped (WHY)".
reasons_of() {
    awk -v name="$1" '
        /^skipped: / { print name ": " substr($0, 10); found = 1 }
        /^[^ ]*: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped \(/ {
            split($0, half, "[()]")
            why[half[2]] += $6
            found = 1
        }
        END {
            for (text in why)
                printf "%s: %d commands: %s\n", name, why[text], text
            exit !found
        }' "$2" >>"$reasons"
}

# left_out WHAT WHY HOW: a part that cannot run here.
left_out() {
    echo "$1: left out: $2"
    echo "$1: $2; $3" >>"$reasons"
    echo "0 0 1" >>"$counts"
}

# Tests of the kernel that run in hardened mode, too: what is special to it, and
# all ways between C and generated code.  Those that go these ways very often
# are left out: QEMU forgets its translations of addresses each time.
HARDENED="hardened exceptions_unwind exceptions_stay exceptions_in trap_report"
HARDENED="$HARDENED trap_uncaught trap_below trap_stack unwind gate_echo"
HARDENED="$HARDENED gate_chains gate_server window results stack"

# Tests of the kernel, by the first letters of their names, that show most where
# threads run beside each other; all of them are in part smp.
SEVERAL_CPUS="cpus thread signal lock stress storm errors"

# Those that run under ThreadSanitizer, too: threads beside each other.  Other
# tests of the kernel, and programs in them, look at each other's data on purpose.
TSAN_TESTS="cpus_ thread_ signal_ lock_ mutex_ event channel_ console_ terminal_"
TSAN_TESTS="$TSAN_TESTS kill_finds kill_ends port_ pfex gate_ pass_ window_"
TSAN_TESTS="$TSAN_TESTS yield_is wake_is woken_"

# Those that stand for no function of the kernel, which the one that ships has
# inlined; in QEMU.
OF_WHOLE="calls,channel,errors,event,gate,group,handle,port,process,rights"
OF_WHOLE="$OF_WHOLE,signal,spawn,storm,stream,stress,table,thread,timer,types,window"

part_lint() {
    part lint make/lint.sh
    part "lint itself" test/frame/lint.sh "$out"
    part analyzer make/analyze.sh
    part "programs by clang" test/programs/programs.sh "$out" linux "$out/clang/nebulet"
}

part_unit() {
    part frame test/frame/frame.sh "$out"
    part abi test/abi.sh "$out"
    part "verify coverage" test/verify/coverage.sh "$out"
    if suite_unpack; then
        NEBULET_SUITE=$out/suite
        export NEBULET_SUITE
    fi
    for test in "$out"/san/test-*; do
        case $test in *.*) ;; *) part "${test##*/test-}" "$test" ;; esac
    done
    for cpus in 2 4 8; do
        # shellcheck disable=SC2086
        part "kernel, $cpus CPUs" env NEBULET_SMP=$cpus "$out/san/test-kernel" \
            $SEVERAL_CPUS
    done
    part "kernel fuzz, 4 CPUs" env NEBULET_SMP=4 "$out/san/test-kernel" fuzz
    for target in decode validate compile tar lines; do
        part "corpus $target" "$out/san/fuzz-$target" "$out/seeds/$target"/* \
            "$out"/found/*
    done
    part "compiler memory" "$out/linear" --memory
    part "byte mutants" test/mutants/mutants.sh "$out" 1 25
    if command -v z3 >/dev/null 2>&1; then
        part "some of prove" make/prove.sh "$out" 40
    else
        left_out "some of prove" "no z3" "make prove says how to get it"
    fi
}

suite_unpack() {
    if [ ! -e "$out/suite/core" ] && [ -e ../shared/suites/spec.tar.gz ]; then
        mkdir -p "$out/suite"
        tar xzf ../shared/suites/spec.tar.gz -C "$out/suite"
    fi
    [ -e "$out/suite/core" ]
}

suite_present() {
    suite_unpack && return
    left_out "official suite" "not here" "\`make suite\` gets it"
    return 1
}

suite_count() {
    python3 test/suite/count.py "$out"/suite/*/*.json
}

part_suite() {
    suite_present || return
    commands=$(suite_count)
    whole "$commands" "commands in the suite" "suite linux" \
        "$out/san/nebulet" wast "$out"/suite/*/*.json
    for ins in 1 7 4096; do
        whole "$commands" "commands in the suite" "suite plain, parts of $ins" \
            env PART_INS=$ins "$out/nebulet-plain" wast "$out"/suite/*/*.json
    done
    part "same code twice" test/suite/same_code.sh "$out"
}

part_programs() {
    part readme test/readme.sh "$out"
    part languages test/command/languages.py "$out"
    part "programs linux" test/programs/programs.sh "$out" linux
    part "programs plain" env PART_INS=20 \
        test/programs/programs.sh "$out" linux "$out/nebulet-plain"
    part "programs metal" test/programs/programs.sh "$out" metal
    part "trace linux" test/command/trace.sh "$out" linux "$out/san/nebulet"
    part "trace metal" test/command/trace.sh "$out" metal
    part "gdb linux" test/command/gdb.sh "$out" linux
    part "gdb metal" test/command/gdb.sh "$out" metal
    part "streams linux" test/command/streams.py "$out" linux
    part "streams metal" test/command/streams.py "$out" metal
    part "shell linux" test/command/shell.py "$out" linux
    part "shell metal" test/command/shell.py "$out" metal
}

part_command() {
    part "command linux" test/command/command.py "$out" linux
    part "command metal" test/command/command.py "$out" metal
    part "files linux" test/command/files.py "$out" linux
    part "files metal" test/command/files.py "$out" metal
    part "disk linux" test/command/disk.py "$out" linux
    part "disk metal" test/command/disk.py "$out" metal
    part "network linux" test/command/network.py "$out" linux
    part "network metal" test/command/network.py "$out" metal
    part "files fuzz" test/fuzz/files.sh "$out" linux --dir 4 15000
    part "copies fuzz" test/fuzz/files.sh "$out" linux --copy-dir 4 15000
    part "invoke linux" test/command/invoke.py "$out" linux
    part "invoke metal" test/command/invoke.py "$out" metal
    part "cache linux" test/command/cache.py "$out" linux
    part "cache metal" test/command/cache.py "$out" metal
    part "collect linux" test/command/collect.py "$out" linux
    part "collect metal" test/command/collect.py "$out" metal
    part "profiles linux" test/command/profiles.py "$out" linux
    part "profiles metal" test/command/profiles.py "$out" metal
    part "options linux" test/command/options.py "$out" linux
    part "options metal" test/command/options.py "$out" metal
    part image test/command/media.py "$out" metal
    part sysroot test/sysroot/sysroot.sh "$out"
    part progress test/command/progress.py "$out"
    part install test/command/install.sh "$out"
    part "timeout linux" test/command/timeout.py "$out" linux
}

part_oci() {
    part "oci linux" test/oci/runtime.py "$out" linux
    part "oci metal" test/oci/runtime.py "$out" metal
    part "containerd linux" test/oci/containerd.py "$out" linux
    part "containerd metal" test/oci/containerd.py "$out" metal
    part "podman linux" test/oci/podman.py "$out" linux
    part "podman metal" test/oci/podman.py "$out" metal
    part "oci rate" test/oci/rate.py "$out" 50
}

wasi_present() {
    if [ ! -e "$out/wasi-p1" ] && [ -e ../shared/suites/wasi-p1.tar.gz ]; then
        mkdir -p "$out/wasi-p1"
        tar xzf ../shared/suites/wasi-p1.tar.gz -C "$out/wasi-p1"
    fi
    [ -e "$out/wasi-p1" ] && return
    left_out "official WASI tests" "not here" "README says how to get them"
    return 1
}

part_wasi() {
    wasi_present || return
    programs=$(find "$out/wasi-p1" -name '*.wasm' | wc -l)
    for port in linux metal; do
        whole "$programs" programs "wasi $port" \
            test/wasi/suite.py "$out" $port --copy-dir "$out/wasi-p1"
    done
    for port in linux metal; do
        whole "$programs" programs "wasi $port, the host's files" \
            test/wasi/suite.py "$out" $port --dir "$out/wasi-p1"
    done
    for port in linux metal; do
        whole "$programs" programs "wasi $port, ext3" \
            test/wasi/suite.py "$out" $port --disk "$out/wasi-p1"
    done
}

# A hundredth of `make soak`.
part_calls() {
    part "calls linux" test/fuzz/diff.sh "$out" calls 1 200 \
        "$out/san/nebulet" "$out/nebulet-plain"
    part "calls metal" env ON=metal test/fuzz/diff.sh "$out" calls 1 20
    part "gc modules linux" "$out/san/nebulet" wast "$out"/seeds/gc/*.json
    part "gc modules metal" "$out/nebulet" wast --on metal "$out"/seeds/gc/*.json
    part "gc modules plain, parts of 7" env PART_INS=7 \
        "$out/nebulet-plain" wast "$out"/seeds/gc/*.json
    for collect in all some; do
        part "gc modules, $collect collected" env PART_INS=none \
            COLLECT=$collect "$out/nebulet-plain" wast "$out"/seeds/gc/*.json
    done
}

# What of part smp is in make test, beside all with 4 CPUs in part metal.
part_cpus() {
    several=$(echo "$SEVERAL_CPUS" | tr ' ' ',')
    for cpus in 2 8; do
        part "some of kernel microvm, $cpus CPUs" "$out/nebulet" selftest \
            --smp $cpus microvm "only=$several" kernel-test.elf
    done
}

# Not in make test: how long it takes depends on how many CPUs there really are.
part_smp() {
    for cpus in 2 4 8; do
        part "all of kernel, $cpus CPUs" env NEBULET_SMP=$cpus \
            "$out/san/test-kernel"
        for machine in microvm q35; do
            part "kernel $machine, $cpus CPUs" "$out/nebulet" selftest \
                --smp $cpus $machine "" kernel-test.elf
        done
    done
    part "programs linux, 4 CPUs" env SMP=4 test/programs/programs.sh "$out" linux
    part "programs metal, 4 CPUs" env SMP=4 test/programs/programs.sh "$out" metal
}

part_tsan() {
    # shellcheck disable=SC2086
    part "kernel under TSan, 4 CPUs" env NEBULET_SMP=4 \
        "$out/tsan/test-kernel" $TSAN_TESTS
}

part_hostile() {
    part "hostile linux" test/hostile/hostile.sh "$out" linux
    part "hostile metal" test/hostile/hostile.sh "$out" metal
}

part_metal() {
    for machine in microvm q35; do
        part "port $machine" "$out/nebulet" selftest $machine
        part "port $machine, 4 CPUs" "$out/nebulet" selftest --smp 4 $machine
    done
    # With one CPU on the other machine: by instructions, below.
    part "kernel microvm, 4 CPUs" "$out/nebulet" selftest --smp 4 microvm "" \
        kernel-test.elf
    part "kernel q35" "$out/nebulet" selftest q35 "" kernel-test.elf
    hardened=$(echo "$HARDENED" | tr ' ' ',')
    part "kernel hardened" "$out/nebulet" selftest microvm \
        "hardened only=$hardened" kernel-test.elf
    part "hardened, 4 CPUs" "$out/nebulet" selftest --smp 4 microvm \
        "hardened only=hardened,gate_echo,gate_server,exit" kernel-test.elf
    part "kernel as it ships" "$out/nebulet" selftest microvm \
        "only=$OF_WHOLE" whole-test.elf
    part "CPU models" test/metal/models.sh "$out"
    part "kernel plants" test/kernel/plants.sh "$out"
    part "kernel by instructions" "$out/nebulet" selftest --icount microvm "" \
        kernel-test.elf
    part "kills by instructions" "$out/nebulet" selftest --icount microvm only=hostile \
        whole-test.elf
    part machines test/command/machines.py "$out"
    part latency test/latency/latency.sh "$out"
    part "timeout metal" test/command/timeout.py "$out" metal
    part "kernel input" test/metal/input.sh "$out"
    part "channel" test/command/channel.py "$out"
    suite_present || return
    whole "$(suite_count)" "commands in the suite" "suite metal" \
        "$out/nebulet" wast --on metal "$out"/suite/*/*.json
}

# Wait for all; the verdict.
finish() {
    wait
    ! grep -q . "$reasons" || { echo "skipped:" && sed 's/^/  /' "$reasons"; }
    ! grep -q . "$failures" || { echo "failed:" && sed 's/^/  /' "$failures"; }
    awk '{ passed += $1; failed += $2; skipped += $3 }
        END {
            printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
            exit failed != 0
        }' "$counts"
}

for p in "$@"; do
    "part_$p"
done
finish
