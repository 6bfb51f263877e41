# make demo: set up, and put iPhone 7 noise on the packaged photographs. make test: set up, and run the tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Tests run in a process for each core, so each of them computes with one thread.
PARALLEL := --numprocesses auto --maxprocesses 8 --dist worksteal

.PHONY: help demo test slow format fix lint types package check reference clean

help:
	@echo "make demo       set up, and put iPhone 7 noise on the photographs in photos/, into demo/"
	@echo "make test       set up, and run the tests"
	@echo "make slow       run the slow tests"
	@echo "make format     check the formatting; make fix applies it"
	@echo "make lint       run the linter"
	@echo "make types      run the type checker"
	@echo "make package    build sdist and wheel into dist/, and try the wheel outside the checkout"
	@echo "make check      format, lint, types, test and package: what CI runs"
	@echo "make reference  write docs/reference.md from the command line itself"
	@echo "make clean      remove demo/ and the virtual environment"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/nmflowgan synthesize photos --camera IP --iso 800 --output demo/noisy --on-exists overwrite
	$(BIN)/python scripts/side_by_side.py photos 'iPhone 7, ISO 800=demo/noisy' --output demo/side_by_side.png
	@echo "demo: wrote the photographs of photos/ as an iPhone 7 would have taken them at ISO 800 to demo/noisy/,"
	@echo "demo: and clean and noisy side by side, at 1:1 and magnified, to demo/side_by_side.png"

test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)
	@echo "test: ran the tests of tests/; make slow runs the slow ones"

slow: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 scripts/slow-tests $(PARALLEL)

format: $(VENV)/installed-dev
	$(BIN)/ruff format --check .

fix: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

types: $(VENV)/installed-dev
	$(BIN)/pyright

package: $(VENV)/installed-dev
	scripts/try-package $(BIN)/python

check: format lint types test package

reference: $(VENV)/installed-dev
	$(BIN)/python scripts/reference.py

clean:
	rm -rf demo $(VENV)
