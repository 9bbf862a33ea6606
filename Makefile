# Two commands do everything: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PRODUCTS ?=
TESTS ?=
SEEDS ?= 2000
FIRST ?= 0
COVERED ?=
FLOORED := protocol crypto broker/ledger broker/escrow
RUN_STAMP := $(VENV)/.run-stamp
DEV_STAMP := $(VENV)/.dev-stamp
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(BIN)/python requirements/run.txt pyproject.toml
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) requirements/dev.txt
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(RUN_STAMP)  ## a whole market on this machine
	$(BIN)/veilmart demo $(if $(PRODUCTS),--products "$(PRODUCTS)")

test: $(DEV_STAMP)  ## all tests but the long ones; TESTS="..." names some; COVERED=1 notes branches
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not long" $(if $(COVERED),--cov --cov-report= --cov-fail-under=0) $(TESTS)

test-long: $(DEV_STAMP)  ## the full-size runs
	$(BIN)/pytest -m long

check: lint $(DEV_STAMP)  ## what CI checks on each change, in under two minutes
	$(BIN)/python docs/generate.py --check
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not long" tests/crypto tests/protocol tests/test_docs.py \
		tests/test_errors.py tests/broker/ledger tests/broker/escrow tests/transport tests/terminal

coverage:  ## branches of protocol, crypto, ledger and escrow that tests reach; fails below the floor
	$(MAKE) test COVERED=1 TESTS="tests/crypto tests/protocol tests/broker tests/disputes tests/escrow \
		tests/merchant tests/customer"
	$(MAKE) floors

floors: $(DEV_STAMP)  ## what the last run with COVERED=1 reached, of each package
	@for package in $(FLOORED); do \
		echo "$$package:"; $(BIN)/coverage report --include="src/veilmart/$$package/*" || exit 1; \
	done

hooks: $(DEV_STAMP)  ## run the fast checks before each commit
	$(BIN)/pre-commit install

dist: $(DEV_STAMP)  ## build wheel and source archive, and run the wheel in a clean environment
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python -m tests.system.clean_install dist

pins: $(BIN)/python  ## pin the dependencies with hashes
	$(PIP) uv
	$(BIN)/uv pip compile -q --generate-hashes --no-annotate --no-header --no-emit-index-url \
		-o requirements/run.txt requirements/run.in
	$(BIN)/uv pip compile -q --generate-hashes --no-annotate --no-header --no-emit-index-url \
		-o requirements/dev.txt requirements/dev.in

crash: $(DEV_STAMP)  ## kill every program at every step
	$(BIN)/python -m tests.crash

hostile: $(DEV_STAMP)  ## attack the servers while honest customers buy
	$(BIN)/python -m tests.hostile

privacy: $(DEV_STAMP)  ## compare what others see between worlds that differ in a secret; train an attacker
	$(BIN)/pytest -q tests/privacy tests/customer/trust tests/customer/library/test_errands.py tests/transport/test_time_slots.py
	$(BIN)/python -m tests.privacy.attack

# What is not installed (proverif, spin) is named and left out. MODELS="link spin" runs some.
formal: $(RUN_STAMP)  ## prove the models of the protocol, one line per claim
	$(BIN)/python -m formal $(MODELS)

lint: $(DEV_STAMP)  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_STAMP)  ## measure
	$(BIN)/python -m bench

screenshots: $(DEV_STAMP)  ## pictures of the main pages, in both colours
	$(BIN)/python -m tests.web.screenshots

# A failing seed prints its story; SEEDS=1 FIRST=that seed plays it again.
sim: $(DEV_STAMP)  ## whole markets from seeds; SEEDS=n FIRST=n
	$(BIN)/python -m tests.simulator $(SEEDS) --first $(FIRST)

soak: $(DEV_STAMP)  ## two years of a market on both databases, half an hour; PURCHASES=n
	$(BIN)/python -m tests.soak $(if $(PURCHASES),--purchases $(PURCHASES))

vectors: $(DEV_STAMP)  ## compute the test vectors anew
	$(BIN)/python -m tests.crypto.make_vectors

clean:  ## remove what was built
	rm -rf $(VENV) build *.egg-info
