#!/usr/bin/env python3
"""
Writes the licences of all crates that are linked into mcspec and the engine to the standard output.

Of those that have no text with them, authors and the name of the licence are given, and the text of MIT's, which all of these are under.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is linked: mcspec, and the engine with the features of one major version, which name the same crates for all.
LINKED = [["-p", "mcspec"], ["-p", "pg_ext_memcheck", "--no-default-features", "--features", "pg15"]]
MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""
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
            if "MIT" not in (crate["license"] or ""):
                sys.exit(f"licences: error: {crate['name']} has no text of its licence, {crate['license']}")
            lacking.append(f"{crate['name']} {crate['version']}, {', '.join(crate['authors']) or crate['repository']}")
    for text, of in given.items():
        print("=" * 100 + "\n" + ", ".join(of) + "\n" + "=" * 100 + "\n")
        print(text + "\n")
    if lacking:
        print("=" * 100 + "\n" + "\n".join(lacking) + "\n" + "=" * 100 + "\n")
        print(f"These come without a text of their own. The MIT license:\n\n{MIT}")


if __name__ == "__main__":
    main()
