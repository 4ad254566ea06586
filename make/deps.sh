#!/bin/sh
# make/deps.sh GROUP...: check that the tools of these groups are here; install
# the Debian packages of all that are not, at once, after saying what they take.
#
# A row: group, what must exist (a command, or a path), Debian package.
# DEPS=no only names what is missing.  Exit status 1 when something is.

set -u

llvm=/usr/lib/llvm-14
clang_lib=$llvm/lib/clang/14.0.6/lib
table="
build make                                            make
build cc                                              gcc
build ar                                              binutils
build /usr/include/stdio.h                            libc6-dev
build /usr/include/cjson/cJSON.h                      libcjson-dev
build /usr/include/openssl/sha.h                     libssl-dev
build clang                                           clang
build wasm-ld                                         lld
build /usr/lib/wasm32-wasi/libc.a                     wasi-libc
build $clang_lib/wasi/libclang_rt.builtins-wasm32.a   libclang-rt-14-dev-wasm32
build $llvm/include/wasm32-wasi/c++/v1/vector         libc++-14-dev-wasm32
build /usr/lib/wasm32-wasi/libc++abi.a                libc++abi-14-dev-wasm32
build /usr/bin/rustc                                  rustc
build /usr/lib/rustlib/wasm32-wasi/lib                libstd-rust-dev-wasm32
build llvm-ar                                         llvm
build wat2wasm                                        wabt
build xz                                              xz-utils
run   qemu-system-x86_64                              qemu-system-x86
image grub-mkimage                                    grub-common
image /usr/lib/grub/i386-pc/boot.img                  grub-pc-bin
image /usr/lib/grub/x86_64-efi/multiboot2.mod         grub-efi-amd64-bin
test  /usr/share/OVMF/OVMF_CODE_4M.fd                 ovmf
test  llvm-mc                                         llvm
test  python3                                         python3
test  tmux                                            tmux
test  /usr/include/Zydis/Zydis.h                      libzydis-dev
test  /sbin/mke2fs                                    e2fsprogs
fuzz  $clang_lib/linux/libclang_rt.fuzzer-x86_64.a    libclang-rt-14-dev
lint  git                                             git
lint  clang-format                                    clang-format
lint  clang-tidy                                      clang-tidy
prove z3                                              z3
oci   containerd                                      containerd
oci   runc                                            runc
oci   crun                                            crun
oci   conmon                                          conmon
oci   podman                                          podman
bare  debootstrap                                     debootstrap
"

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

say() {
    echo "nebulet: $*" >&2
}

for group in "$@"; do
    echo "$table" | grep -q "^$group " || { say "no group $group"; exit 1; }
done
packages=$(missing "$@")
[ -z "$packages" ] && exit 0

say "Debian packages missing here: $packages"
if [ "${DEPS:-yes}" = no ]; then
    say "install them with: apt-get install --no-install-recommends $packages"
    exit 1
fi

root=
[ "$(id -u)" = 0 ] || root=sudo
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
# Another apt may be at work: wait for it.
apt="$root apt-get -o DPkg::Lock::Timeout=600"
install="install --no-install-recommends"

# What apt would do: how many packages, how much to get, how much on the disk.
# shellcheck disable=SC2086
amount() {
    $apt $install --assume-no $packages 2>/dev/null | awk '
        / newly installed/         { count = $3 }
        /^Need to get/             { get = $0; gsub(/^Need to get | of arch.*/, "", get) }
        /^After this operation,/   { disk = $4 " " $5 }
        END { printf "nebulet: with what they need, %s packages: %s to get, " \
                     "%s on the disk\n", count, get, disk }'
}

# shellcheck disable=SC2086
if ! { $apt update -qq && amount && $apt $install -y -qq $packages; } >&2; then
    say "the packages could not be installed; please install: $packages"
    exit 1
fi

packages=$(missing "$@")
[ -z "$packages" ] && exit 0
say "installed, but still not found: $packages"
exit 1
