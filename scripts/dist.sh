#!/bin/sh
# Makes target/dist/mcspec-VERSION-linux-x86_64.tar.gz: what is installed, for machines without Rust, linked with an old C
# library (sysroot.sh) so that it runs on Debian 11 and all that is newer.
#
# usage: scripts/dist.sh MAJOR...
set -eu

cd "$(dirname "$0")/.."
case "$(uname -sm)" in
"Linux x86_64") ;;
*)
    printf 'dist: error: the tarball is made on Linux on x86_64 only\nHINT: make install\n' >&2
    exit 1
    ;;
esac
sysroot=$(scripts/sysroot.sh)
version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
name=mcspec-$version-linux-x86_64
dist=target/dist

cargo build -q -p xtask
# gcc looks into directories of its own before those of the sysroot, for what a program begins with too; and -L of others may name
# this system's, as for a server of its own.
mkdir -p $dist/bin
libraries=$sysroot/usr/lib/x86_64-linux-gnu
for compiler in cc gcc; do
    printf '#!/bin/sh\nexec %s -B%s/ -L%s -L%s "$@"\n' "$(command -v $compiler)" "$libraries" "$libraries" \
        "$sysroot/lib/x86_64-linux-gnu" >$dist/bin/$compiler
    chmod +x $dist/bin/$compiler
done
PATH=$PWD/$dist/bin:$PATH
# Programs have no paths of this machine in them, and are linked with that C library; so is what C they are made of.
export RUSTFLAGS="-C force-frame-pointers=yes -C link-arg=--sysroot=$sysroot \
--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
export CFLAGS="--sysroot=$sysroot -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=cargo"
cargo build --release -p mcspec --target-dir $dist/build
for major in "$@"; do
    target/debug/xtask engine --release --pg-config "$(scripts/pg-config.sh "$major")" \
        --output "$dist/engine/$major" --target-dir $dist/engine-build
done
unset RUSTFLAGS CFLAGS
COPT="--sysroot=$sysroot -ffile-prefix-map=$sysroot= -gno-record-gcc-switches" scripts/image.sh "$dist/$name" $dist/build/release/mcspec $dist/engine "$@"
tests/dist/check "$dist/$name"
tar -C $dist --owner=0 --group=0 --numeric-owner --sort=name -czf "$dist/$name.tar.gz.new" "$name"
mv "$dist/$name.tar.gz.new" "$dist/$name.tar.gz"
echo "$dist/$name.tar.gz"
