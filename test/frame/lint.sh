#!/bin/sh
# test/frame/lint.sh OUT: make lint itself: planted into a copy of the tree,
# each fault makes its step fail, and undone, the tree is the one that passes.
# Ends with "N passed, N failed, N skipped".

set -u
work=$(pwd)/$1/lint
. test/verdict.sh
rm -rf "$work"
mkdir -p "$work"
git -c safe.directory='*' ls-files | tar c -T - | tar x -C "$work"
cd "$work" || exit 1
: >stderr
git init -q . && printf '%s\n' /stderr /stash /gcc /clang >.git/info/exclude
git add -A
clean=$(git write-tree)
# What the tree's own build has made is made here, too.
mkdir out
cp -a ../host ../metal out/ 2>/dev/null

# plant STEP FILE LINE [NAME]: append this line to a file; the step fails and
# names that file or NAME; without, the tree is the clean one, with which the
# step passes (see the end).
planted_steps=
plant() {
    mkdir -p "$(dirname "$2")"
    before=$(mktemp)
    cat "$2" >"$before" 2>/dev/null
    printf '%s\n' "$3" >>"$2"
    git add -A
    ONLY=$2 make/lint.sh "$1" >stderr 2>&1 && verdict "$1: $3" "passes"
    verdict "$1: $3 in $2" "$(grep -q "${4-$2}" stderr || echo "is not named")"
    if [ -s "$before" ]; then cat "$before" >"$2"; else rm "$2"; fi
    rm "$before"
    git add -A
    [ "$(git write-tree)" = "$clean" ] || verdict "$1: $2" "is not undone"
    planted_steps="$planted_steps $1"
}

plant layers wasi/path.c '#include "x64/select/select.h"'
plant layers tool/run.c '#include "port/metal/metal.h"'
# Each private header, from where all that is public may be included.
private=$(git ls-files '*.h' | grep -vE '^(test|user|bench)/' |
    awk 'NR == FNR { if (!/^#/) for (i = 3; i <= NF; i++) public[$1 "/" $i] = 1; next }
        !($1 in public)' make/layers.txt - | grep -v '^tool/')
verdict "private headers" "$([ "$(echo "$private" | wc -l)" -ge 10 ] ||
    echo "are few")"
for from in wasi/files.c port/linux/cpu.c port/metal/cpu.c tool/run.c; do
    cp "$from" stash
    for header in $private; do
        [ "${header%/*}" = "${from%/*}" ] || echo "#include \"$header\"" >>"$from"
    done
    make/lint.sh layers >stderr 2>&1
    for header in $private; do
        [ "${header%/*}" = "${from%/*}" ] && continue
        verdict "layers: $from includes $header" "$(grep -qE \
            "^$from:[0-9]+: (private header of|.* what is below it).*: $header\$" stderr || echo "passes")"
    done
    mv stash "$from"
done
# Each other way to have what another file has.
for line in '#include <kernel/internal.h>' '# include "kernel/kernel.h"' \
    '#include  "kernel/kernel.h"' '#include "kernel/../kernel/kernel.h"' \
    '#include "./kernel/kernel.h"' '#include "kernel/pfex.c"' \
    '#include PLANTED' '%:include "kernel/kernel.h"' \
    '/**/ #include "kernel/kernel.h"' '#import "kernel/kernel.h"' \
    '#include_next <stdint.h>' '#include <stdio.h>' \
    'extern struct planted *planted_secret(void);' \
    'struct planted *planted_secret(void);' 'extern u32 planted_secret;'; do
    plant layers wasi/poll.c "$line"
