# What a developer and CI do, by name. `make help` lists it; CI calls the same targets.
# Nothing is needed first but make and a Python 3.11 or newer: `tools/setup-env` sees to the rest.

VENV ?= .venv
BIN := $(VENV)/bin
BENCH_VENV ?= .venv-bench
# One more than there are processors: tests wait for servers, each other's and their own.
WORKERS ?= $(shell expr $$(nproc) + 1)
PYTEST := $(BIN)/python -m pytest
CHECKS := check-web check-types check-code check-pages

# Containers often set it. Here it would make each process that the tests start compile all its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo web test servers check $(CHECKS) bench docs fuzz soak chaos lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.runtime web ## a generated market traded on paper, in your browser; prints the address; Ctrl-C stops it
	@$(BIN)/niftyflow demo

web: $(VENV)/.runtime ## the dashboard's pages, where web/ changed
	@$(BIN)/python -m tools.web build

test: servers ## every test, with real servers where they can be had
	-@$(BIN)/python -m tools.web build
	@$(PYTEST) -n $(WORKERS) --maxprocesses 4 --dist worksteal

servers: $(VENV)/.dev ## the real servers that the tests start
	@tools/setup-servers $(BIN)/python

check: $(VENV)/.dev ## format, lint, types, import ranks, own rules, lock files, generated pages
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs 2) --keep-going --output-sync=target $(CHECKS)

check-web:
	@$(BIN)/python -m tools.web check

check-types:
	@$(BIN)/mypy

check-code:
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m tools.lint
	@$(BIN)/python -m tools.lock --check

check-pages:
	@$(BIN)/python -m tools.docs --check

bench: $(VENV)/.dev $(BENCH_VENV)/.peers ## every budget as a table, peers in the same run
	@$(BIN)/python -m benchmarks.run --peers $(BENCH_VENV)/bin/python

docs: $(VENV)/.dev ## write the generated reference pages anew
	@$(BIN)/python -m tools.docs

fuzz: $(VENV)/.dev ## a million hostile frames through the decoders
	@$(BIN)/python tests/fuzz/fuzz_kite_frames.py --cases 1000000

soak: servers ## the kill and stop tests in their long form: a real day at 60 times, a minute stopped
	@NIFTYFLOW_LONG=1 $(PYTEST) tests/chaos tests/replay --ignore tests/chaos/test_cluster_survives.py --timeout 3600

chaos: servers ## a cluster at 10,000 ticks a second, its processes and servers killed; writes docs/reliability.md
	@NIFTYFLOW_LONG=1 $(PYTEST) tests/chaos/test_cluster_survives.py --timeout 3600
	@$(BIN)/python -m tools.reliability

lock: $(VENV)/.dev ## resolve the dependencies anew, none younger than a week
	@$(BIN)/python -m pip install --quiet 'uv>=0.9'
	@$(BIN)/python -m tools.lock

clean: ## remove the environments and everything made
	@rm -rf $(VENV) $(BENCH_VENV) web/node_modules src/niftyflow/presentation/pages .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.runtime: requirements.lock pyproject.toml tools/setup-env
	@tools/setup-env $(VENV) requirements.lock editable && touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml tools/setup-env
	@tools/setup-env $(VENV) requirements-dev.lock editable && touch $@ $(VENV)/.runtime

$(BENCH_VENV)/.peers: requirements-bench.lock tools/setup-env
	@tools/setup-env $(BENCH_VENV) requirements-bench.lock && touch $@
