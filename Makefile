# Everything from a fresh machine with Python >= 3.11 and make: `make run`, `make test`.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: install run test test-slow check docs bench bench-engine bench-gpu bench-search bench-halving bench-time bench-tables bench-large bench-overhead pictures faults clean

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

test: check  ## lint, types, and all tests but the slow ones, in two processes
	$(BIN)/pytest --numprocesses 2 --dist loadfile

test-slow: .venv/bench  ## what takes minutes, and real MNIST where HPSEARCH_DATA names it, in two processes
	$(BIN)/pytest -m slow --numprocesses 2 --dist loadfile

docs: install  ## the pages that are written from the code: settings, configuration, command line
	$(BIN)/python docs/generate.py

faults: .venv/bench  ## kill searches (and Optuna's) again and again, spoil files, plant faults: nothing lost, nobody let in
	$(BIN)/pytest -m 'faults or group' --numprocesses 2 --dist loadfile

bench: bench-engine bench-search bench-halving bench-time bench-tables bench-large bench-overhead  ## all that is measured

bench-engine: .venv/bench  ## speed on one core, against Optuna with a plain PyTorch loop, and against hand-written loops
	$(BIN)/python experiments/bench_engine.py

bench-gpu: install  ## what arrays of 1 to 512 trainings gain on a GPU, or else on a CPU
	$(BIN)/python -m experiments.bench_gpu

bench-search: .venv/bench  ## how good a search is, against Optuna, scikit-optimize and random search
	$(BIN)/python -m experiments.bench_search

bench-halving: .venv/bench  ## how soon a good loss is reached where trials are dropped early, against Optuna's pruning
	$(BIN)/python -m experiments.bench_halving

bench-time: .venv/bench  ## what a minute on one core comes to, against Optuna driving a plain PyTorch loop
	$(BIN)/python -m experiments.bench_time

bench-tables: install  ## four commands from real tables to predictions, two minutes of search each, against gradient boosting
	$(BIN)/python -m experiments.bench_tables

bench-large: install  ## what it takes to rank, show and go on with studies of 10,000 and 100,000 trials
	$(BIN)/python -m experiments.bench_large
	$(BIN)/python -m experiments.bench_large random function --trials 100000 --commands leaderboard "leaderboard --top 100000"

bench-overhead: .venv/bench  ## what a tool adds to trials that do nothing, against Optuna and Ray Tune
	$(BIN)/python -m experiments.bench_overhead

.venv/bench: .venv/installed  ## the peers
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $@

pictures: install  ## every comparison of docs/benchmarks/comparisons.md: tables, and pictures in docs/pictures
	for each in inits optimizers regularizers skips rnn bayesian search; do $(BIN)/python -m experiments.compare_$$each || exit 1; done

clean:
	rm -rf .venv
