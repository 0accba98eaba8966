# make demo and make test do all set-up themselves; nothing needs to be installed first but Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: help install demo test lint docs bench clean

help:
	@echo "make demo     draw boards, train, inspect, evaluate, export; pictures in demo/"
	@echo "make test     lint, types and all tests"
	@echo "make lint     ruff and mypy only"
	@echo "make docs     write the reference of options anew"
	@echo "make bench    speed against the limits of this machine"
	@echo "make clean    remove the virtual environment and the demo"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt tools/torchvision_shim.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "goldenpair needs Python 3.11 or newer, this is %d.%d; try make PYTHON=python3.11" % sys.version_info[:2])'
	@echo "Setting up $(VENV) (once; PyTorch is the large part) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python tools/torchvision_shim.py
	@touch $@

demo: install
	@$(BIN)/goldenpair demo demo

test: lint
	@$(BIN)/python -m pytest -n auto --dist loadfile

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: install
	@$(BIN)/python -m goldenpair.specs.schema docs

bench: install
	@$(BIN)/python benchmarks/speed.py
	@$(BIN)/python benchmarks/scoring.py

clean:
	rm -rf $(VENV) demo
