# FastShop pipeline. `make` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

FOR ?=
REPORT ?= report.json
DATA ?= handbook.csv.gz
FUZZTIME ?= 20s
GO ?= go
BIN := bin/fastshop

.PHONY: help demo test build lint verify generate unit bench replay fuzz audit tools clean lambda infra-unit infra-integration e2e

help: ## List what make can do
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

demo: build ## Watch a simulated shop being judged (FOR=20s stops by itself and writes REPORT=report.json)
	$(BIN) demo $(if $(FOR),--for $(FOR) --report $(REPORT))

test: tools lint verify unit infra-unit ## Everything that has to hold: lint, generated code, all tests with the race detector, coverage; the AWS stack under mocks

build: ## Build bin/fastshop (the first time compiles SQLite and CEL: one to two minutes)
	@test -x $(BIN) || echo "building $(BIN); the first time takes one to two minutes"
	@$(GO) build -trimpath -o $(BIN) ./cmd/fastshop

lint: ## gofmt, go vet, staticcheck (settings with reasons: staticcheck.conf)
	@unformatted=$$(gofmt -l cmd internal *.go); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

generate: ## Make the generated code anew (templ)
	$(GO) tool templ generate -path internal/console -lazy=false >/dev/null

verify: ## Fail if committed generated code or go.mod is stale
	@scripts/verify-generated

unit: ## All tests with the race detector, and coverage of internal/ at least 85 %
	@scripts/unit 85

lambda: ## Build bin/fastshop-lambda.zip, which infra/ deploys (reproducible, arm64)
	@scripts/lambda

infra-unit: ## The AWS stack under mocks: security controls, names, destroyability, every setting; 100 % of tapstack
	@scripts/infra unit

infra-integration: ## Deploy the AWS stack with the real Pulumi engine to an emulator, change it, break it, destroy it
	@scripts/infra integration

e2e: tools ## Run the program in the stack that is deployed to an emulator: 50,000 transactions through API, stream, store
	@scripts/e2e

bench: build ## Measure engine, ingest, verdicts and the raw disk limit; writes bench.json
	$(BIN) bench --report bench.json

replay: build ## Run the public benchmark file (DATA=…) through the whole pipeline; writes replay.json
	$(BIN) replay --input $(DATA) --format handbook --report replay.json

fuzz: ## Fuzz every parser for FUZZTIME each
	@scripts/fuzz $(FUZZTIME)

audit: ## Known vulnerabilities in what is reachable (needs the vulnerability database)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...

tools: ## Install what the tests need, if it is missing and we may (Debian: chromium, gcc, postgresql, redis-server, nodejs, npm; moto, kinesalite)
	@scripts/tools

.PHONY: servers
servers: ## Run PostgreSQL, Redis (one, and a cluster) and an AWS emulator on free ports, print their URLs, remove them at Ctrl-C
	@$(GO) build -o bin/servers ./internal/testenv/servers && exec bin/servers

clean: ## Remove what was built and the demo's leftovers
	rm -rf bin infra/bin coverage.* report.json bench.json replay.json
