#!/bin/sh
# Makes HTML of a book as mdBook has it, with an mdBook that cargo builds once into target/tools.
set -eu
version=0.5.4
tools="$(dirname "$0")/../target/tools"
if ! "$tools/bin/mdbook" --version 2>/dev/null | grep -q "v$version"; then
	cargo install --quiet --locked --root "$tools" --no-default-features --features search --version "$version" mdbook
fi
"$tools/bin/mdbook" build --dest-dir "$(realpath "$1")/html" "$1"
