# Two commands do everything: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PRODUCTS ?=
SEEDS ?= 2000
FIRST ?= 0
RUN_STAMP := $(VENV)/.run-stamp
DEV_STAMP := $(VENV)/.dev-stamp
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test test-long crash hostile lint bench vectors sim clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(BIN)/python requirements/run.txt pyproject.toml
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) requirements/dev.txt
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(RUN_STAMP)
	$(BIN)/veilmart demo $(if $(PRODUCTS),--products "$(PRODUCTS)")

test: $(DEV_STAMP)
	$(BIN)/pytest -n 4 --dist loadfile -m "not long"

test-long: $(DEV_STAMP)
	$(BIN)/pytest -m long

crash: $(DEV_STAMP)
	$(BIN)/python -m tests.crash

hostile: $(DEV_STAMP)
	$(BIN)/python -m tests.hostile

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_STAMP)
	$(BIN)/python -m bench

# A failing seed prints its story; SEEDS=1 FIRST=that seed plays it again.
sim: $(DEV_STAMP)
	$(BIN)/python -m tests.simulator $(SEEDS) --first $(FIRST)

vectors: $(DEV_STAMP)
	$(BIN)/python -m tests.crypto.make_vectors

clean:
	rm -rf $(VENV) build *.egg-info
