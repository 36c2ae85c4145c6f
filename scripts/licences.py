#!/usr/bin/env python3
"""
Writes the licences of all crates that are linked into mcspec and the engine to the standard output.

Fails where a crate names a licence and has no text of one with it that could be given, other than those given once for all.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is linked: mcspec, and the engine with the features of one major version, which name the same crates for all.
LINKED = [["-p", "mcspec"], ["-p", "pg_ext_memcheck", "--no-default-features", "--features", "pg15"]]
TEXTS = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")


def cargo(*words):
    done = subprocess.run(["cargo", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def linked():
    """Names and versions of the crates that are compiled into what is distributed; procedural macros are not."""
    tree = ["tree", "--edges", "normal,no-proc-macro", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none"]
    lines = "".join(cargo(*tree, "--format", "{p}", *package) for package in LINKED).splitlines()
    return {tuple(line.split()[:2]) for line in lines if line.split()}


def texts(directory):
    """The files with licences of a crate."""
    names = sorted(path for path in directory.iterdir() if path.is_file() and path.name.upper().startswith(TEXTS))
    return [path.read_text(encoding="utf-8", errors="replace").strip() for path in names]


def main():
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--all-features"))
    packages = {(package["name"], "v" + package["version"]): package for package in metadata["packages"]}
    crates = [packages[key] for key in sorted(linked()) if packages[key]["source"]]
    given = {}
    print("mcspec and pg_ext_memcheck are made with the crates below, each under its own licence, and with the standard library")
    print("of Rust (MIT or Apache-2.0). A text that several crates have stands here once.\n")
    for crate in crates:
        print(f"{crate['name']} {crate['version']}: {crate['license'] or 'see its text'}")
    print()
    lacking = []
    for crate in crates:
        own = texts(Path(crate["manifest_path"]).parent)
        for text in own:
            given.setdefault(text, []).append(f"{crate['name']} {crate['version']}")
        if not own:
            lacking.append(f"{crate['name']} {crate['version']}")
    for text, of in given.items():
        print("=" * 100 + "\n" + ", ".join(of) + "\n" + "=" * 100 + "\n")
        print(text + "\n")
    if lacking:
        print("=" * 100 + "\n" + ", ".join(lacking) + "\n" + "=" * 100 + "\n")
        print("These come without a text of the licence that they name above.")


if __name__ == "__main__":
    main()
