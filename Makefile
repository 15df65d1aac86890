# One line of help stands behind each target: `make help` prints it.

.DEFAULT_GOAL := help
# The examples that need no server, and those that do.
SMALL = quickstart expenses fallback import machines subscription transfer
ON_SERVERS = on-restate workers

.PHONY: help demo console demo-postgres demo-restate quickstart examples check test services restate soak mutants lint features deny doc publishable bench bless

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## run the shop: four services, two dozen orders, a kill, an audit of their databases
	cargo run --release --package shop -- demo

console: ## run the shop with its console on orders that never end, some of which fail, until Ctrl-C
	cargo run --release --package shop -- console

demo-postgres: ## run the demo with its sagas in Postgres: two orders services, a kill, a deployment of a second version meanwhile
	cargo run --release --package shop -- demo --on postgres --orders 96

demo-restate: restate ## run the same demo with its sagas on a Restate server, after installing that (SHOP_DEMO_KEEP=true to watch)
	cargo run --release --package shop -- demo --on restate

quickstart: ## run the smallest example
	cargo run --package quickstart

services: ## install the servers that tests and demos start, into services/node_modules
	services/install

restate: ## install of these the Restate server only
	services/install restate

examples: ## run the small examples, and their tests; the last two on servers, after installing them
	cargo build $(SMALL:%=--package %) $(ON_SERVERS:%=--package %)
	set -e; for name in $(SMALL); do echo "== $$name"; $${CARGO_TARGET_DIR:-target}/debug/$$name; done
	services/install restate
	set -e; for name in $(ON_SERVERS); do echo "== $$name"; $${CARGO_TARGET_DIR:-target}/debug/$$name; done
	cargo test $(SMALL:%=--package %) $(ON_SERVERS:%=--package %) --package travel

check: lint ## run the quick checks: format, clippy, unit, behaviour and diagnostics tests
	cargo test --quiet --package saga-house --package saga-macros --package saga-runtime --package saga-restate \
		--package saga-tests --lib --test house --test behaviour --test diagnostics

test: services ## run all tests, after installing the servers that they start
	cargo test --workspace --no-fail-fast

soak: ## kill processes in the middle of sagas, 10,000 times (KILLS=…, SEED=…), and workers on Postgres (WORKERS_ROUNDS=…); 10,000 failures of random sagas (KIT_CASES=…)
	KILLS=$${KILLS:-10000} cargo test --package saga-tests --test crash -- --nocapture processes_may_be_killed
	KIT_CASES=$${KIT_CASES:-10000} cargo test --package saga-tests --test durable -- --nocapture the_kit_and_the_model
	WORKERS_ROUNDS=$${WORKERS_ROUNDS:-200} cargo test --package saga-tests --test workers -- --nocapture

mutants: ## change the modules that decide, one operator or result at a time: their unit tests see it (needs cargo-mutants)
	mkdir -p target/mutants/runtime target/mutants/macros
	cargo mutants --package saga-runtime --no-default-features --cargo-arg=--lib --output target/mutants/runtime \
		--file saga-runtime/src/attempts/decision.rs --file saga-runtime/src/attempts/outcome.rs \
		--file saga-runtime/src/attempts/pursuit.rs --file saga-runtime/src/language/order.rs \
		--file saga-runtime/src/journal/history.rs --file 'saga-runtime/src/journal/history/*.rs'
	cargo mutants --package saga-macros --cargo-arg=--lib --output target/mutants/macros --file saga-macros/src/saga/check/paths.rs

lint: ## check the format, and clippy without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings

features: ## compile the crates with each combination of their features
	.ci/features

deny: ## check the licences, doubles and origins of the dependencies (needs cargo-deny; deny.toml says how to get it)
	cargo deny --all-features check licenses bans sources

doc: ## build the documentation without a warning, into target/doc
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps

publishable: ## what a release needs: the packages compile by themselves, as on docs.rs, and with the oldest versions of what they depend on
	cargo publish --workspace --dry-run
	.ci/docs-rs
	.ci/minimal-versions

bench: ## measure this library and its peers, and write docs/performance.md
	benches/page

bless: ## write the expected compiler messages and expansions anew, to be read in the diff
	TRYBUILD=overwrite cargo test --package saga-tests --test diagnostics mistakes
	BLESS=1 cargo test --package saga-macros
