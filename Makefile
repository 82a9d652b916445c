# The commands people type. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check race bench proof coverage browser tour vega cost dashboards fuzz image chart test-cluster

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build fast, then show lbproxy at work (ARGS="--duration 30s")
	cargo build --profile demo --locked --bin lbproxy --no-default-features # without jemalloc: a minute of C
	$${CARGO_TARGET_DIR:-target}/demo/lbproxy demo $(ARGS)

test: ## Install the real servers once, then run every test
	scripts/parts test chart
	scripts/chart
	env --default-signal=HUP cargo test --locked --workspace # tests send HUP, which nohup has children ignore
	$(MAKE) --no-print-directory browser vega

chart: ## Lint, try and validate the Helm charts, with Helm 3 and 4; run what they render
	scripts/parts test chart
	scripts/chart
	cargo test --locked --workspace --test it chart

test-cluster: ## Install the charts on a real Kubernetes API without containers, with both Helms
	scripts/parts chart cluster
	scripts/cluster

browser: ## Test the live page in a real browser; pictures in target/browser
	scripts/parts browser
	$$(scripts/parts where browser)/node_modules/.bin/oxlint -c tests/browser/.oxlintrc.json tests/browser src/admin/page
	cargo test --locked --no-run --test it # builds the program as the tests have it
	LBPROXY_BROWSER=$$(scripts/parts where browser) LBPROXY=$${CARGO_TARGET_DIR:-target}/debug/lbproxy \
		node tests/browser/run.js

vega: ## Draw every Vega panel of the boards with Vega; ARGS=--pictures renews docs/img/boards-*.png
	scripts/parts test browser
	cargo test --locked --workspace --test boards every_panel
	LBPROXY_BROWSER=$$(scripts/parts where browser) \
		LBPROXY_VEGA=$${CARGO_TARGET_DIR:-target}/tmp node tests/browser/vega.js $(ARGS)

tour: ## Take the pictures of docs/tour.md anew, from the demo
	scripts/parts browser
	cargo build --locked --release --bin lbproxy
	LBPROXY_BROWSER=$$(scripts/parts where browser) LBPROXY=$${CARGO_TARGET_DIR:-target}/release/lbproxy \
		node tests/browser/tour.js

race: ## Race nginx, HAProxy, Envoy and nginx + rsyslog; writes bench/RESULTS.md (ARGS="--quick")
	scripts/parts test race
	cargo build --release --locked --bin lbproxy --example pace
	bench/race --target $${CARGO_TARGET_DIR:-target}/release $(ARGS)

bench: ## Micro-benchmarks of a record's way
	cargo bench --locked --bench record_path

check: ## Format, lints, docs, dependencies, quick tests; run before each commit
	scripts/parts check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --locked --no-deps --document-private-items
	$$(scripts/parts where cargo-deny) --locked check licenses bans sources
	cargo test --locked --workspace --lib --test tidy

proof: ## 100 000 requests through crashes and outages, each found once in a real server
	scripts/parts test
	cargo bench --locked --bench proof

dashboards: ## Compile the boards for Kibana and OpenSearch Dashboards
	scripts/parts test
	UPDATE=1 cargo test --locked --workspace --test boards committed

cost: ## What each panel of the boards costs on a day of data; writes bench/BOARDS.md
	scripts/parts test
	cargo test --locked --workspace --test boards -- --ignored --exact cost::cost_of_every_panel

coverage: ## Lines that the tests reach: a table and the total
	scripts/parts test coverage
	scripts/coverage

image: ## Build the image with buildah, start it and look at it; writes target/image/lbproxy.tar (ARGS=--debug: quickly)
	scripts/parts image
	scripts/image $(ARGS)

fuzz: ## Try to break what reads bytes from outside, a minute for each target (FUZZ_SECONDS=600)
	scripts/fuzz
