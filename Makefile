# Every target sets up what it needs; a fresh machine needs only Python 3.11 to 3.13 and make.
# Run as root where there is apt-get, the tests also install Mono, which executes the policies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run demo test emulators-test bench lint format clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(VENV)/ready: requirements.txt requirements-export.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "usage-ingest is built and tested with Python 3.11 to 3.13: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/ready ## Run everything on this machine with demo traffic (ARGS="--no-demo" without)
	@$(BIN)/python -m local up $(ARGS)

demo: $(VENV)/ready ## Send thousands of events, kill the host, compare every total and the bill (about a minute)
	@$(BIN)/python -m local demo $(ARGS)

test: $(VENV)/ready ## Run the tests
	$(BIN)/python -m pytest -n 4 $(ARGS)

emulators-test: $(VENV)/ready ## Run the contract and e2e suites against the endpoints that the environment names
	@$(BIN)/python -m tests.endpoints
	$(BIN)/python -m pytest -m "not stand_in" tests/contract tests/e2e $(ARGS)

bench: $(VENV)/ready ## Measure CPU, memory and operations (ARGS="throughput" for a part)
	@$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/ready ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/ready ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what was installed and stored here
	rm -rf $(VENV) tests/kusto/node_modules .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
