#!/bin/sh
# Builds PostgreSQL 15 to 18 from a directory with its sources twice - with assertions, and as a fork that has put a member into
# MemoryContextData - and has the engine of that major version, which "make engine" has built, refuse both; the fork once more with
# a version that looks like a packager's. Not as root, whom initdb refuses. Takes ten minutes.
#
# other-builds.sh SOURCES
set -eu

sources=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
major=$(sed -n "s/^PACKAGE_VERSION='\([0-9]*\).*/\1/p" "$sources/configure")
minor=$(sed -n "s/^PACKAGE_VERSION='\([0-9.]*\)'/\1/p" "$sources/configure")
engine=$(pwd)/target/engine/$major
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

# build NAME OPTION ...
build() {
    name=$1
    shift
    cp -a "$sources" "$top/$name-src"
    if [ "$name" = fork ]; then
        sed -i 's/^\tMemoryContext parent;/\tint64\t\tquota;\n&/' "$top/$name-src/src/include/nodes/memnodes.h"
    fi
    (
        cd "$top/$name-src"
        ./configure --prefix="$top/$name" --without-readline --without-zlib --without-icu "$@" >/dev/null 2>&1 ||
            ./configure --prefix="$top/$name" --without-readline --without-zlib "$@" >/dev/null
        make -s -j2 -C src/backend generated-headers
        for part in port common timezone interfaces/libpq fe_utils backend backend/utils/mb/conversion_procs \
            backend/snowball bin/initdb bin/pg_config pl/plpgsql; do
            make -s -j2 -C "src/$part" install
        done
    ) >"$top/$name.log" 2>&1 || { tail -20 "$top/$name.log"; exit 1; }
    cp "$engine"/*.so "$("$top/$name/bin/pg_config" --pkglibdir)"
    "$top/$name/bin/initdb" -D "$top/$name-data" -N -A trust >/dev/null
}

# refuses NAME WORDS
refuses() {
    if timeout 30 "$top/$1/bin/postgres" -D "$top/$1-data" -k "$top" -c listen_addresses= \
        -c shared_preload_libraries=pg_ext_memcheck >"$top/$1.out" 2>&1; then
        echo "$1 has run"
        exit 1
    fi
    grep -q 'FATAL:  pg_ext_memcheck cannot check this server' "$top/$1.out" && grep -q "$2" "$top/$1.out" || {
        cat "$top/$1.out"
        exit 1
    }
    echo "ok: $1: $(sed -n 's/.*DETAIL:  //p' "$top/$1.out")"
}

build assert --enable-cassert
refuses assert 'assertions (--enable-cassert)'
build fork --with-extra-version=' (Forkly 15.1)'
refuses fork "it calls its version \"$minor (Forkly 15.1)\""
sed -i 's/ (Forkly 15\.1)/ (Debian 15.1)/g' "$top/fork/bin/postgres"
refuses fork 'in the place of: MemoryContextData.parent'
