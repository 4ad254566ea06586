#!/bin/sh
# make/install.sh OUT install|uninstall: put what was built into OUT where users
# have it, below $DESTDIR$PREFIX, or take that away again:
#
#     bin/nebulet          the command
#     bin/nebulet-oci      the container runtime, by two names
#     lib/nebulet/         the kernel, the driver of --dir, and the files of the
#                          shell and the sysroot; the command finds them there,
#                          wherever the prefix is
#     share/               manual page, completions of bash, zsh and fish

set -eu
out=$1 what=$2
to=${DESTDIR:-}${PREFIX:-/usr/local}
bash=$to/share/bash-completion/completions
fish=$to/share/fish/vendor_completions.d
zsh=$to/share/zsh/${ZSH_FOLDER:-site-functions}
man=$to/share/man/man1

do_install() {
    install -d "$to/bin" "$to/lib/nebulet" "$man" "$bash" "$fish" "$zsh"
    install -m 755 -s "$out/nebulet" "$to/bin/nebulet"
    install -m 755 -s "$out/nebulet-oci" "$to/bin/nebulet-oci"
    ln -sf nebulet-oci "$to/bin/nebulet-oci-process"
    install -m 644 "$out/nebulet.elf" "$to/lib/nebulet/nebulet.elf"
    strip -g "$to/lib/nebulet/nebulet.elf"
    install -d "$to/lib/nebulet/user"
    install -m 644 "$out/user/ninep.wasm" "$to/lib/nebulet/user/ninep.wasm"
    install -m 644 "$out/user/diskfs.wasm" "$to/lib/nebulet/user/diskfs.wasm"
    # Where lwIP could be had (make/lwip.sh).
    [ ! -e "$out/user/netd.wasm" ] ||
        install -m 644 "$out/user/netd.wasm" "$to/lib/nebulet/user/netd.wasm"
    rm -rf "$to/lib/nebulet/system" "$to/lib/nebulet/sysroot"
    cp -RP "$out/system" "$out/sysroot" "$to/lib/nebulet"
    find "$to/lib/nebulet/system" "$to/lib/nebulet/sysroot" -type f -exec chmod 644 {} +
    "$out/nebulet" manual | gzip -9n >"$man/nebulet.1.gz"
    "$out/nebulet-oci" manual | gzip -9n >"$man/nebulet-oci.1.gz"
    ln -sf nebulet-oci.1.gz "$man/nebulet-oci-process.1.gz"
    "$out/nebulet" completion bash >"$bash/nebulet"
    "$out/nebulet" completion fish >"$fish/nebulet.fish"
    "$out/nebulet" completion zsh >"$zsh/_nebulet"
    chmod 644 "$man/nebulet.1.gz" "$man/nebulet-oci.1.gz" "$bash/nebulet" "$fish/nebulet.fish" \
        "$zsh/_nebulet"
}

# Only what is ours; folders of others stay.
do_uninstall() {
    rm -f "$to/bin/nebulet" "$to/bin/nebulet-oci" "$to/bin/nebulet-oci-process" \
        "$man/nebulet-oci.1.gz" "$man/nebulet-oci-process.1.gz" "$man/nebulet.1.gz" "$bash/nebulet" \
        "$fish/nebulet.fish" "$zsh/_nebulet"
    rm -rf "$to/lib/nebulet"
    for folder in "$bash" "$fish" "$zsh"; do
        [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
    done
}

"do_$what"
