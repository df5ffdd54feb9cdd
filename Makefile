# The commands that people and scripts rely on. `make demo` and `make test` install what is missing first; scripts/need says how.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check bench generate crash fuzz

ARGS ?=

help:            ## show these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo:            ## Postgres, a simulated Salesforce org and the app, on this machine
	@scripts/need go postgres
	@echo "Building; the first time this takes a minute or two ..." >&2
	@mkdir -p bin && go build -o bin/millrace .
	@exec bin/millrace demo $(ARGS)

test:            ## every test, in real Postgres and a real browser
	@scripts/need go postgres node chromium
	go test -shuffle=on -timeout 20m ./...

check:           ## generated files, formatting, vet, staticcheck, race detector
	@scripts/need go postgres node
	scripts/check

bench:           ## the figures of docs/performance.md
	@scripts/need go postgres node
	go run ./bench $(ARGS)

generate:        ## templates and styles
	@scripts/need go node
	static/build.sh
