# make demo: set up, and put iPhone 7 noise on the packaged photographs. make test: set up, and run the tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test clean

help:
	@echo "make demo   set up, and put iPhone 7 noise on the photographs in photos/, into demo/"
	@echo "make test   set up, and run the tests"
	@echo "make clean  remove demo/ and the virtual environment"

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
	$(BIN)/python -m pytest
	@echo "test: ran the tests of tests/ (the slow ones are run by scripts/slow-tests)"

clean:
	rm -rf demo $(VENV)
