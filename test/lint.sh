#!/bin/sh
# test/lint.sh OUT: make lint itself: planted into a copy of the tree, each
# fault makes its step fail, and undone, pass again.  Ends with
# "N passed, N failed, N skipped".

set -u
work=$(pwd)/$1/lint
. test/verdict.sh
rm -rf "$work"
mkdir -p "$work"
git -c safe.directory='*' ls-files | tar c -T - | tar x -C "$work"
cd "$work" || exit 1
: >stderr
git init -q . && git add -A

# plant STEP FILE LINE: append this line to a file; the step fails, names the
# file, and passes without.
plant() {
    mkdir -p "$(dirname "$2")"
    before=$(mktemp)
    cat "$2" >"$before" 2>/dev/null
    printf '%s\n' "$3" >>"$2"
    git add -A
    make/lint.sh "$1" >stderr 2>&1 && verdict "$1: $3" "passes"
    verdict "$1: $3 in $2" "$(grep -q "$2" stderr || echo "is not named")"
    if [ -s "$before" ]; then cat "$before" >"$2"; else rm "$2"; fi
    rm "$before"
    git add -A
    verdict "$1: undone" "$(make/lint.sh "$1" >stderr 2>&1 || echo "fails")"
}

plant layers wasi/path.c '#include "x64/select/select.h"'
plant layers tool/run.c '#include "port/metal/metal.h"'
plant layers wasm/reader.c '#include "kernel/kernel.h"'
plant layers x64/alloc/live.c '#include "x64/select/select.h"'
plant layers extra/extra.c '#include "base/base.h"'
plant layers make/layers.txt 'verify compiler verify.h'
plant rows x64/emit/layout.c 'const unsigned char planted = 0x90;'
plant rows x64/select/int.c 'u32 planted(const struct x64_info *i) { return i->opcode; }'
plant rows x64/ops.def \
    'X64(PLANTED, "planted", 0x00, 0, 0x90, 0, RM, "dd", 4, NONE, 0)'
plant lengths wasi/path.c "// $(printf '%080d' 0)"
plant ends wasi/path.c "// TO""DO"
plant heads wasi/planted.c '// path.c: paths.'
plant heads wasi/planted.h '// Paths: where they lead.'
plant heads wasi/planted.h '// base/: what every folder may use.'
plant heads test/planted.py '"""planted.py: tests."""'
plant heads user/sip/planted.rs '//! Threads.'
plant mentions wasi/path.c "// As path_cl""imb() does."
plant mentions wasi/path.c '// As in climb.c.'
plant mentions wasi/path.c '// As in kernel/climb.c and kernel/wait.c.'
plant mentions wasi/path.c "// At most PATH_CL""IMB."
plant mentions x64/ops.def "// see mins.climb_co""unt"
plant mentions make/lint.sh '# see make/climb.awk'
plant mentions make/elsewhere.txt 'climb.c   a folder far away'
plant mentions docs/security.md 'See `wasi/climb.c`.'
plant mentions docs/security.md 'See [that](climb.md).'
plant mentions docs/security.md "It calls path_cl""imb."
plant format wasi/path.c 'int   a;'
plant tidy wasi/path.c 'int f(int a); int f(int a) { if (a); { return 1; } }'

cat >>tool/host.c <<'END'
char *planted(void);
char *planted(void) { char *p = malloc(2); p[0] = 1; return p; }
END
make/analyze.sh tool/host.c >stderr 2>&1 && verdict "analyze: no check" "passes"
verdict "analyze: no check" "$(grep -q "tool/host.c: -Wanalyzer-possible-null" \
    stderr || echo "is not named")"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
