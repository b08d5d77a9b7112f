# The verbs of this project; `make help` lists them. The first use of one makes .venv and installs what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# the first interpreter that is new enough; `make PYTHON=/path/to/python3.12 ...` names another
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
# CONFIG, a name in configs/ or a path, as $$spec for the shell (make hands it on in the environment, so that it may hold anything)
FIND_SPEC = spec=$$CONFIG; [[ $$spec == */* || -e $$spec && ! -e configs/$$spec ]] || spec=configs/$$spec

.PHONY: help experiment plan test slow conformance faults golden lint bench verify-statistics verify-accounts bench-cluster bench-peers findings wheel lock clean
.NOTPARALLEL: # two pips must not write to one environment

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  CONFIG= a name in configs/ or a path: $$(cd configs && echo *.yaml); ARGS='tasks=8 measure.max_time=10s'"

experiment: config-given $(VENV)/.run.stamp ## measure CONFIG=cpu.yaml, with overrides in ARGS=
	@$(FIND_SPEC); exec $(BIN)/orchestrator run "$$spec" $(ARGS)

plan: config-given $(VENV)/.run.stamp ## show what CONFIG= would measure, and how long it would take
	@$(FIND_SPEC); exec $(BIN)/orchestrator plan "$$spec" $(ARGS)

test: $(VENV)/.dev.stamp ## run the tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

slow: $(VENV)/.dev.stamp ## run the tests that take longer, which CI runs too
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m 'slow and not long' $(ARGS)

conformance: $(VENV)/.dev.stamp ## ask everything of every model, with all options, under every interpreter, long
	$(BIN)/python -m pytest -q -n 2 --dist load -m '' tests/runner/test_conformance.py $(ARGS)

faults: $(VENV)/.dev.stamp ## break what can break, long: 500 kill -9, failing disks, signals, 100,000 hostile specs
	$(BIN)/python -m pytest -q -n 2 --dist load -m '' tests/faults $(ARGS)

golden: $(VENV)/.dev.stamp ## write the schemas and the outputs that tests compare with anew, to be looked at in the diff
	ORCHESTRATOR_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/journal tests/analysis/test_results.py tests/output/test_markdown.py

lint: $(VENV)/.dev.stamp ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

bench: $(VENV)/.dev.stamp ## measure the product against the bare primitives, side by side
	$(BIN)/python -m tests.bench $(ARGS)

verify-statistics: $(VENV)/.dev.stamp ## run controls whose answer is known, and write what came of them to docs/method.md
	$(BIN)/python -m tests.verify $(ARGS)

verify-accounts: $(VENV)/.dev.stamp ## see whether accounts of the time and advice are right, and write it to docs/method.md
	$(BIN)/python -m tests.verify.accounts $(ARGS)

bench-cluster: $(VENV)/.dev.stamp ## measure what conducting a cluster costs: 500 simulated hosts, and real workers
	$(BIN)/python -m tests.bench.cluster

bench-peers: $(VENV)/.dev.stamp ## ask pyperf, hyperfine and pytest-benchmark what is asked of this project, into README.md
	@command -v hyperfine >/dev/null || { echo "hyperfine is missing; install it (Debian: apt install hyperfine)" >&2; exit 1; }
	$(BIN)/python -m tests.verify.peers $(ARGS)

findings: $(VENV)/.dev.stamp ## run every config of configs/, and write what they find into docs/workloads.md
	$(BIN)/python -m tests.verify.findings $(ARGS)

wheel: $(VENV)/.dev.stamp ## build dist/*.whl
	$(BIN)/python -c "from flit_core import buildapi; import os; os.makedirs('dist', exist_ok=True); print(buildapi.build_wheel('dist'))"

lock: $(VENV)/.dev.stamp ## renew the locks: exact versions and hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	  --extra dev pyproject.toml -o .lock/dev.txt
	printf 'flit_core>=3.11,<5\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --extra cluster --extra models --extra pythons --extra report --extra workloads -c .lock/dev.txt pyproject.toml - -o .lock/run.txt

clean: ## delete the environment and the caches, not the runs
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: config-given
config-given:
	@[[ -n "$${CONFIG-}" ]] || { echo "CONFIG is missing; try: make experiment CONFIG=cpu.yaml (there are: $$(cd configs && echo *.yaml))" >&2; exit 2; }

# What setting up prints goes to stderr: stdout belongs to the program. An interrupted installation leaves no stamp, so
# the next call repairs it. .making tells a venv that was interrupted, or failed, before it had pip; that one, and one whose
# Python has gone, are made and filled again.
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
