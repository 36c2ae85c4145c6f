#!/bin/sh
# Lays out below a directory what is installed: the program, an engine for each major version, completions, manual pages, the
# manual, and the extension of the tutorial.
#
# usage: scripts/image.sh TO PROGRAM ENGINES MAJOR...
#
# ENGINES has a built engine in a directory for each major version. COPT is for the C compiler, as with PGXS.
set -eu

[ $# -ge 4 ] || { echo "usage: scripts/image.sh TO PROGRAM ENGINES MAJOR..." >&2; exit 2; }
cd "$(dirname "$0")/.."
to=$1 program=$2 engines=$3
shift 3

# file MODE FROM TO
file() {
    mkdir -p "$(dirname "$to/$3")"
    cp "$2" "$to/$3"
    chmod "$1" "$to/$3"
}

# What users are shown has no paths of this machine, where the server may be in this very directory.
words() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp contrib/tutorial/words.c contrib/tutorial/words.control contrib/tutorial/words--1.0.sql contrib/tutorial/Makefile "$work"
    pg_config=$(scripts/pg-config.sh "$1")
    if ! log=$(make -C "$work" PG_CONFIG="$pg_config" with_llvm=no rpath= COPT="-g -ffile-prefix-map=$work=. -ffile-prefix-map=$PWD=. ${COPT:-}" 2>&1); then
        printf 'image: error: contrib/tutorial does not build for PostgreSQL %s\n%s\n' "$1" "$log" >&2
        exit 1
    fi
    file 755 "$work/words.so" "share/mcspec/tutorial/built/$1/words.so"
    rm -rf "$work"
}

rm -rf "$to"
file 755 "$program" bin/mcspec
for major in "$@"; do
    for path in "$engines/$major"/pg_ext_memcheck*.sql "$engines/$major/pg_ext_memcheck.control"; do
        file 644 "$path" "lib/mcspec/engine/$major/$(basename "$path")"
    done
    file 755 "$engines/$major/pg_ext_memcheck.so" "lib/mcspec/engine/$major/pg_ext_memcheck.so"
    words "$major"
done
completions() {
    mkdir -p "$to/$(dirname "$2")"
    "$program" completions "$1" >"$to/$2"
}
completions bash share/bash-completion/completions/mcspec
completions zsh share/zsh/site-functions/_mcspec
completions fish share/fish/vendor_completions.d/mcspec.fish
mkdir -p "$to/share/man/man1"
"$program" man "$to/share/man/man1" >/dev/null
for path in docs/*.md README.md CHANGELOG.md SECURITY.md LICENSE; do
    file 644 "$path" "share/doc/mcspec/$(basename "$path")"
done
scripts/licences.py >"$to/share/doc/mcspec/THIRD-PARTY-LICENCES"
for path in words.c words.control words--1.0.sql Makefile mcspec.toml specs/lookup.mcspec; do
    file 644 "contrib/tutorial/$path" "share/mcspec/tutorial/$path"
done
file 755 scripts/install.sh share/mcspec/install
# What a umask of this shell has made of directories
find "$to" -type d -exec chmod 755 {} +
find "$to" -type f -exec chmod a+rX {} +
