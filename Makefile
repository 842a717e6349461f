# Two commands do all set-up on a fresh machine: `make demo` and `make test`.
.PHONY: help demo test prove check check-deep build lint check-tools servers fuzz bench profile clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         what repeats do to a SCIM service, directly and through the gateway"
	@echo "make test         all checks, phase by phase; scripts/test.sh PHASE runs one"
	@echo "make prove        every proof in full and the table of their figures, target/prove/report.json: two days"
	@echo "make check        every order of events of small scenes, and what breaks without each rule: a quarter of an hour"
	@echo "make check-deep   the same scenes with more faults: hours"
	@echo "make build        the program, optimised: target/release/replaysafe"
	@echo "make lint         rustfmt and clippy"
	@echo "make servers      install the real SCIM servers and clients that the tests use"
	@echo "make fuzz         mutated input for whatever reads it first, 60 seconds each"
	@echo "make bench        what the sandbox costs, beside the same core natively: a table, target/bench/report.json"
	@echo "make profile      where the time of a decision goes: target/profile"
	@echo "make check-tools  find or install the compiler's wasm target"
	@echo "make clean        remove all that was built or installed here"

demo: check-tools
	cargo run --locked -p replaysafe-cli -- demo

test:
	scripts/test.sh

prove:
	scripts/test.sh prove-all

check:
	scripts/test.sh check ablation

check-deep:
	scripts/test.sh check-deep

build: check-tools
	cargo build --locked --release -p replaysafe-cli

lint: check-tools
	scripts/test.sh format lint

check-tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust from your distribution or with rustup, then run make again" >&2; exit 3; }
	@command -v cc >/dev/null || { echo "a C compiler is missing (SQLite is built from source): install gcc or clang, then run make again" >&2; exit 3; }
	@scripts/wasm-target.sh

servers:
	tests/servers/install.sh

fuzz:
	scripts/fuzz.sh

bench: check-tools
	scripts/bench.sh table

profile: check-tools
	scripts/bench.sh profile

clean:
	rm -rf target