done
plant layers wasi/poll.c '#include \
"kernel/kernel.h"'
plant layers wasi/poll.c '#inc\
lude "kernel/kernel.h"'
plant layers kernel/pfex.c '#include "kernel/wait.c"'
plant layers kernel/pfex.c '#include "kernel/../wasi/resolve.h"'
plant layers wasi/calls.def '#include "kernel/internal.h"'
plant layers port/x64/call.S '#include "kernel/internal.h"'
plant layers port/x64/call.S '.include "kernel/internal.h"'
plant layers port/x64/call.S '    .incbin "out/planted.bin"'
plant layers wasi/poll.c '__asm__(".include \"kernel/internal.h\"");'
plant layers wasi/poll.c '#include "../kernel/internal.h"'
plant layers wasi/poll.c '#include "kernel//internal.h"'
plant heads wasi/planted.h "$(cat kernel/internal.h)"
plant layers kernel/kernel.h '#include "kernel/internal.h"'
plant layers runtime/runtime.h '#include "runtime/internal.h"'
plant layers kernel/peek.def '#include "kernel/internal.h"'
plant chains wasi/wasi.h '#include "kernel/internal.h"' wasi/poll.c
plant links wasi/wasi.h 'void sched_block(void);' 'wasi/wasi.h:.*declares sched_block'
plant links wasi/poll.c 'void planted(void);
void
planted(void)
{
    void sched_block(void);

    sched_block();
}' 'wasi/poll.c: uses sched_block'
plant links wasi/poll.c '// clang-format off
void
sched_block(void);
void planted(void);
void planted(void) { sched_block(); }' 'wasi/poll.c: uses sched_block'
plant links wasi/poll.c 'typedef void block_t(void);
block_t sched_block;
void planted(void);
void planted(void) { sched_block(); }' 'wasi/poll.c: uses sched_block'
plant links x64/emit/stubs.c 'void planted(struct encoder *e, u32 n);
void planted(struct encoder *e, u32 n) { encode_word(e->at, n); }' 'uses encode_word'
plant layers wasm/reader.c '#include "kernel/kernel.h"'
plant layers x64/alloc/live.c '#include "x64/select/select.h"'
plant layers kernel/heap.c '#include "runtime/runtime.h"'
plant layers base/list.c '#include "abi/abi.h"'
plant layers extra/extra.c '#include "base/base.h"'
plant layers make/layers.txt 'nowhere compiler nowhere.h'
plant rows x64/emit/layout.c 'const unsigned char planted = 0x90;'
plant rows x64/select/int.c 'u32 planted(const struct x64_info *i) { return i->opcode; }'
plant rows x64/ops.def \
    'X64(PLANTED, "planted", 0x00, 0, 0x90, 0, RM, "dd", 4, NONE, 0)'
plant rows x64/emit/layout.c 'void planted(u8 *at) { *at++ = 144; }'
for file in x64/emit/stubs.c x64/emit/image.c x64/select/int.c \
    compile/compile.c code/code.c; do
    plant rows "$file" 'void planted(const u8 *p) { *(u8 *)p = 144; }'
    plant rows "$file" 'void planted(struct encoder *e) { *(char *)e->at = 0; }'
done
for line in 'void planted(const u8 *p) { *(u8(*)[1])p = 0; }' \
    'struct b { u8 b; }; void planted(const u8 *p) { ((struct b *)p)->b = 0; }' \
    'void planted(struct code *c) { *(i8 *)(u64)c->text = 0; }' \
    'void planted(struct code *c) { *__builtin_memchr(c->text, 0, 1) = 0; }' \
    '__asm__("planted: .byte 0x90");'; do
    plant rows compile/compile.c "$line"
done
plant rows runtime/code_module.c \
    'void planted(const u8 *p) { *(struct list *)p = (struct list){0}; }'
plant rows compile/compile.c 'void planted(u8 *text) { text[0] = 144; }'
for line in 'void planted(struct code *c) { u8 *p; memcpy(&p, &c->text, sizeof(p)); *p = 144; }' \
    'void planted(const u8 *const *p, u8 **to) { memmove(to, (const void *)&p[0], 8); }' \
    'union planted { const u8 *from; u8 *to; };' \
    'union planted {
    const u8 *from;
    u8 *to;
};' \
    'void planted(struct code *c) { *(u8 *)(u64)c->text = 144; }' \
    'void planted(struct code *c) { *(struct list **)(uintptr_t)c->text = NULL; }'; do
    for file in runtime/code_module.c compile/compile.c x64/emit/image.c; do
        plant rows "$file" "$line"
    done
done
plant names x64/alloc/alloc.h 'void spend(struct allocator *a);'
plant names ir/ir.h 'u32 room_of(const struct fn *fn);'
plant protos kernel/kernel.h '
void kernel_planted(void);'
plant protos wasi/wasi.h '
MUST_USE errno_t wasi_planted(u32 fd,
                              u32 to);'
plant chains compile/compile.h '#include "ir/ir.h"' runtime/compiled.c
plant chains code/code.h '#include "x64/mach.h"' runtime/code_module.c
plant chains kernel/internal.h '#include "wasm/wasm.h"' kernel/heap.c
plant rows x64/emit/stubs.c 'void planted(struct encoder *e) { encode_copy(e->at, "\xc3", 1); }'
for word in 0x90909090 2425393296; do
    plant rows x64/emit/layout.c "void planted(struct encoder *e) { encode_word(e->at, $word); }"
