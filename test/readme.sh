#!/bin/sh
# test/readme.sh OUT: what the README has a newcomer paste, pasted.  Ends with
# "N passed, N failed, N skipped".

set -u
out=$(pwd)/$1
work=$out/readme
. test/verdict.sh
rm -rf "$work"
mkdir -p "$work"
ln -s "$out" "$work/out"
ln -s "$(pwd)/user" "$work/user"
cp user/hello-cpp/main.cc "$work/hello.cc"
cp user/hello-rust/main.rs "$work/hello.rs"

# From its first to its last command, without the comments behind them.
sed -n '/^    cat >hello.c/,/^    out.nebulet run --on linux/p' README.md |
    sed 's/^    //; s/  *# .*//' >"$work/paste.sh"
verdict "found" "$([ "$(grep -c nebulet "$work/paste.sh")" = 2 ] || echo "no")"

: >"$work/stderr"
(cd "$work" && sh -e paste.sh >stdout 2>stderr </dev/null)
verdict "hello.c" "$([ "$(grep -cx "Hello, you!" "$work/stdout")" = 2 ] ||
    echo "does not say hello twice")"

# language PATTERN OUTPUT: the command in backquotes in the row with this pattern.
language() {
    row=$(grep "^| $1 |" README.md | sed 's/.*`\([^`]*\)`.*/\1/')
    echo "$row" >"$work/command.sh"
    (cd "$work" && sh -e command.sh >stdout 2>stderr </dev/null &&
        out/nebulet run --on linux hello.wasm >stdout 2>stderr </dev/null)
    verdict "$1" "$(grep -q "$2" "$work/stdout" || echo "no $2 from: $row")"
}

language C++ "Hello"
language Rust "Hello"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
