# `make run` and `make test` set up what they need by themselves (scripts/setup.sh).

# The PostgreSQL versions that a target works with; "make test PG=17" chooses others.
PG = 15
test bench torture: PG = 15 18
test-all image install dist: PG = 15 16 17 18

comma = ,
empty =
PG_LIST = $(subst $(empty) $(empty),$(comma),$(strip $(PG)))

# rustup may have been installed in this very shell.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help setup build engine engine-links rust-corpus run book image install uninstall dist try-dist try-ci silence test test-all torture \
	try-fresh lint fuzz bench clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

setup: ## Install or fetch what is missing: compiler, PostgreSQL, libclang
	@scripts/setup.sh $(PG)

build: setup ## Build mcspec
	cargo build --release -p mcspec

engine: setup ## Build the engine for each version of PG (default: 15)
	@for major in $(PG); do \
		cargo run -q -p xtask -- engine --release --pg-config "$$(scripts/pg-config.sh $$major)" || exit; \
	done

# The engine with the links that only tests ask for
engine-links: setup
	@for major in $(PG); do \
		cargo run -q -p xtask -- engine --test-links --pg-config "$$(scripts/pg-config.sh $$major)" || exit; \
	done

rust-corpus: setup
	@for major in $(PG); do \
		cargo run -q -p xtask -- rust-corpus --pg-config "$$(scripts/pg-config.sh $$major)" || exit; \
	done

run: build engine rust-corpus ## Run the schedule on a private server
	target/release/mcspec run schedule --pg $(PG_LIST)

# What is installed, as a tree
image: build engine
	scripts/image.sh target/image target/release/mcspec target/engine $(PG)

PREFIX = /usr/local

install: image ## Install mcspec and engines for all versions below PREFIX, such as ~/.local (docs/installing.md)
	DESTDIR="$(DESTDIR)" target/image/share/mcspec/install $(PREFIX)

uninstall: ## Remove what was installed below PREFIX
	DESTDIR="$(DESTDIR)" scripts/install.sh --uninstall $(PREFIX)

book: build ## Lay the manual out as a book and make HTML of it, in target/book/html (docs/SUMMARY.md)
	cargo run -q -p xtask -- book --mcspec target/release/mcspec
	scripts/book.sh target/book

dist: setup ## Make a tarball of that for x86_64 Linux, which needs no Rust
	scripts/dist.sh $(PG)

try-dist: ## As root: try the tarball in a minimal Debian 11, 12 and 13 (tests/dist)
	tests/dist/run

try-ci: ## Execute the steps of the files for CI (contrib/ci), with the tarball
	tests/ci/lint
	tests/ci/run

silence: build engine ## Run clean core work beside two libraries that lose nothing (tests/silence)
	tests/silence/run --pg $(PG_LIST)

lint: setup ## Check format and lints of all crates, of the engine for the last of PG, and what they depend on
	cargo fmt --all --check
	cargo test -q -p xtask --test dependencies
	cargo clippy --all-targets -- -D warnings
	cargo run -q -p xtask -- lint-engine --pg-config "$$(scripts/pg-config.sh $(lastword $(PG)))"

test test-all: lint engine engine-links rust-corpus
	cargo run -q -p xtask -- test-engine --pg-config "$$(scripts/pg-config.sh $(firstword $(PG)))"
	MCSPEC_TEST_PG="$(PG)" cargo test
	target/debug/mcspec run schedule --pg $(PG_LIST)

test: ## Pass every test, on PostgreSQL 15 and 18
test-all: ## Pass every test, on all supported versions

torture: engine engine-links ## Do to servers and runs what must not harm them, in 10 minutes, on 15 and 18 (docs/torture.md)
	MCSPEC_TEST_PG="$(PG)" MCSPEC_TORTURE="$(TORTURE)" cargo test -p mcspec --test torture -- --ignored --nocapture
	$(if $(TORTURE),,MCSPEC_TEST_PG="$(PG)" cargo test -p mcspec --test all -- --ignored --nocapture memory:: pages::)

try-fresh: ## As root: run and test in a minimal Debian 12, for users with and without privilege (tests/fresh)
	tests/fresh/run

fuzz: ## Search for inputs that break what reads them, SECONDS (default: 60) for each of TARGETS (fuzz/README.md)
	fuzz/run $(or $(SECONDS),60) $(TARGETS)

bench: engine ## Measure what checking costs, in 15 minutes on a quiet machine, and write bench/RESULTS.md
	cargo run -q -p xtask -- servers 15 18
	bench/run --output bench/RESULTS.md

clean: ## Remove what was built and fetched
	rm -rf target results
