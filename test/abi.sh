#!/bin/sh
# test/abi.sh OUT: what is made from the tables in abi/: the manual is the
# committed one, and programs that import every system call, as declared for C
# and for Rust, are linked by the kernel, which compares the signatures.  Ends
# with "N passed, N failed, N skipped".

set -u
out=$1
work=$out/abi-test
. test/verdict.sh
mkdir -p "$work"

"$out/abi" doc >"$work/abi.md" 2>"$work/stderr"
verdict "docs/abi.md" "$(diff docs/abi.md "$work/abi.md" >"$work/stderr" ||
    echo "is stale: make accept")"

"$out/abi" doc2018 >"$work/abi2018.md" 2>"$work/stderr"
verdict "docs/abi2018.md" "$(diff docs/abi2018.md "$work/abi2018.md" \
    >"$work/stderr" || echo "is stale: make accept")"

names=$(sed -n 's/^ *pub fn \([a-z0-9_]*\)(.*/\1/p' "$out/user/include/nebulet.rs")
verdict "calls" "$([ "$(echo "$names" | wc -l)" = \
    "$(grep -c '^SYSCALL' abi/syscalls.def)" ] || echo "not all are declared")"

# rows TABLE MACRO PREFIX: each row of abi/TABLE.def is declared twice.
rows() {
    for name in $(sed -n "s/^$2([^A-Z]*\([A-Z0-9_]*\),.*/\1/p" "abi/$1.def"); do
        verdict "$1: $name" "$(grep -q "^    NEBULET_$3$name = [0-9]" \
            "$out/user/include/nebulet.h" && grep -q "^pub const $3$name: u" \
            "$out/user/include/nebulet.rs" || echo "is not declared")"
    done
}

rows limits LIMIT LIMIT_
rows numbers NUMBER ""

{
    echo "#include <nebulet.h>"
    echo "const void *volatile const all[] = {"
    for name in $names; do echo "    (void *)nebulet_$name,"; done
    echo "}; int main(void) { return all[0] == 0; }"
} >"$work/c.c"
{
    echo "include!(env!(\"KERNEL_RUST\"));"
    echo "fn main() { let all = ["
    for name in $names; do echo "    $name as usize,"; done
    echo "]; assert!(unsafe { std::ptr::read_volatile(&all) }[0] != 0); }"
} >"$work/rust.rs"

clang --target=wasm32-wasi -O1 -I"$out/user/include" "$work/c.c" \
    -o "$work/c.wasm" 2>"$work/stderr"
verdict "C: compiles" "$([ $? = 0 ] || echo "no")"
KERNEL_RUST=$(pwd)/$out/user/include/nebulet.rs /usr/bin/rustc --edition 2021 \
    --target wasm32-wasi -A dead_code "$work/rust.rs" -o "$work/rust.wasm" \
    2>"$work/stderr"
verdict "Rust: compiles" "$([ $? = 0 ] || echo "no")"
for language in c rust; do
    "$out/nebulet" run --on linux "$work/$language.wasm" >"$work/stdout" \
        2>"$work/stderr" </dev/null
    verdict "$language: links" "$([ $? = 0 ] || echo "no")"
done

# refused TITLE TEXT ROW: a table with this row does not compile and says TEXT.
mkdir -p "$work/abi"
refused() {
    awk -v row="$3" '/^#undef SYSCALL$/ { print row } { print }' \
        abi/syscalls.def >"$work/abi/syscalls.def"
    gcc -fsyntax-only -std=c11 -I"$work" -I. sys/syscall.c 2>"$work/stderr"
    says "$1" stderr "$2"
}

refused "seven words in registers" "handle_close_many: too many words" \
    'SYSCALL(99, handle_close_many, "", BYTES(a) BYTES(b) BUFFER(c) U32(d))'
refused "six words in memory" "handle_move: few enough words for registers" \
    'SYSCALL_IN_MEMORY(99, handle_move, "", BYTES(a) BYTES(b) U64(c) U32(d))'
refused "seventeen words in memory" "handle_move: too many words" \
    'SYSCALL_IN_MEMORY(99, handle_move, "", BYTES(a) BYTES(b) BYTES(c) BYTES(d)
        BYTES(e) BYTES(f) BYTES(g) BYTES(h) U32(i))'

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
