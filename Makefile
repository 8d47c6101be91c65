# Clew. The two that matter: `make up` starts everything, `make test` passes everything.
# Nothing here uses more than JOBS processors, and nothing is done twice: stamps are in .make.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules -j1

JOBS ?= 2
# duckdb_arrow lets fresh rows be read by DuckDB; invariants makes broken promises of our own panic in tests.
TAGS := duckdb_arrow
TEST_TAGS := $(TAGS) invariants
GO_TEST := go test -p $(JOBS) $(GO_TEST_FLAGS)
FUZZ_TIME ?= 20s

UI_SOURCES := $(shell find ui -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path 'ui/e2e/*' -not -name '*.go')

# The parts of `make test`, in order of how soon they find a mistake. CI runs the same list.
TEST_PARTS := test-go test-kit-go test-kit-rust test-kit-contract test-ui test-bench test-shop-go test-shop-rust test-e2e

# The Go modules of the kit: the core and each integration with a client of others.
KIT_GO := $(patsubst %/go.mod,%,$(sort $(wildcard kit/go/go.mod kit/go/*/go.mod)))

.PHONY: help setup build ui shop up test $(TEST_PARTS) print-test-parts check check-go check-ui check-kit check-shop generate bench bench-server scale bench-kit bench-page kit-fuzz fuzz race nightly clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 12

setup: .make/system .make/npm .make/cargo .make/go ## fetch what is needed: packages of the system, Go, npm, cargo

.make/system: scripts/setup
	@mkdir -p .make
	scripts/setup
	@touch $@

.make/npm: ui/package-lock.json ui/package.json | .make/system
	cd ui && npm ci --no-audit --no-fund
	@touch $@

.make/cargo: examples/shop/Cargo.lock kit/rust/Cargo.lock | .make/system
	cd examples/shop && cargo fetch --locked --quiet
	cd kit/rust && cargo fetch --locked --quiet
	@touch $@

# Listing the packages of everything that is built or tested fetches their modules
# and no others: the libraries for other platforms are large.
.make/go: go.sum examples/shop/go.sum bench/go.sum bench/collector/go.sum $(wildcard kit/go/go.sum kit/go/*/go.sum) | .make/system
	go list -deps -test -tags "$(TEST_TAGS)" ./... >/dev/null
	cd examples/shop && go list -deps -test ./... >/dev/null
	cd bench && go list -deps -test ./... >/dev/null
	cd bench/collector && go list -deps ./... >/dev/null
	for m in $(KIT_GO); do (cd $$m && go list -deps -test ./... >/dev/null); done
	@touch $@

build: bin/clew shop bin/bench ## build bin/clew with its page, the example fleet, the bench

ui: .make/ui
.make/ui: $(UI_SOURCES) .make/npm
	cd ui && npm run --silent build
	@touch $@

# Go itself knows what is to do: it takes a second when nothing has changed.
.PHONY: bin/clew bin/bench bin/bench-collector
bin/clew: .make/ui .make/go
	go build -p $(JOBS) -tags "$(TAGS)" -o $@ ./cmd/clew

bin/bench: .make/go
	cd bench && go build -p $(JOBS) -o ../bin/bench .

bin/bench-collector: .make/go
	cd bench/collector && go build -p $(JOBS) -o ../../bin/bench-collector .

shop: .make/cargo .make/go
	$(MAKE) --no-print-directory -C examples/shop build CARGO_JOBS=$(JOBS)

up: build ## start Clew and the example fleet, print the page's address; Ctrl-C stops all
	scripts/up

test: build $(TEST_PARTS) ## everything that must pass
	@echo "make test: all of $(TEST_PARTS) passed"

print-test-parts:
	@echo $(TEST_PARTS)

test-go: .make/ui .make/go
	$(GO_TEST) -tags "$(TEST_TAGS)" ./...

test-kit-go: .make/go
	for m in $(KIT_GO); do (cd $$m && $(GO_TEST) -timeout 10m ./...); done

test-kit-rust: .make/cargo .make/go
	cd kit/rust && cargo test --locked --workspace --quiet -j $(JOBS)

test-kit-contract: .make/cargo .make/go ## both kits answer the same to 50,000 random cases
	kit/contract/fuzz/fuzz.sh 50000 1
	kit/contract/fuzz/fuzz.sh chain 100000 1

test-bench: bin/clew bin/bench-collector
	cd bench && $(GO_TEST) -count=1 ./... # the binaries that it runs are no input that Go knows of

test-shop-go: shop
	cd examples/shop && $(GO_TEST) -timeout 15m ./...

test-shop-rust: .make/cargo
	cd examples/shop && cargo test --locked --quiet -j $(JOBS)

test-ui: .make/npm
	cd ui && npm run --silent test

test-e2e: bin/clew shop .make/npm
	scripts/e2e

check: check-go check-ui check-kit check-shop ## format, vet, lint rules, linters, generated files

check-go: .make/ui .make/go
	@unformatted="$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)"; \
	  if [ -n "$$unformatted" ]; then echo "not formatted; run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	go vet -tags "$(TEST_TAGS)" ./...
	cd bench && go vet ./...
	cd bench/collector && go vet ./...
	$(GO_TEST) ./internal/lint
	$(GO_TEST) -tags "$(TEST_TAGS)" -run 'Current|Complete' ./cmd/clew ./internal/api

check-ui: .make/npm
	cd ui && npm run --silent check

check-kit: .make/cargo .make/go
	for m in $(KIT_GO); do (cd $$m && go vet ./...); done
	cd kit/rust && cargo fmt --all --check
	cd kit/rust && cargo clippy --locked --workspace --all-targets -j $(JOBS) -- -D warnings
	cd kit/rust && RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps -p clew -j $(JOBS)
	scripts/check-msrv

# The shop's code of its charter: make generate writes it, make check says what is not current.
SHOP_CODE = for at in "go internal/charter" "rust rust/fleet/src/charter"; do \
    go run -p $(JOBS) -tags "$(TAGS)" ./cmd/clew charter generate --charter examples/shop/charter --language $${at%% *} --out examples/shop/$${at\#* }

check-shop: .make/cargo .make/go
	$(SHOP_CODE) --check; done
	$(MAKE) --no-print-directory -C examples/shop check CARGO_JOBS=$(JOBS)

generate: .make/go ## write the generated files anew: docs/cli.md, cmd/clew/deps.txt, the shop's code of its charter
	go test -tags "$(TEST_TAGS)" ./cmd/clew -run 'Reference' -update
	go test -tags "$(TEST_TAGS)" ./internal/lint -run 'Dependencies' -update
	$(SHOP_CODE); done

bench: ## print the tables of figures and fail over a floor or a budget; on a quiet machine
	@missed=0; \
	  $(MAKE) --no-print-directory bench-server || missed=1; \
	  $(MAKE) --no-print-directory bench-kit || missed=1; \
	  exit $$missed

bench-server: bin/clew bin/bench bin/bench-collector ## the server beside its yardsticks; BENCH_SPANS=5000000 for the record, BENCH_FLAGS for peers
	bin/bench run --spans $(or $(BENCH_SPANS),1000000) --json .make/bench.json $(BENCH_FLAGS)

scale: bin/clew bin/bench ## a trace of a million spans, thousands of keys, 200 tenants, an hour of late spans, a folder that fills
	bin/bench scale

bench-kit: .make/cargo .make/go ## the kits beside stock OpenTelemetry: CPU time and allocations, both languages
	scripts/bench-kit

kit-fuzz: .make/go .make/cargo ## a million random cases to both kits
	kit/contract/fuzz/fuzz.sh 1000000
	kit/contract/fuzz/fuzz.sh chain

bench-page: bin/clew shop .make/npm ## judge the page's budgets: first rows, a frame of fling; on a quiet machine
	CLEW_BUDGETS=1 scripts/e2e

fuzz: .make/go ## every fuzz target for FUZZ_TIME (20s)
	scripts/fuzz $(FUZZ_TIME)

race: .make/ui .make/go ## the Go tests once more, watched for races
	go test -p 1 -race -tags "$(TEST_TAGS)" ./...
	for m in $(KIT_GO); do (cd $$m && go test -p 1 -race -timeout 20m ./...); done

nightly: race bin/bench bin/clew ## what takes too long for every change
	$(MAKE) --no-print-directory fuzz FUZZ_TIME=5m
	go test -p 1 -tags "$(TEST_TAGS)" ./internal/store -run TestSQLAgainstModel -queries 10000 -timeout 90m
	go test -count=1 -tags "$(TEST_TAGS)" -timeout 90m ./internal/store -run 'PowerLoss|Decay|RandomOperations|Overload' -seeds 10000 -flips 10000 -walks 100 -overload 60s
	go test -count=1 -tags "$(TEST_TAGS)" -timeout 90m ./internal/wal -run Crashes -seeds 10000
	go test -count=1 -tags "$(TEST_TAGS)" -timeout 2h ./cmd/clew -run TestKilled -kills 1000
	go test -count=1 -tags "$(TEST_TAGS)" -timeout 3h ./internal/store -run TestBreaks -breaks
	$(MAKE) --no-print-directory scale
	$(MAKE) --no-print-directory bench BENCH_SPANS=5000000

clean: ## remove what was built; data folders stay
	rm -rf bin .make ui/node_modules
	$(MAKE) --no-print-directory -C examples/shop clean
