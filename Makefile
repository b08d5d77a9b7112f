# The verbs of this project; `make help` lists them. The first use of one makes .venv and installs what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# the first interpreter that is new enough; `make PYTHON=/path/to/python3.12 ...` names another
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
# a name in configs/, or a path
SPEC = $(if $(wildcard $(CONFIG)),$(CONFIG),configs/$(CONFIG))

.PHONY: help experiment plan test lint bench wheel lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  CONFIG= a name in configs/ or a path: $$(cd configs && echo *.yaml); ARGS='tasks=8 measure.max_time=10s'"

experiment: $(VENV)/.run.stamp config-given ## measure CONFIG=cpu.yaml, with overrides in ARGS=
	@exec $(BIN)/orchestrator run "$(SPEC)" $(ARGS)

plan: $(VENV)/.run.stamp config-given ## show what CONFIG= would measure, and how long it would take
	@exec $(BIN)/orchestrator plan "$(SPEC)" $(ARGS)

test: $(VENV)/.dev.stamp ## run the tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.dev.stamp ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev.stamp ## measure the product against the bare primitives, side by side
	$(BIN)/python -m tests.bench $(ARGS)

wheel: $(VENV)/.dev.stamp ## build dist/*.whl
	$(BIN)/python -c "from flit_core import buildapi; import os; os.makedirs('dist', exist_ok=True); print(buildapi.build_wheel('dist'))"

lock: $(VENV)/.dev.stamp ## renew the locks: exact versions and hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	  --extra dev pyproject.toml -o .lock/dev.txt
	printf 'flit_core>=3.11,<5\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -c .lock/dev.txt pyproject.toml - -o .lock/run.txt

clean: ## delete the environment and the caches, not the runs
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: config-given
config-given:
	@[[ -n "$(CONFIG)" ]] || { echo "CONFIG is missing; try: make experiment CONFIG=cpu.yaml (there are: $$(cd configs && echo *.yaml))" >&2; exit 2; }

# What setting up prints goes to stderr: stdout belongs to the program. An interrupted installation leaves no stamp, so
# the next call repairs it.
$(VENV)/bin/python:
	@[[ -n "$(PYTHON)" ]] || { echo "no Python 3.11 or newer with venv found; install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV) >&2

$(VENV)/.run.stamp: .lock/run.txt pyproject.toml | $(VENV)/bin/python
	@if [[ ! -e $(VENV)/.dev.stamp || .lock/run.txt -nt $(VENV)/.dev.stamp ]]; then \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .lock/run.txt >&2; fi
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . >&2
	@touch $@

$(VENV)/.dev.stamp: .lock/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .lock/dev.txt >&2
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . >&2
	@touch $@ $(VENV)/.run.stamp
