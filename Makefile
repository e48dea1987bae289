# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-local test-slow check benchmarks clean

demo: $(VENV)/demo
	$(BIN)/archon demo

test: $(VENV)/dev
	$(BIN)/python -m pytest

test-slow: $(VENV)/dev
	$(BIN)/python -m pytest -m slow

test-local: $(VENV)/local
	$(BIN)/archon models pull qwen2.5-coder-0.5b
	$(BIN)/python -m pytest -m local

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: $(VENV)/dev
	$(BIN)/python -m tests.benchmarks.overlap
	$(BIN)/python -m tests.benchmarks.engine --quick
	$(BIN)/python -m tests.benchmarks.store --quick
	$(BIN)/python -m tests.benchmarks.scale --quick
	$(BIN)/python -m tests.benchmarks.stepwise --quick
	$(BIN)/python -m tests.benchmarks.report --quick
	$(BIN)/python -m tests.benchmarks.search --quick

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/demo: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[local,evals]'
	touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

$(VENV)/local: $(VENV)/dev
	$(BIN)/python -m pip install --quiet -e '.[dev,local]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
