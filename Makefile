# The verbs we use. `make demo` and `make test` do everything on a fresh Debian or Ubuntu machine
# that has a Rust toolchain.

CARGO ?= cargo
# Labs and benches want the optimised binary; tests build their own.
WEFT := target/release/weft

# A long run of the oracle: a third of the packets have a sender that is away, and are none;
# `make oracle ORACLE_CLOUDS=100 ORACLE_PACKETS=1000` for another.
ORACLE_CLOUDS ?= 10000
ORACLE_PACKETS ?= 160

.PHONY: help demo test check fmt lint unit oracle sim labs deps deps-test deps-peers bench \
    peers fuzz deny clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: deps $(WEFT) ## Bring up a cloud on this machine, prove it, measure it, take it away
	@scripts/demo $(WEFT)

.PHONY: $(WEFT)
$(WEFT): deps
	$(CARGO) build --release --locked --package weft

deps: ## Install what building needs (a linker)
	@scripts/deps build

deps-test: ## Install what testing needs besides (iproute2, daemons)
	@scripts/deps test

deps-peers: ## Install what `make peers` measures beside Weft (nftables, Open vSwitch)
	@scripts/deps peers

test: deps-test ## Everything CI runs: format, clippy, unit, property and namespace tests
	@scripts/test

check: fmt lint ## The fast checks: format, clippy, the tidy rules
	$(CARGO) test --quiet --locked --package weft-tests --test tidy

fmt:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --locked --quiet -- -D warnings

unit: ## Unit and property tests only: no namespaces
	$(CARGO) test --workspace --exclude weft-tests --locked --quiet

oracle: ## Engines against the independent judge: 1,000,000 packets over 10,000 clouds
	WEFT_ORACLE_CLOUDS=$(ORACLE_CLOUDS) WEFT_ORACLE_PACKETS=$(ORACLE_PACKETS) \
	    $(CARGO) test --profile oracle --locked --package weft-tests --test oracle -- --nocapture

sim: ## The whole system on virtual time while everything fails: hundreds of hosts
	WEFT_SIM_HOSTS=300 WEFT_SIM_PACKETS=50000 WEFT_SIM_RUNS=10 \
	    $(CARGO) test --profile oracle --locked --package weft-tests --test oracle -- --nocapture nothing_forbidden

labs: deps-test ## The namespace tests only
	$(CARGO) build --locked --package weft
	$(CARGO) test --locked --package weft-tests

bench: deps-test $(WEFT) ## Engine cost in memory, then the whole system beside a bare veth
	$(CARGO) bench --locked --package weft-benches --bench engine_time
	@if command -v valgrind >/dev/null && command -v gungraun-runner >/dev/null; then \
	    $(CARGO) bench --locked --package weft-benches --bench engine_instructions; \
	else \
	    echo "no instruction counts: install valgrind, and gungraun-runner 0.20.0 with cargo"; \
	fi
	$(WEFT) bench --rounds 5

peers: deps-peers $(WEFT) ## Measure beside nftables and Open vSwitch; rewrites docs/performance.md
	$(WEFT) bench --peers --rounds 5 --write docs/performance.md

fuzz: ## Fuzz every parser for FUZZ_SECONDS each (default 600); needs nightly and cargo-fuzz
	@scripts/fuzz $${FUZZ_SECONDS:-600}

deny: ## Licences, doubles and sources of all dependencies; needs cargo-deny
	$(CARGO) deny check bans licenses sources

clean:
	$(CARGO) clean