done
plant locks wasi/files.c 'static struct mutex planted;'
plant locks wasi/files.c 'static struct lock planted[2] = {LOCK_INIT(FILES), LOCK_INIT(FILES)};'
plant locks wasi/files.c 'struct planted {
    struct lock locks[4];
    u32 count;
};'
plant locks wasi/files.c 'static u32 planted;
void planted_lock(void) { while (__atomic_exchange_n(&planted, 1, 2)) ; }'
plant locks wasi/files.c 'static u32 planted;
bool planted_lock(u32 free) { return __atomic_compare_exchange_n(&planted, &free, 1, false, 2, 2); }'
plant locks wasi/files.c 'struct planted {
    struct lock lock;
    u32 count MEMBER_GUARDED_BY(lock);
    u32 other;
};'
plant locks kernel/internal.h 'struct planted {
    u32 free;
    struct mutex lock;
    // Guarded.
    u32 count MEMBER_GUARDED_BY(lock);
    struct list others, more;
};'
plant locks kernel/heap.c 'static struct lock planted = LOCK_INIT(HEAP);'
plant locks sys/internal.h 'struct planted {
    struct lock lock;
    u32 count;
};'
plant locks wasi/files.c 'void
planted(struct wasi *w) REQUIRES(w->lock)
{
    w->files[0] = NULL;
}'
plant lengths wasi/path.c "// $(printf '%080d' 0)"
plant lengths wasi/calls.def "// $(printf '%0100d' 0)"
plant lengths wasi/path.c "$(printf 'void\nplanted(void)\n{\n'
    yes '    ;' | head -70; echo '}')"
plant lengths wasi/path.c "$(yes '// a line' | head -1000)"
plant lengths verify/rules.def "$(yes '// a line' | head -400)" "verify/: "
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

for step in $(echo "$planted_steps" | tr ' ' '\n' | sort -u); do
    verdict "$step: undone" "$(make/lint.sh "$step" >stderr 2>&1 || echo "fails")"
done

# Machine code is const: who is not the encoder does not write it.
by_gcc() {
    cp "$1" stash
    echo "$2" >>"$1"
    make --no-print-directory CC=gcc OUT=gcc "gcc/host/$1.o" >stderr 2>&1 &&
        verdict "gcc: $2" "compiles"
    verdict "gcc: $2 in $1" "$(grep -qE "^$1:.*(discarded-qualifiers|read-only)" \
        stderr || echo "is not named")"
    mv stash "$1"
}

for body in '*e->at = 144;' '*e->at++ = 144;' 'e->at[0] = 144;' \
    'u8 *p = e->at; *p = 144;' 'memset(e->at, 144, 1);' \
    'memcpy(e->at, "\x90", 1);'; do
    by_gcc x64/emit/stubs.c \
        "void planted(struct encoder *e); void planted(struct encoder *e) { $body }"
done
by_gcc x64/emit/image.c \
    'void planted(struct image *i); void planted(struct image *i) { *image_grow(i, 1) = 144; }'
by_gcc compile/compile.c \
    'void planted(struct code *c); void planted(struct code *c) { c->text[0] = 144; }'

# by_clang FILE LINE: with this line at its end the file does not compile in the
# build by clang, which checks what locks guard.
by_clang() {
    cp "$1" stash
    echo "$2" >>"$1"
    make --no-print-directory CC=clang OUT=clang "clang/host/$1.o" >stderr 2>&1 &&
        verdict "clang: $2" "compiles"
    verdict "clang: $2 in $1" "$(grep -q "^$1:.*-Wthread-safety" stderr ||
        echo "is not named")"
    mv stash "$1"
}

by_clang kernel/heap.c \
    'const void *planted(void); const void *planted(void) { return heap.ready; }'
by_clang kernel/handle.c \
    'bool planted(struct handle_table *t); bool planted(struct handle_table *t) { return find(t, 1) != NULL; }'
by_clang runtime/types.c \
    'u32 planted(void); u32 planted(void) { lock(&types_lock); return 1; }'
by_clang port/linux/memory.c \
    'void planted(void); void planted(void) { note_committed(0, 1); }'
by_clang kernel/thread.c \
    'void planted(void); void planted(void) { unlock(&pool_lock); }'

echo 'wasi/path.c -Wanalyzer-malloc-leak nothing leaks' >>make/analyze.txt
make/analyze.sh wasi/node.c >stderr 2>&1
verdict "analyze: nothing to say" "$(grep FAILED stderr)"
make/analyze.sh wasi/path.c >stderr 2>&1 && verdict "analyze: old row" "passes"
verdict "analyze: old row" "$(grep -q "wasi/path.c: nobody needs" stderr ||
    echo "is not named")"

cat >>tool/host.c <<'END'
char *planted(void);
char *planted(void) { char *p = malloc(2); p[0] = 1; return p; }
END
make/analyze.sh tool/host.c >stderr 2>&1 && verdict "analyze: no check" "passes"
verdict "analyze: no check" "$(grep -q "tool/host.c: -Wanalyzer-possible-null" \
    stderr || echo "is not named")"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
