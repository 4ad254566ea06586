#!/bin/sh
# make/lint.sh [STEP...]: what a machine can say about the style that
# CONTRIBUTING.md describes.  Steps: format, layers, lengths, rows, names,
# protos, executes, ends, heads, mentions, chains, links, locks, tidy (default:
# all).  $ONLY is a file: the slow step that judges each file by itself, tidy,
# looks at no other.  Ends with "N passed, N failed, N skipped": one a step.

set -u
passed=0 failed=0

# A checkout of somebody else's is one, too.
list() {
    git -c safe.directory='*' ls-files -- "$@"
}

# layers_awk PROGRAM FILE...: run one that knows what make/layers.txt says.
layers_awk() {
    program=$1
    shift
    awk -f make/layers_read.awk -f "$program" make/layers.txt "$@"
}

sources=$(list '*.c' '*.h')
tables=$(list '*.def')

# shellcheck disable=SC2086
step_format() {
    clang-format --dry-run --Werror $sources
}

# shellcheck disable=SC2046,SC2086
step_layers() {
    layers_awk make/layers.awk $sources $tables $(list '*.S')
}

# shellcheck disable=SC2086
step_lengths() {
    awk -f make/lengths.awk $sources $tables
}

# Instructions come from rows, and rows are for somebody.  Machine code is const,
# and only the encoder casts that away.
step_rows() {
    # shellcheck disable=SC2046
    awk -f make/rows.awk x64/ops.def x64/select/select.def \
        $(list 'x64/*.c' 'x64/*.h' 'compile/*.c' 'code/*.c' 'runtime/*.c') &&
        list 'x64/*.c' 'compile/*.c' 'code/*.c' 'runtime/*.c' |
        grep -vx x64/emit/encode.c |
            xargs gcc -std=c11 -I. -fsyntax-only -Werror=cast-qual
}

step_names() {
    # shellcheck disable=SC2046
    awk -f make/names.awk $(list '*.h')
}

# What other folders call is described where it is declared.
step_protos() {
    # shellcheck disable=SC2046
    awk -f make/protos.awk $(awk '!/^#/ { for (i = 3; i <= NF; i++)
        if ($i != "-") print $1 "/" $i }' make/layers.txt)
}

# Only what the verifier has accepted is executed: one function asks for it, and
# each port has one that does it.
# shellcheck disable=SC2046
step_executes() {
    list '*.c' | grep -vE '^(test|bench|runtime/admit.c|port/.*)' |
        xargs grep -nw port_code_execute && return 1
    [ "$(grep -cw port_code_execute runtime/admit.c)" = 1 ] &&
        [ "$(cat $(list 'port/linux/*.c' 'tool/*.c') | grep -cw PROT_EXEC)" = 1 ] &&
        [ "$(cat $(list 'port/metal/*.c') | grep -c '~(entry_t)PAGE_NO_EXEC')" = 1 ]
}

# Nothing is left to be done later.
step_ends() {
    ! list '*.c' '*.h' '*.def' '*.S' '*.rs' '*.sh' '*.mk' Makefile |
        grep -v '^make/lint.sh$' | xargs grep -nwE 'TODO|FIXME|XXX|HACK'
}

written=$(list '*.c' '*.h' '*.S' '*.s' '*.cc' '*.rs' '*.def' '*.awk' '*.sh' \
    '*.py' '*.mjs' '*.mk' '*.ld' 'make/*.txt' .ci/run)

# Each file says what it is about, and under which path.
# shellcheck disable=SC2086
step_heads() {
    awk -f make/heads.awk $written
}

# Locks say what they guard, and functions check that they are held.
step_locks() {
    # shellcheck disable=SC2046
    awk -f make/locks.awk $(list '*.c' '*.h' | grep -v '^test/')
}

# What is named in comments and docs is there.
# shellcheck disable=SC2046,SC2086
step_mentions() {
    list | awk -f make/mentions.awk make/elsewhere.txt - \
        pass=code $written $(list '*.wat' Makefile) \
        pass=text $written $(list '*.md' Makefile)
}

# What runs code does not know how it was made: touching ir/ir.h rebuilds ir/,
# the back end, the driver and their tests, no more.  kernel/ does not know what
# WebAssembly is.  And no folder has a private header of another, be it through a
# public one or a table.
# shellcheck disable=SC2046
step_chains() {
    list $(awk '!/^#/ { print $1 "/*.c" }' make/layers.txt) | sort -u |
        grep -v '^\(bench\|test/.*\)/' | xargs gcc -MM -I. -D_GNU_SOURCE >"$log" &&
        layers_awk make/chains.awk "$log"
}

# What a folder uses of another is public there, by the symbols of the objects,
# which are made first.
step_links() {
    MAKEFLAGS='' make -s -j2 out/host.symbols out/metal.symbols >"$log" 2>&1 || {
        cat "$log"
        return 1
    }
    # shellcheck disable=SC2046
    for build in host metal; do
        layers_awk make/links.awk abi/objects.def \
            $(list '*.h' | grep -v '^user/') - <"out/$build.symbols" || return 1
    done
}

# All of bugprone-*, but what is a matter of taste or wrong about tables made
# with macros.  What clang-tidy says about itself is shown, too, but for counts.
TIDY='-*,bugprone-*'
TIDY=$TIDY,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier
TIDY=$TIDY,-bugprone-macro-parentheses,-bugprone-branch-clone
TIDY=$TIDY,-bugprone-narrowing-conversions,-bugprone-sizeof-expression
TIDY=$TIDY,-bugprone-implicit-widening-of-multiplication-result
TIDY=$TIDY,-bugprone-assignment-in-if-condition,-bugprone-signal-handler

step_tidy() {
    folders=$(awk '!/^#/ && $2 != "test" && $1 != "port/metal" { print $1 "/*.c" }' \
        make/layers.txt)
    # shellcheck disable=SC2016,SC2086
    list $folders | grep -v '^port/metal/' | sort -u | grep "^${ONLY-}" |
        TIDY=$TIDY xargs -P 2 -n 8 sh -c 'clang-tidy --quiet --checks="$TIDY" \
            --warnings-as-errors="*" "$@" -- -std=c11 -I. -D_GNU_SOURCE' sh \
            >"$log" 2>&1
    result=$?
    grep -vE '^[0-9]+ warnings? (generated|treated as errors?)\.$' "$log"
    return $result
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for step in ${*:-format layers lengths rows names protos executes ends heads mentions chains links locks tidy}; do
    echo "$step"
    if "step_$step"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $step"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
