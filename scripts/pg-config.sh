#!/bin/sh
# Prints the pg_config of the PostgreSQL that the project uses for a major version: Debian's if it is complete, otherwise
# the one that xtask has fetched. Fails when there is neither.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
for bin in "/usr/lib/postgresql/$1/bin" "$root/target/servers/$1/bin"; do
    if [ -x "$bin/postgres" ] && [ -x "$bin/pg_config" ] && [ -f "$("$bin/pg_config" --includedir-server)/postgres.h" ]; then
        echo "$bin/pg_config"
        exit 0
    fi
done
exit 1
