#!/bin/sh
# Installs the tree that this file lies in (share/mcspec/install of it), or removes what it has installed.
#
# usage: install [--from DIR] [--uninstall] PREFIX
#
# Every file takes its place by rename, so that whoever has the one before in use goes on with that. What an earlier version
# had and this one has not is removed. DESTDIR stands before PREFIX, as make knows it.
set -eu

die() {
    printf 'install: error: %s\nHINT: %s\n' "$1" "$2" >&2
    exit 1
}

usage="share/mcspec/install [--uninstall] PREFIX, such as ~/.local or /usr/local"
from=$(cd "$(dirname "$0")/../.." && pwd) uninstall= prefix=
while [ $# -gt 0 ]; do
    case "$1" in
    --from) from=$2; shift ;;
    --uninstall) uninstall=yes ;;
    --help) echo "usage: $usage"; exit 0 ;;
    -*) die "there is no option $1" "$usage" ;;
    *) [ -z "$prefix" ] || die "more than one PREFIX" "$usage"; prefix=$1 ;;
    esac
    shift
done
[ -n "$prefix" ] || die "no PREFIX" "$usage"
case "$prefix" in
/*) ;;
# A shell leaves it as it is in PREFIX=~/.local behind the name of another program.
'~'/*) prefix=$HOME/${prefix#'~'/} ;;
*) prefix=$PWD/$prefix ;;
esac
top=${DESTDIR:-}$prefix
# What is installed: paths below PREFIX, one a line.
list=lib/mcspec/installed

# Removes files below $top that are named on the standard input, and directories that are empty then.
remove() {
    while read -r path; do
        rm -f "$top/$path"
        directory=$(dirname "$path")
        while [ "$directory" != . ] && rmdir "$top/$directory" 2>/dev/null; do
            directory=$(dirname "$directory")
        done
    done
}

if [ -n "$uninstall" ]; then
    [ -e "$top/$list" ] || die "there is no $top/$list" "name the PREFIX that it was installed into"
    files=$(cat "$top/$list")
    printf '%s\n%s\n' "$files" "$list" | remove
    echo "removed from $top"
    exit 0
fi

[ -x "$from/bin/mcspec" ] || die "there is no $from/bin/mcspec" "call it as share/mcspec/install of an unpacked tarball, or make install"
[ "$(cd "$from" && pwd -P)" != "$(cd "$top" 2>/dev/null && pwd -P)" ] || die "$top is where it is already" "name another PREFIX"
mkdir -p "$top/lib/mcspec" 2>/dev/null || die "$top cannot be written" "sudo $0 $prefix, or a PREFIX such as ~/.local"
before=
[ ! -e "$top/$list" ] || before=$(cat "$top/$list")
files=$(cd "$from" && find bin lib share -type f ! -path "$list" | LC_ALL=C sort)
# First that a file is ours, then the file: what was interrupted can be removed.
printf '%s\n%s\n' "$before" "$files" | sed '/^$/d' | LC_ALL=C sort -u >"$top/$list.new.$$"
mv -f "$top/$list.new.$$" "$top/$list"
echo "$files" | while read -r path; do
    mkdir -p "$top/$(dirname "$path")"
    new=$top/$(dirname "$path")/.$(basename "$path").new.$$
    cp "$from/$path" "$new"
    # Whatever the umask
    case "$path" in bin/* | *.so | */install) chmod 755 "$new" ;; *) chmod 644 "$new" ;; esac
    mv -f "$new" "$top/$path"
done
echo "$before" | while read -r path; do
    [ -z "$path" ] || echo "$files" | grep -qxF "$path" || echo "$path"
done | remove
echo "$files" >"$top/$list.new.$$"
mv -f "$top/$list.new.$$" "$top/$list"
echo "installed $top/bin/mcspec"
