#!/bin/sh
# mmdebstrap extract hook: turns an unpacked Debian root ($1) into a usable one without running anything of it,
# so that a root for another platform needs no emulation. Does what the packages' maintainer scripts would have done,
# as far as an image with Python needs it.
set -eu
root=$1
dpkg_state=$root/var/lib/dpkg

# What is unpacked is recorded as installed, files included: scanners and SBOM tools read the packages from here, and
# take Python packages that Debian owns (and patches) for Debian's.
mkdir -p "$dpkg_state/info"
for archive in "$root"/var/cache/apt/archives/*.deb; do
    package=$(dpkg-deb --field "$archive" Package)
    if [ "$(dpkg-deb --field "$archive" Multi-Arch)" = same ]; then
        package=$package:$(dpkg-deb --field "$archive" Architecture)
    fi
    {
        dpkg-deb --field "$archive"
        printf 'Status: install ok installed\n\n'
    } >>"$dpkg_state/status"
    dpkg-deb --fsys-tarfile "$archive" | tar --list | sed -e 's,^\./,/,' -e 's,\(.\)/$,\1,' -e 's,^/$,/.,' \
        >"$dpkg_state/info/$package.list"
    if dpkg-deb --ctrl-tarfile "$archive" | tar --list | grep --quiet '^\./md5sums$'; then
        dpkg-deb --info "$archive" md5sums >"$dpkg_state/info/$package.md5sums"
    fi
done

# base-passwd: users and groups; every password stays locked.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
sed 's/^\([^:]*\):.*/\1:*::0:99999:7:::/' "$root/etc/passwd" >"$root/etc/shadow"
sed 's/^\([^:]*\):.*/\1:*::/' "$root/etc/group" >"$root/etc/gshadow"
chmod 0640 "$root/etc/shadow" "$root/etc/gshadow"
chgrp 42 "$root/etc/shadow" "$root/etc/gshadow"

# ca-certificates: one bundle of the certificate authorities that Debian trusts.
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"

if [ -e "$root/usr/share/libc-bin/nsswitch.conf" ]; then
    cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
fi

# Links that maintainer scripts make, and what the official image has: these names, and a pip that installs.
ln -s mawk "$root/usr/bin/awk"
mkdir -p "$root/usr/local/bin"
ln -s /usr/bin/python3 "$root/usr/local/bin/python"
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED

# Bytecode, as py3compile makes it: without it, every start and every health check of a read-only container compiles what
# it imports. It is the same for all platforms, so this machine's own Python of that version can make it; where there is
# none, the image works, and is slower. By the sources' hashes it is the same every time, and of no use once one changed.
for library in "$root"/usr/lib/python3.*; do
    python=/usr/bin/${library##*/}
    if [ -x "$python" ]; then
        (cd / && env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 PYTHONHASHSEED=0 "$python" -S -s -m compileall -q \
            --invalidation-mode checked-hash -s "$root" -p / "$library" "$root/usr/lib/python3/dist-packages")
    fi
done

# Of this machine, or of no use in an image. Licences (usr/share/doc/*/copyright) stay.
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
find "$root/usr/share/doc" ! -type d ! -name copyright -delete
find "$root/usr/share/doc" -type d -empty -delete
rm -rf "$root"/usr/share/man "$root"/usr/share/info "$root"/usr/share/locale "$root"/usr/share/lintian \
    "$root"/usr/share/bash-completion "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
