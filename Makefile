# Everything from a fresh machine with Python >= 3.11 and make: `make run`, `make test`.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: install run test test-slow check bench pictures faults clean

install: .venv/installed  ## the package, editable, with what its tests need, at pinned versions

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

run: install  ## the main job: 50 Bayesian trials on the built-in digits
	$(BIN)/hpsearch bayes --budget 50

check: install  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check  ## lint, types, and all tests but the slow ones
	$(BIN)/pytest

test-slow: install  ## what takes minutes, and real MNIST where HPSEARCH_DATA names it
	$(BIN)/pytest -m slow

faults: install  ## kill the search again and again: nothing may be lost
	$(BIN)/pytest -m faults

bench: install  ## what a cohort gains over training one by one
	$(BIN)/python experiments/bench_engine.py

pictures: install  ## every comparison of docs/comparisons.md: tables, and pictures in docs/pictures
	for each in inits optimizers regularizers skips rnn; do $(BIN)/python -m experiments.compare_$$each || exit 1; done

clean:
	rm -rf .venv
