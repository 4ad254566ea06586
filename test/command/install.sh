#!/bin/sh
# test/command/install.sh OUT: `make install` and `make deb`: what is installed
# works from where it is, on both ports, and is gone after `make uninstall`.
# Ends with "N passed, N failed, N skipped".

set -u
out=$1
work=$out/install
skipped=0
. test/verdict.sh
rm -rf "$work"
mkdir -p "$work"
: >"$work/stderr"
cp "$out/user/hello-c.wasm" "$work/hello.wasm"

# works NAME FOLDER: what is installed there runs programs, also by a link.
works() {
    nebulet=$(pwd)/$2/bin/nebulet
    ln -sf "$nebulet" "$work/link"
    for port in linux metal; do
        for command in "$nebulet" "./link"; do
            (cd "$work" && "$command" run --on $port hello.wasm) \
                >"$work/stdout" 2>"$work/stderr" </dev/null
            status=$?
            verdict "$1, run on $port" "$(
                [ $status = 0 ] && [ ! -s "$work/stderr" ] &&
                    grep -q ello "$work/stdout" || echo "status $status")"
        done
        "$nebulet" shell --on $port -- -c 'ls /bin' >"$work/stdout" \
            2>"$work/stderr" </dev/null
        verdict "$1, shell on $port" "$(
            grep -qx tools "$work/stdout" || echo "no tools")"
    done
    for file in man/man1/nebulet.1.gz bash-completion/completions/nebulet \
        fish/vendor_completions.d/nebulet.fish; do
        verdict "$1, $file" "$([ -s "$2/share/$file" ] || echo "not there")"
    done
    verdict "$1, manual page" "$(
        gzip -dc "$2/share/man/man1/nebulet.1.gz" | grep -q '^\.TH NEBULET 1' ||
            echo "is none")"
}

# Beside files of others, which stay.
place=$work/root/opt/a\ place
mkdir -p "$place/bin" "$place/share/man/man1"
echo theirs | tee "$place/bin/other" >"$place/share/man/man1/other.1"
DESTDIR=$work/root PREFIX="/opt/a place" make/install.sh "$out" install \
    2>"$work/stderr"
verdict "install" "$([ -x "$place/bin/nebulet" ] || echo "no command")"
verdict "install, nebulet-oci" "$("$place/bin/nebulet-oci-process" --version |
    grep -q '^nebulet-oci version' || echo "no container runtime")"
works "installed" "$place"
verdict "twice" "$(DESTDIR=$work/root PREFIX="/opt/a place" \
    make/install.sh "$out" install 2>&1)"
DESTDIR=$work/root PREFIX="/opt/a place" make/install.sh "$out" uninstall \
    2>"$work/stderr"
verdict "uninstall" "$(find "$work/root" -type f | grep -v other)"
verdict "files of others" "$(
    [ "$(find "$work/root" -name 'other*' | wc -l)" = 2 ] || echo "are gone")"
verdict "uninstall again" "$(DESTDIR=$work/root PREFIX="/opt/a place" \
    make/install.sh "$out" uninstall 2>&1)"

# A command without a kernel says so.
mkdir -p "$work/bare"
cp "$out/nebulet" "$work/bare/nebulet"
(cd "$work" && bare/nebulet run --on metal hello.wasm) >"$work/stdout" \
    2>"$work/stderr" </dev/null
verdict "no kernel" "$([ $? = 1 ] && [ "$(wc -l <"$work/stderr")" = 1 ] ||
    echo "expected one line and status 1")"
says "no kernel" stderr '^nebulet: .*/bare/nebulet\.elf: No such file'

if command -v dpkg-deb >/dev/null; then
    package=$(make/deb.sh "$out")
    dpkg-deb --contents "$package" >"$work/stdout" 2>"$work/stderr"
    for file in bin/nebulet lib/nebulet/nebulet.elf \
        lib/nebulet/user/ninep.wasm lib/nebulet/user/diskfs.wasm \
        man/man1/nebulet.1.gz; do
        says "package" stdout "root/root .*/$file\$"
    done
    dpkg-deb -x "$package" "$work/package"
    works "package" "$work/package/usr"
    dpkg-deb -f "$package" Depends >"$work/stdout"
    says "package" stdout libcjson1
else
    skipped=$((skipped + 1))
    echo "skipped: package: dpkg-deb is not here"
fi
if command -v lintian >/dev/null && command -v dpkg-deb >/dev/null; then
    lintian --allow-root --fail-on error,warning "$package" >"$work/stdout" \
        2>"$work/stderr"
    verdict "lintian" "$([ $? = 0 ] || cat "$work/stdout")"
else
    skipped=$((skipped + 1))
    echo "skipped: lintian: it is not here"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
