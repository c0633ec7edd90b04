# Everything that a developer types. Build results and caches stay out of the clone.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export HANSE_CACHE ?= $(HOME)/.cache/hanse
export CARGO_TARGET_DIR ?= $(HANSE_CACHE)/target
export PATH := $(HANSE_CACHE)/tools/bin:$(PATH)

BIN := $(CARGO_TARGET_DIR)/debug

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: prerequisites-build kubernetes programs ## Three real clusters, a hub, three agents and a story (DEMO_EXIT=1, CONTEXTS="a b")
	@$(BIN)/demo

.PHONY: test
test: prerequisites-test kubernetes programs ## Every test, on real clusters and on both databases
	cargo test --workspace --locked --no-fail-fast

.PHONY: verify-access
verify-access: export HANSE_ACCESS_DECISIONS ?= 100000
verify-access: export HANSE_ACCESS_SEED ?= $(shell date +%s)
verify-access: prerequisites-test kubernetes ## Ask a real API server 100,000 times who may do what, and the engine too (HANSE_ACCESS_SEED=…)
	cargo test --locked -p hanse-e2e --test access_truth -- --nocapture

.PHONY: lint
lint: prerequisites-build cargo-deny ## Formatting, lints, dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --workspace --log-level error check bans licenses sources
	cd testbed/kube && go vet ./...

.PHONY: advisories
advisories: cargo-deny ## Known vulnerabilities in dependencies; needs the RustSec database, so the internet
	cargo deny --workspace --log-level error check advisories

.PHONY: bench
bench: prerequisites-build kubernetes ## Measure, each figure next to a floor of the same run
	cargo build --release --locked --bins
	$(CARGO_TARGET_DIR)/release/hanse-bench

.PHONY: programs
programs: prerequisites-build ## Build hanse, hanse-control-plane, hanse-agent and testbed
	@echo "building the programs (the first time takes a few minutes) …" >&2
	cargo build --workspace --bins --locked

.PHONY: kubernetes
kubernetes: prerequisites-build ## Build etcd and Kubernetes for the testbed (once; about five minutes)
	@testbed/build.sh >/dev/null

.PHONY: cargo-deny
cargo-deny:
	@command -v cargo-deny >/dev/null || { \
	  echo "installing cargo-deny (once; a few minutes) …" >&2; \
	  cargo install --quiet --locked --root $(HANSE_CACHE)/tools cargo-deny; }

.PHONY: prerequisites-build prerequisites-test
prerequisites-build:
	@scripts/prerequisites.sh build

prerequisites-test:
	@scripts/prerequisites.sh build test

.PHONY: clean
clean: ## Remove what was built, and the demo's data
	cargo clean
	rm -rf demo-data
