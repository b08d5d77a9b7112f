# The targets of this project; `make help` lists them. The first use creates .venv and installs what the target needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# the first interpreter that is new enough; `make PYTHON=/path/to/python3.12 ...` names another
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
# CONFIG, a name in configs/ or a path, as $$spec for the shell (passed in the environment, so that any character is safe)
FIND_SPEC = spec=$$CONFIG; [[ $$spec == */* || -e $$spec && ! -e configs/$$spec ]] || spec=configs/$$spec

.PHONY: help experiment plan test slow conformance faults golden lint bench verify-statistics verify-accounts bench-cluster bench-peers findings samples wheel lock clean
.NOTPARALLEL: # two pips must not write to one environment

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  CONFIG= a name in configs/ or a path: $$(cd configs && echo *.yaml); ARGS='tasks=8 measure.max_time=10s'"

experiment: config-given $(VENV)/.run.stamp ## measure CONFIG=cpu.yaml, with overrides in ARGS=
	@$(FIND_SPEC); exec $(BIN)/orchestrator run "$$spec" $(ARGS)

plan: config-given $(VENV)/.run.stamp ## show what CONFIG= would measure, and how long it would take
	@$(FIND_SPEC); exec $(BIN)/orchestrator plan "$$spec" $(ARGS)

test: $(VENV)/.dev.stamp ## run the tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

slow: $(VENV)/.dev.stamp ## run the slower tests, which CI runs too
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m 'slow and not long' $(ARGS)

conformance: $(VENV)/.dev.stamp ## test every model with all options under every interpreter (hours)
	$(BIN)/python -m pytest -q -n 2 --dist load -m '' tests/runner/conformance $(ARGS)

faults: $(VENV)/.dev.stamp ## inject faults: 500 kill -9, failing disks, signals, 100,000 hostile specs (hours)
	$(BIN)/python -m pytest -q -n 2 --dist load -m '' tests/faults $(ARGS)

golden: $(VENV)/.dev.stamp ## regenerate the schemas and the expected outputs; review the diff
	ORCHESTRATOR_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/journal tests/analysis/test_results.py tests/output/test_markdown.py tests/output/test_answer.py

lint: $(VENV)/.dev.stamp ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

bench: $(VENV)/.dev.stamp ## compare the models with hand-written loops
	$(BIN)/python -m tests.bench $(ARGS)

verify-statistics: $(VENV)/.dev.stamp ## run controls with a known answer; update docs/method.md
	$(BIN)/python -m tests.verify $(ARGS)

verify-accounts: $(VENV)/.dev.stamp ## check the accounts of time and the advice; update docs/method.md
	$(BIN)/python -m tests.verify.accounts $(ARGS)

bench-cluster: $(VENV)/.dev.stamp ## measure the overhead of a cluster: 500 simulated hosts, and real workers
	$(BIN)/python -m tests.bench.cluster

bench-peers: $(VENV)/.dev.stamp ## compare with pyperf, hyperfine and pytest-benchmark; update docs/method.md
	@command -v hyperfine >/dev/null || { echo "hyperfine is missing; install it (Debian: apt install hyperfine)" >&2; exit 1; }
	$(BIN)/python -m tests.verify.peers $(ARGS)

findings: $(VENV)/.dev.stamp ## run every spec in configs/; update docs/workloads.md
	$(BIN)/python -m tests.verify.findings $(ARGS)

samples: $(VENV)/.dev.stamp ## regenerate the sample outputs in README.md and docs/ (10 min)
	$(BIN)/python -m tests.verify.samples $(ARGS)

wheel: $(VENV)/.dev.stamp ## build dist/*.whl
	$(BIN)/python -c "from flit_core import buildapi; import os; os.makedirs('dist', exist_ok=True); print(buildapi.build_wheel('dist'))"

lock: $(VENV)/.dev.stamp ## update the locks: exact versions and hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	  --extra dev pyproject.toml -o .lock/dev.txt
	printf 'flit_core>=3.11,<5\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --extra cluster --extra models --extra pythons --extra report --extra workloads -c .lock/dev.txt pyproject.toml - -o .lock/run.txt

clean: ## delete the environment and the caches, but not the runs
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: config-given
config-given:
	@[[ -n "$${CONFIG-}" ]] || { echo "CONFIG is missing; try: make experiment CONFIG=cpu.yaml (there are: $$(cd configs && echo *.yaml))" >&2; exit 2; }

# The installation prints to stderr, because stdout belongs to the program. An interrupted installation leaves no stamp, so
# the next call repairs it. The file .making marks a venv that has no pip yet. Such a venv, and one without its Python, is
# created again.
REMAKE := $(if $(and $(realpath $(BIN)/python),$(if $(wildcard $(VENV)/.making),,whole)),,again)
$(BIN)/python: $(REMAKE)
	@[[ -n "$(PYTHON)" ]] || { echo "no Python 3.11 or newer with venv found; install one (Debian: apt install python3-venv), or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@version=$$("$(PYTHON)" -c 'import sys; print(*sys.version_info[:2], sep=".")') || { echo "$(PYTHON) does not run; name another Python: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }; \
	[[ $$version == 3.* && $${version#3.} -ge 11 ]] || { echo "$(PYTHON) is Python $$version, older than 3.11; name a newer one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }; \
	"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv or ensurepip; install them (Debian: apt install python$$version-venv), or name another Python: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@rm -rf $(VENV) && mkdir $(VENV) && touch $(VENV)/.making
	"$(PYTHON)" -m venv $(VENV) >&2
	@rm $(VENV)/.making

.PHONY: again

$(VENV)/.run.stamp: .lock/run.txt pyproject.toml $(REMAKE) | $(BIN)/python
	@if [[ ! -e $(VENV)/.dev.stamp || .lock/run.txt -nt $(VENV)/.dev.stamp ]]; then \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .lock/run.txt >&2; fi
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . >&2
	@touch $@

$(VENV)/.dev.stamp: .lock/dev.txt pyproject.toml $(REMAKE) | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r .lock/dev.txt >&2
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e . >&2
	@touch $@ $(VENV)/.run.stamp
