#!/bin/sh
# make/deps.sh GROUP...: check that the tools of these groups are here, install
# the Debian packages of those that are not.
#
# A row: group, what must exist (a command, or a path), Debian package.
# DEPS=no only names what is missing.  Exit status 1 when something is.

set -u

table='
build cc                                              gcc
build ar                                              binutils
build /usr/include/cjson/cJSON.h                      libcjson-dev
build clang                                           clang
build wasm-ld                                         lld
build /usr/lib/wasm32-wasi/libc.a                     wasi-libc
build /usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a libclang-rt-14-dev-wasm32
build /usr/lib/llvm-14/include/wasm32-wasi/c++/v1/vector libc++-14-dev-wasm32
build /usr/lib/wasm32-wasi/libc++abi.a                libc++abi-14-dev-wasm32
build /usr/bin/rustc                                  rustc
build /usr/lib/rustlib/wasm32-wasi/lib                libstd-rust-dev-wasm32
build wat2wasm                                        wabt
run   qemu-system-x86_64                              qemu-system-x86
test  qemu-system-x86_64                              qemu-system-x86
test  llvm-mc                                         llvm
test  clang                                           clang
test  python3                                         python3
test  /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a libclang-rt-14-dev
lint  clang-format                                    clang-format
lint  clang-tidy                                      clang-tidy
'

missing() {
    for group in "$@"; do
        echo "$table" | while read -r g what package; do
            [ "$g" = "$group" ] || continue
            case $what in
            /*) [ -e "$what" ] ;;
            *) command -v "$what" >/dev/null 2>&1 ;;
            esac || echo "$package"
        done
    done | sort -u | tr '\n' ' '
}

packages=$(missing "$@")
[ -z "$packages" ] && exit 0

echo "nebulet: Debian packages missing here: $packages" >&2
if [ "${DEPS:-yes}" = no ]; then
    echo "nebulet: install them with: apt-get install $packages" >&2
    exit 1
fi

root=
[ "$(id -u)" = 0 ] || root=sudo
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { $root apt-get update -qq &&
       $root apt-get install -y -qq --no-install-recommends $packages; } >&2; then
    echo "nebulet: the packages could not be installed; please install: $packages" >&2
    exit 1
fi

packages=$(missing "$@")
[ -z "$packages" ] && exit 0
echo "nebulet: installed, but still not found: $packages" >&2
exit 1
