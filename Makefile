# Credence: `make serve` and `make test` need Python 3.11 to 3.14 and make, nothing else.

# The newest Python that the tests run on comes first, since it has the newest libraries. One that
# does not start (a version manager's placeholder) or cannot make environments is passed over.
SUPPORTED := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$each -c '$(SUPPORTED)' 2>/dev/null && echo $$each && break; done)
VENV := .venv
HOST ?= 127.0.0.1
PORT ?= 8000
ROUNDS ?= 20
BIN := $(VENV)/bin

.DEFAULT_GOAL := serve
.PHONY: help serve demo pictures test test-quick test-fit test-dates faketime test-metaculus \
	browser lint types contracts docs check fuzz benchmarks faults model-checks lock clean

help: ## Print every target and what it does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: $(VENV)/serve.stamp ## Install, migrate, load the sets, serve on http://127.0.0.1:8000
	@$(BIN)/credence init $(INIT)
	@$(BIN)/credence serve --host $(HOST) --port $(PORT)

demo: $(VENV)/serve.stamp ## Serve a throwaway demonstration with sample data on http://127.0.0.1:8000
	@$(BIN)/credence demo --port $(PORT)

QUICK := not (slow or postgres or browser)
DATES := 2027-02-01 2027-09-01 2028-06-01
pictures: $(VENV)/test.stamp ## Take the pictures in docs from a running demonstration: ADDRESS=… TOKEN=…
	$(BIN)/python tests/pages/take_pictures.py $(ADDRESS) $(TOKEN)

TESTS := $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: $(VENV)/test.stamp ## Install and run every test; those of the pages need a browser
	@if $(MAKE) --no-print-directory browser; then $(TESTS); else $(TESTS) --ignore tests/pages \
		&& echo "All passed, but the pages were NOT tested: there is no browser." >&2; fi

test-quick: $(VENV)/test.stamp ## Run the quick tests: SQLite, no browser, no sampling (two minutes)
	$(TESTS) -m "$(QUICK)"

test-fit: $(VENV)/test.stamp ## Fit the model once, and check what that relies on
	$(BIN)/pytest tests/forecasting/test_native.py tests/forecasting/test_fit.py -k "native or made_it"

test-dates: $(VENV)/test.stamp faketime ## Run the quick tests as if it were a later day: each of DATES
	@for day in $(DATES); do echo "== $$day"; \
		faketime -f "@$$day 12:00:00" $(TESTS) -q -m "$(QUICK)" || exit 1; done

faketime: ## Find faketime, or install the Debian package
	@command -v faketime >/dev/null || { apt-get update -qq && apt-get install -qq -y faketime >/dev/null; }

test-metaculus: $(VENV)/serve.stamp .venv-metaculus/test.stamp ## Test Metaculus's own client against the server
	PYTHON_OF_CREDENCE=$(CURDIR)/$(BIN)/python LITELLM_LOCAL_MODEL_COST_MAP=True \
		.venv-metaculus/bin/pytest -W default -p no:cacheprovider tests/end_to_end/metaculus_clients.py

browser: ## Find a Chromium for the tests of the pages, or install the Debian package
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
		|| { apt-get update -qq && apt-get install -qq -y chromium >/dev/null && command -v chromium; } \
		|| { echo "No browser: install one (Debian: apt-get install chromium)" >&2; exit 1; }

check: lint types contracts test ## Run everything that a change must pass

lint: $(VENV)/test.stamp ## Check the format and the lint rules of every Python file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/test.stamp ## Check the types, strictly
	$(BIN)/mypy

contracts: $(VENV)/test.stamp ## Check which package may import which
	$(BIN)/lint-imports

docs: .venv-docs/docs.stamp ## Build the documentation site into site/; a warning fails
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build

fuzz: $(VENV)/test.stamp ## Send thousands of generated requests and question histories (many minutes)
	$(BIN)/pytest --hypothesis-profile=fuzz --numprocesses 0 \
		--log-cli-level=INFO --log-disable=httpx \
		tests/service/web/test_contract.py tests/service/questions/test_as_known_at.py

benchmarks: $(VENV)/test.stamp ## Measure speed and memory, as ratios to a baseline of the same run
	$(BIN)/python benchmarks/model.py
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/live_full.py

faults: $(VENV)/test.stamp ## Inject each fault many times and report lost data (many minutes)
	FAULT_ROUNDS=$(ROUNDS) $(BIN)/pytest --numprocesses 0 --capture no --quiet tests/service/database/test_faults.py

model-checks: $(VENV)/test.stamp ## Check the model by simulation-based calibration (many minutes)
	$(BIN)/python benchmarks/model_checks.py
	$(BIN)/python benchmarks/recalibration.py

lock: $(VENV)/test.stamp ## Renew the lock files from pyproject.toml
	$(BIN)/uv pip compile -q pyproject.toml --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --universal --extra worker --group build -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --universal --extra worker --group build --group dev \
		-c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile -q --group pyproject.toml:metaculus --generate-hashes --no-emit-index-url \
		--no-header --python-version 3.11 --universal -o requirements-metaculus.lock
	$(BIN)/uv pip compile -q --group pyproject.toml:docs --generate-hashes --no-emit-index-url \
		--no-header --python-version 3.11 --universal -o requirements-docs.lock

clean: ## Remove the virtual environments and built files, but no database
	rm -rf .venv .venv-* site

$(BIN)/uv:
	@$(or $(PYTHON),false) -c '$(SUPPORTED)' 2>/dev/null || { echo "Credence needs Python 3.11 to 3.14" \
		"with venv; install one, or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python

# The virtual environment of an earlier checkout is brought up to date when a lock file changes.
# Bytecode is compiled here: a service that may not write to its folder would compile at every start.
$(VENV)/serve.stamp: requirements.lock pyproject.toml | $(BIN)/uv
	$(INSTALL) --compile-bytecode --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q service forecasting questions migrations
	@touch $@

$(VENV)/test.stamp: requirements-dev.lock $(VENV)/serve.stamp | $(BIN)/uv
	$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

.venv-metaculus/test.stamp: requirements-metaculus.lock | $(BIN)/uv
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-metaculus
	$(BIN)/uv pip install --quiet --python .venv-metaculus/bin/python --require-hashes \
		-r requirements-metaculus.lock
	@touch $@

.venv-docs/docs.stamp: requirements-docs.lock | $(BIN)/uv
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-docs
	$(BIN)/uv pip install --quiet --python .venv-docs/bin/python --require-hashes \
		-r requirements-docs.lock
	@touch $@
