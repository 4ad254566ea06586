#!/bin/sh
# test/bare.sh OUT [STEP...]: what a newcomer does, at the first try, each step
# in its own Debian 12 made by debootstrap, with nothing but this tree (as
# committed) and no ../shared.  Needs root, the Debian mirror of this machine
# and 5 GB; takes an hour.  Steps: names run test test-j4 ci (default: all).
# Logs are OUT-bare/STEP.log.  Ends with "N passed, N failed, N skipped".

set -u
out=$1
shift
steps=${*:-names run test test-j4 ci}
work=$(pwd)/$out-bare
base=$work/base
. test/verdict.sh
mkdir -p "$work"
: >"$work/stderr"

[ "$(id -u)" = 0 ] || { echo "test/bare.sh: needs root, for chroot"; exit 1; }

# The mirror that this machine's apt uses for Debian itself.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' \
    'Created-By: Packages' | awk '$1 == "Debian" && $2 == "bookworm" { print $3; exit }')

# The smallest system, what it downloads kept for all steps.
make_base() {
    [ -e "$base/done" ] && return
    rm -rf "$base"
    mkdir -p "$work/archives"
    debootstrap --variant=minbase --cache-dir="$work/archives" bookworm "$base" \
        "$mirror" >"$work/debootstrap.log" 2>&1 &&
        rm -f "$base/etc/apt/apt.conf.d/docker-clean" && touch "$base/done"
}

# in_system NAME COMMAND: run it in the system's copy of the tree.
in_system() {
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
        mount -t tmpfs tmpfs "$1/tmp" &&
        mount --bind "$2" "$1/var/cache/apt/archives" &&
        exec chroot "$1" env -i HOME=/root TERM=dumb \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            DEPS="${DEPS-}" sh -c "cd /nebulet && $3"' \
        sh "$work/$1" "$work/archives" "$2"
}

# new_system NAME PACKAGE...: a fresh one with these packages and the tree.
new_system() {
    name=$1
    shift
    rm -rf --one-file-system "${work:?}/$name"
    cp -a "$base" "$work/$name"
    git clone -q . "$work/$name/nebulet" || return
    in_system "$name" "apt-get update -qq && apt-get install -y -qq \
        --no-install-recommends $*" >"$work/$name.log" 2>&1
}

# first_try STEP COMMAND PACKAGE...: its status and output, once.
first_try() {
    step=$1 command=$2
    shift 2
    new_system "$step" "$@" || { verdict "$step" "no bare system"; return 1; }
    in_system "$step" "$command" >"$work/$step.log" 2>&1 </dev/null
    status=$?
    tail -1 "$work/$step.log"
    return $status
}

asked_once() {
    count=$(grep -c "packages missing here" "$work/$1.log")
    verdict "$1: one installation" "$([ "$count" = 1 ] || echo "$count lists")"
}

tests_pass() {
    first_try "$@"
    status=$?
    last=$(tail -1 "$work/$1.log" | grep -E '^[0-9]+ passed, 0 failed, ')
    verdict "$1" "$([ $status = 0 ] && [ -n "$last" ] || echo "status $status")"
    asked_once "$1"
}

step_names() {
    DEPS=no first_try names "make run" git make gcc libc6-dev
    verdict "names: status" "$([ $? != 0 ] || echo "status 0")"
    for package in clang lld rustc wabt qemu-system-x86; do
        verdict "names: $package" "$(grep "missing here" "$work/names.log" |
            grep -q " $package " || echo "not named")"
    done
    asked_once names
}

step_run() {
    first_try run "make run" git make gcc libc6-dev
    verdict "run" "$([ $? = 0 ] || echo "failed")"
    verdict "run: output" "$([ "$(grep -c "is done eating" "$work/run.log")" = 5 ] ||
        echo "the philosophers did not eat")"
    asked_once run
}

step_test() {
    tests_pass test "make test" git make gcc libc6-dev
}

step_test_j4() {
    tests_pass test-j4 "make -j4 test" git make gcc libc6-dev
}

# Not even make or a compiler.
step_ci() {
    tests_pass ci .ci/run
}

make_base || { tail -5 "$work/debootstrap.log"; exit 1; }
for step in $steps; do
    "step_$(echo "$step" | tr - _)"
    rm -rf --one-file-system "${work:?}/$step"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
