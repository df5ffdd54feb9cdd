# The commands that people and scripts rely on. `make demo` and `make test` install what is missing first; scripts/need says how.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check bench generate race crash simulate promises soak fuzz

ARGS ?=
# what `go test -v` says of every single seed or configuration
quietly = set -o pipefail; $(1) | grep -Ev '^(===| +--- PASS)'

help:            ## show these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo:            ## Postgres, a simulated Salesforce org and the app, on this machine
	@scripts/need go postgres
	@echo "Building; the first time this takes a minute or two ..." >&2
	@mkdir -p bin && go build -o bin/millrace .
	@exec bin/millrace demo $(ARGS)

test:            ## every test, in real Postgres and a real browser
	@scripts/need go postgres node chromium
	scripts/test

check:           ## generated files, formatting, vet, staticcheck, race detector
	@scripts/need go postgres node chromium
	scripts/check

race:            ## every package with concurrency under the race detector, whole
	@scripts/need go postgres node chromium
	go test -race -p 1 -shuffle=on -timeout 120m $$(cat scripts/race-packages) ./jobs/... ./web/...

bench:           ## the figures of docs/performance.md
	@scripts/need go postgres node
	go run ./bench $(ARGS)

crash:           ## kill -9 at 200 random points of two replicas at work, and what resuming took
	@scripts/need go postgres
	MILLRACE_CRASHES=$${MILLRACE_CRASHES:-200} go test -v -count 1 -timeout 120m -run 'TestServeKilledAtRandom' ./e2e
	MILLRACE_TEST_KILLS=$${MILLRACE_CRASHES:-200} go test -v -count 1 -timeout 120m -run 'TestKilledAtRandom|TestSlotsWithProcessesKilled' ./jobs

simulate:        ## random settings, changes, runs and faults: SEEDS=500 of them, and after each the copy must be what the settings say
	@scripts/need go postgres
	@$(call quietly,MILLRACE_SEEDS=$${SEEDS:-500} go test -v -count 1 -timeout 24h -run 'TestSimulation$$' ./jobs)

promises:        ## previews and impacts of N=200 made-up configurations, held against the next sync record by record
	@scripts/need go postgres
	@$(call quietly,MILLRACE_TEST_PROMISES=$${N:-200} go test -v -count 1 -timeout 2h -run 'TestPreviewsOfActivitiesAreWhatTheSyncDoes|TestImpactIsWhatTheSyncDoes' ./jobs)

soak:            ## a month of schedules in half an hour; fails when memory, connections or tables grow
	@scripts/need go postgres
	go run ./bench soak $(ARGS)

fuzz:            ## every fuzz test, each for a minute
	@scripts/need go
	scripts/fuzz

generate:        ## templates and styles
	@scripts/need go node
	static/build.sh
