#!/bin/sh
# make/deb.sh OUT: a Debian package, OUT/nebulet_VERSION_amd64.deb, of what
# make/install.sh installs with the prefix /usr.

set -eu
out=$1
root=$out/deb
version=$("$out/nebulet" --version | awk '{ print $2 }')
doc=$root/usr/share/doc/nebulet
package=$out/nebulet_${version}_amd64.deb

rm -rf "$root"
DESTDIR=$root PREFIX=/usr ZSH_FOLDER=vendor-completions \
    make/install.sh "$out" install
find "$root" -type d -exec chmod 755 {} +
install -d "$doc" "$root/DEBIAN" "$root/usr/share/lintian/overrides"

{
    echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    echo "Upstream-Name: nebulet"
    echo
    echo "Files: *"
    sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
    echo "License: Expat"
    sed -n '/^Permission is/,$p' LICENSE | sed 's/^$/./; s/^/ /'
} >"$doc/copyright"

# The time of the commit, so that a package can be made again.
when=$(git log -1 --format=%cD 2>/dev/null || date -R)
{
    echo "nebulet ($version) unstable; urgency=medium"
    echo
    echo "  * Built from the source tree."
    echo
    echo " -- The Nebulet developers <nebulet@nebulet.invalid>  $when"
} | gzip -9n >"$doc/changelog.gz"

# The kernel is no program of this system: its names are for its own reports.
# Nor are the archives, which are of WebAssembly.
cat >"$root/usr/share/lintian/overrides/nebulet" <<'LINES'
nebulet: unstripped-binary-or-object [usr/lib/nebulet/nebulet.elf]
nebulet: statically-linked-binary [usr/lib/nebulet/nebulet.elf]
nebulet: no-code-sections [usr/lib/nebulet/sysroot/*]
LINES
chmod 644 "$doc"/* "$root/usr/share/lintian/overrides/nebulet"

cat >"$root/DEBIAN/control" <<LINES
Package: nebulet
Version: $version
Architecture: amd64
Maintainer: The Nebulet developers <nebulet@nebulet.invalid>
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Depends: libc6 (>= 2.36), libcjson1 (>= 1.7)
Recommends: qemu-system-x86
Suggests: wabt
Section: utils
Priority: optional
Description: microkernel that runs WebAssembly
 Nebulet decodes, validates and compiles WebAssembly modules ahead of time and
 runs them in one address space, in QEMU or as a process. This package has the
 command, the kernel, and a shell with its tools that run in it.
LINES
(cd "$root" && find usr -type f -exec md5sum {} +) >"$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN"/*

dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
