#!/bin/sh
# make/analyze.sh [FILE...]: gcc -fanalyzer over these or all but the bare
# machine's port, as many files at a time as there are CPUs.  Fails on what it
# warns of and make/analyze.txt does not explain, and on what that explains and
# it does not warn of.  Ends with "N passed, N failed, N skipped": one for each
# file.

set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT

all() {
    awk '!/^#/ && $2 != "test" && $1 != "port/metal" { print $1 }' \
        make/layers.txt | while read -r folder; do ls "$folder"/*.c; done
}

# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(all)
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 gcc -std=c11 -I. -D_GNU_SOURCE -O1 \
    -fanalyzer -c -o /dev/null >"$log" 2>&1
status=$?

# A row of analyze.txt explains one kind of warning in one file.
found=$(sed -n 's/^\([^:]*\):[0-9:]* warning: .*\[\(-W[a-z0-9-]*\)\]$/\1 \2/p' \
    "$log" | sort -u)
new=$(echo "$found" | grep . | while read -r file kind; do
    grep -q "^$file *$kind " make/analyze.txt || echo "$file $kind"
done)
old=$(grep -v '^#' make/analyze.txt | while read -r file kind rest; do
    case " $* " in *" $file "*) ;; *) continue ;; esac
    echo "$found" | grep -qx "$file $kind" || echo "$file $kind"
done)
if [ -n "$new" ]; then
    echo "$new" | while read -r file kind; do
        echo "FAILED: $file: $kind is not in make/analyze.txt"
        grep -A8 "^$file:.*$kind\]" "$log" | head -12
    done
fi
[ -z "$old" ] || echo "$old" | while read -r file kind; do
    echo "FAILED: make/analyze.txt: $file: nobody needs the row of $kind"
done
grep ' error: ' "$log"
bad=$(printf '%s\n' "$new" "$old" | cut -d' ' -f1 | sort -u | grep -c .)
[ "$status" = 0 ] || bad=$((bad + 1))
echo "$(($# - bad)) passed, $bad failed, 0 skipped"
[ "$bad" = 0 ]
