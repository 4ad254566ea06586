#!/bin/sh
# make/lint.sh: what a machine can say about the style (docs/style is in
# CONTRIBUTING.md): formatting, layers, lengths, analyzers.

set -u
status=0

sources=$(git ls-files '*.c' '*.h')
tables=$(git ls-files '*.def')

echo "clang-format"
# shellcheck disable=SC2086
clang-format --dry-run --Werror $sources || status=1

echo "layers"
# shellcheck disable=SC2086
awk -f make/layers.awk $sources || status=1

echo "lengths"
# shellcheck disable=SC2086
awk -f make/lengths.awk $sources $tables || status=1

echo "open ends"
if git grep -nIE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.c' '*.h' '*.def' '*.S' \
    '*.rs' Makefile; then
    status=1
fi

echo "clang-tidy"
# shellcheck disable=SC2086
clang-tidy --quiet --warnings-as-errors='*' \
    --checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-macro-parentheses,-bugprone-branch-clone,-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-bugprone-sizeof-expression,-bugprone-assignment-in-if-condition,-bugprone-signal-handler' \
    $(git ls-files 'base/*.c' 'abi/*.c' 'wasm/*.c' 'code/*.c' 'ir/*.c' 'x64/*.c' 'compile/*.c' \
        'kernel/*.c' 'wasi/*.c' 'tool/*.c') \
    -- -std=c11 -I. -D_GNU_SOURCE 2>/dev/null || status=1

exit $status
