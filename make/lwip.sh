#!/bin/sh
# make/lwip.sh DIR: let DIR be lwIP's sources, of the Debian source package of
# this version, whose archive has this hash.  Once: a DIR that is there stays.
#
# The mirrors are those that apt has here; that they have sources need not be
# said there, and apt's own lists stay as they are.  Exit status 1, after a line
# that says so, where it cannot be fetched.

set -u

version=2.1.3+dfsg1-2
archive=lwip_2.1.3+dfsg1.orig.tar.xz
hash=0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24
dir=$(realpath -m "$1")
work=$dir.work

fail() {
    echo "nebulet: lwIP is not here, so neither is the network: $*" >&2
    rm -rf "$work"
    exit 1
}

# Of each of apt's lists that has Debian's main, the same with sources.
lists() {
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$list" ] || sed -n 's/^deb \(.*\<main\>.*\)/deb-src \1/p' "$list"
    done >"$work/etc/sources.list"
    for list in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$list" ] || grep -q '^Components:.*\<main\>' "$list" || continue
        sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/etc/sources.list.d/${list##*/}"
    done
}

[ ! -e "$dir/src/core/init.c" ] || exit 0
command -v apt-get >/dev/null || fail "there is no apt-get"
rm -rf "$work"
mkdir -p "$work/etc/sources.list.d" "$work/lists/partial"
lists
apt="apt-get -qq -o Dir::Etc::SourceList=$work/etc/sources.list
     -o Dir::Etc::SourceParts=$work/etc/sources.list.d
     -o Dir::State::Lists=$work/lists -o APT::Sandbox::User=
     -o Acquire::Languages=none -o pkgCacheFile= -o srcPkgCacheFile="
# shellcheck disable=SC2086
(cd "$work" && $apt update && $apt source --download-only "lwip=$version") \
    >"$work/log" 2>&1 || fail "apt-get source lwip=$version: $(tail -n 1 "$work/log")"
echo "$hash  $work/$archive" | sha256sum -c --status || fail "$archive is another"
mkdir "$work/tree"
tar -C "$work/tree" --strip-components 1 -xf "$work/$archive" || fail "$archive"
rm -rf "$dir"
mv "$work/tree" "$dir" && rm -rf "$work"
