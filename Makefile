# allclear: `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PREFIX  ?= /usr/local
DESTDIR ?=
# Where settings and units go: beside the program under /usr/local, and where
# the system looks when PREFIX is /usr.
ifeq ($(PREFIX),/usr)
ETC  ?= /etc
UNIT ?= /lib/systemd/system
else
ETC  ?= $(PREFIX)/etc
UNIT ?= $(PREFIX)/lib/systemd/system
endif

PROGRAM  ?= allclear
TAGS     ?=
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 10s
SOAK     ?= 20
ROUNDS   ?= 300
MEDIAN   ?= 3

.PHONY: help build install uninstall test lint cover fuzz bench bench-go soak demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build ./allclear, which signs with the system's libcrypto where it is found; TAGS=static: one static file without
	CGO_ENABLED=0 go build -trimpath -tags "$(TAGS)" -o "$(PROGRAM)" ./cmd/allclear

demo: ## show the whole service at work
	go run ./cmd/allclear demo

test: ## gofmt, go vet and every test, on both databases (installs what it lacks where it may)
	@.ci/test

lint: ## golangci-lint, each rule with its reason in .golangci.yml
	go run $(GOLANGCI) run ./...

cover: ## what the tests reach, by function, and as coverage.html
	go test -timeout 20m -coverprofile=coverage.out -coverpkg=./... ./...
	go tool cover -func=coverage.out | tail -n 30
	go tool cover -html=coverage.out -o coverage.html

fuzz: ## every fuzz test for FUZZTIME (10s) each
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
	  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$$file" | awk '{print $$2}' | while read -r name; do \
	    echo "== $$name in $$(dirname "$$file")"; \
	    go test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s; \
	  done; done

bench: build ## the figures of docs/performance.md on both databases, as tables in bench.out, and its pictures (40 minutes)
	rm -rf bench.out
	./$(PROGRAM) bench --measure all --rounds $(MEDIAN) --results bench.out
	.ci/with-postgres sh -c './$(PROGRAM) bench --measure all --rounds $(MEDIAN) --results bench.out --database "$$POSTGRES"' || [ $$? = 77 ]
	cp bench.out/*.svg docs/

bench-go: ## the benchmarks of every package
	go test -run '^$$' -bench . -benchmem -timeout 30m ./...

soak: ## ROUNDS (300) of every fault on each database, every test SOAK (20) times over, a minute of each fuzz test, a restore for 100,000
	ALLCLEAR_TEST_ROUNDS=$(ROUNDS) go test -race -count 1 -timeout 2h -v ./cmd/allclear/faulttest
	ALLCLEAR_TEST_RESTORE=100000 ALLCLEAR_TEST_UPLOAD=1000 go test -count 1 -timeout 4h -parallel 1 -v -run 'RestoreOfMany|FileOfAnySize' ./cmd/allclear/faulttest
	ALLCLEAR_TEST_FLOOD=60s go test -count 1 -timeout 20m -v -p 1 -run 'FloodOfSignUps|TakeTheSameTime' ./cmd/allclear ./subscribers/web
	go test -race -count $(SOAK) -timeout 6h $$(go list ./... | grep -v /faulttest)
	$(MAKE) fuzz FUZZTIME=60s

install: build ## install under PREFIX (/usr/local), below DESTDIR: program, settings, systemd units
	install -d -m 0755 "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(ETC)/allclear" "$(DESTDIR)$(UNIT)" "$(DESTDIR)$(PREFIX)/share/doc/allclear"
	install -m 0755 "$(PROGRAM)" "$(DESTDIR)$(PREFIX)/bin/allclear"
	test -e "$(DESTDIR)$(ETC)/allclear/allclear.env" || install -m 0640 docs/service/allclear.env "$(DESTDIR)$(ETC)/allclear/allclear.env"
	install -m 0644 docs/service/allclear.env "$(DESTDIR)$(PREFIX)/share/doc/allclear/allclear.env"
	install -m 0644 LICENSE README.md CHANGELOG.md "$(DESTDIR)$(PREFIX)/share/doc/allclear/"
	for unit in allclear.service allclear-worker@.service; do \
	  sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@ETC@|$(ETC)|g' "docs/service/$$unit" > "$(DESTDIR)$(UNIT)/$$unit" && \
	  chmod 0644 "$(DESTDIR)$(UNIT)/$$unit" || exit 1; done

uninstall: ## remove what install put there, but for the settings
	rm -f "$(DESTDIR)$(PREFIX)/bin/allclear" "$(DESTDIR)$(UNIT)/allclear.service" "$(DESTDIR)$(UNIT)/allclear-worker@.service"
	rm -rf "$(DESTDIR)$(PREFIX)/share/doc/allclear"

clean: ## remove what builds leave
	rm -f allclear coverage.out coverage.html
	rm -rf bench.out
