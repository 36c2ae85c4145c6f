#!/bin/sh
# Prints the directory of a C library that programs can be linked with which are to run on old systems: that of Debian 11,
# glibc 2.31. It is fetched by apt, which checks its signatures, and unpacked; nothing is installed and no privilege is needed.
set -eu

cd "$(dirname "$0")/.."
release=bullseye
directory=$PWD/target/dist/sysroot
if [ -e "$directory/complete" ]; then
    echo "$directory"
    exit 0
fi

# die MESSAGE HINT
die() {
    printf 'sysroot: error: %s\nHINT: %s\n' "$1" "$2" >&2
    exit 1
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "there is no apt" "make dist on Debian or Ubuntu"
[ -e $keyring ] || die "there is no $keyring" "apt-get install debian-archive-keyring"
# Where this machine has Debian's packages from; another distribution says it in DEBIAN_MIRROR.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' \
    'Codename: bookworm' | head -1)}
[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' |
    grep -v security | head -1)
[ -n "$mirror" ] || die "apt has no source of Debian's packages" "name a mirror: make dist DEBIAN_MIRROR=URL"

new=$directory.new
rm -rf "$directory" "$new"
mkdir -p "$new/apt/lists/partial" "$new/apt/cache/partial" "$new/debs"
: >"$new/apt/status"
echo "deb [signed-by=$keyring] $mirror $release main" >"$new/apt/sources.list"
apt() {
    (cd "$new/debs" && apt-get -qq -o "Dir::State=$new/apt" -o "Dir::State::status=$new/apt/status" \
        -o "Dir::State::lists=$new/apt/lists" -o "Dir::Cache=$new/apt/cache" -o "Dir::Etc::SourceList=$new/apt/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null -o APT::Architecture=amd64 \
        -o APT::Sandbox::User=root "$@") >&2
}
apt update
apt download libc6 libc6-dev linux-libc-dev libgcc-s1
for package in "$new"/debs/*.deb; do
    dpkg-deb -x "$package" "$new"
done
rm -rf "$new/apt" "$new/debs"
# Links that lead out of it lead to this system's own library.
find "$new" -type l | while read -r link; do
    to=$(readlink "$link")
    case "$to" in /*) ln -srf "$new$to" "$link" ;; esac
done
touch "$new/complete"
mv "$new" "$directory"
echo "$directory"
