# The targets of this project; `make help` lists them. The first use creates .venv and installs what the target needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# Packages are compiled when they are first imported, which takes less than to compile all of them. Without the compiled
# files, every process would compile them again.
unexport PYTHONDONTWRITEBYTECODE
# the first interpreter that is new enough; `make PYTHON=/path/to/python3.12 ...` names another
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
# a spec, a name in configs/ or a path, as $$spec for the shell (CONFIG comes in the environment, so that any character is safe)
FIND_SPEC = [[ $$spec == */* || -e $$spec && ! -e configs/$$spec ]] || spec=configs/$$spec

.PHONY: help experiment experiments plan test slow conformance faults golden lint bench verify-statistics verify-accounts verify-arrivals bench-cluster bench-peers findings reproduced samples dist lock clean
.NOTPARALLEL: # two installations must not write to one environment

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  CONFIG= a name in configs/ or a path: $$(cd configs && echo *.yaml); ARGS='tasks=8 measure.max_time=10s'"

experiment: config-given $(VENV)/.run.stamp ## measure CONFIG=cpu.yaml, with overrides in ARGS=
	@spec=$$CONFIG; $(FIND_SPEC); exec $(BIN)/orchestrator run "$$spec" $(ARGS)

experiments: configs-given $(VENV)/.run.stamp ## measure CONFIGS='cpu.yaml io.yaml' in turn; ARGS='--max-time 1h'
	@specs=(); for spec in $$CONFIGS; do $(FIND_SPEC); specs+=($$spec); done; \
	exec $(BIN)/orchestrator run "$${specs[@]}" $(ARGS)

plan: config-given $(VENV)/.run.stamp ## show what CONFIG= would measure, and how long it would take
	@spec=$$CONFIG; $(FIND_SPEC); exec $(BIN)/orchestrator plan "$$spec" $(ARGS)

test: $(VENV)/.dev.stamp ## run the tests
	$(BIN)/python -m pytest -q -n 3 --dist loadfile $(ARGS)

slow: $(VENV)/.dev.stamp ## run the slower tests; CI runs a case of each
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m 'slow and not long' $(ARGS)

conformance: $(VENV)/.dev.stamp ## test every model with all options under every interpreter (15 minutes)
	$(BIN)/python -m pytest -q -n 2 --dist load -m '' tests/runner/conformance $(ARGS)

faults: $(VENV)/.dev.stamp ## run the long tests: 500 kill -9, failing disks, signals, 100,000 hostile specs (an hour)
	$(BIN)/python -m pytest -q -n 2 --dist load -m long --ignore tests/runner/conformance tests $(ARGS)

golden: $(VENV)/.dev.stamp ## regenerate the schemas, the reference and the expected outputs; review the diff
	ORCHESTRATOR_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q -n 2 $$(grep -rl '^from tests.support import golden' tests)

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

verify-arrivals: $(VENV)/.dev.stamp ## compare windows of arrivals with queueing theory; update docs/method.md
	$(BIN)/python -m tests.verify.arrivals $(ARGS)

bench-cluster: $(VENV)/.dev.stamp ## measure the overhead of a cluster: 500 simulated hosts, and real workers
	$(BIN)/python -m tests.bench.cluster

bench-peers: $(VENV)/.dev.stamp ## compare with pyperf, hyperfine and pytest-benchmark; update docs/method.md
	@command -v hyperfine >/dev/null || { echo "hyperfine is missing; install it (Debian: apt install hyperfine)" >&2; exit 1; }
	$(BIN)/python -m tests.verify.peers $(ARGS)

findings: $(VENV)/.dev.stamp ## run every spec in configs/; update docs/workloads.md
	$(BIN)/python -m tests.verify.findings $(ARGS)

reproduced: $(VENV)/.dev.stamp ## run the published results, and other tools on the same cases; update docs/reproduced.md
	$(BIN)/python -m tests.verify.reproduced $(ARGS)

samples: $(VENV)/.dev.stamp ## regenerate the sample outputs in README.md and docs/ (10 min)
	$(BIN)/python -m tests.verify.samples $(ARGS)

dist: $(VENV)/.dev.stamp ## build dist/*.tar.gz and dist/*.whl
	@mkdir -p dist
	@$(BIN)/python -c "from flit_core import buildapi; print(*(f'dist/{build(\"dist\")}' for build in (buildapi.build_sdist, buildapi.build_wheel)), sep='\n')"

lock: $(VENV)/.dev.stamp ## update the locks: exact versions and hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	  --extra dev pyproject.toml -o .lock/dev.txt
	printf 'flit_core>=3.11,<5\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --extra cluster --extra models --extra pythons --extra report --extra workloads -c .lock/dev.txt pyproject.toml - -o .lock/run.txt

clean: ## delete the environment and the caches, but not the runs
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: config-given configs-given
config-given:
	@[[ -n "$${CONFIG-}" ]] || { echo "CONFIG is missing; try: make experiment CONFIG=cpu.yaml (there are: $$(cd configs && echo *.yaml))" >&2; exit 2; }

configs-given:
	@[[ -n "$${CONFIGS-}" ]] || { echo "CONFIGS is missing; try: make experiments CONFIGS='cpu.yaml io.yaml' (there are: $$(cd configs && echo *.yaml))" >&2; exit 2; }

# The installation prints to stderr, because stdout belongs to the program. An interrupted installation leaves no stamp, so
# the next call repairs it. A venv without its Python is created again.
REMAKE := $(if $(realpath $(BIN)/python),,again)
$(BIN)/python: $(REMAKE)
	@[[ -n "$(PYTHON)" ]] || { echo "no Python 3.11 or newer with venv found; install one (Debian: apt install python3-venv), or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@version=$$("$(PYTHON)" -c 'import sys; print(*sys.version_info[:2], sep=".")') || { echo "$(PYTHON) does not run; name another Python: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }; \
	[[ $$version == 3.* && $${version#3.} -ge 11 ]] || { echo "$(PYTHON) is Python $$version, older than 3.11; name a newer one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }; \
	"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv or ensurepip; install them (Debian: apt install python$$version-venv), or name another Python: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear --without-pip $(VENV) >&2

.PHONY: again

$(VENV)/.%.stamp: .lock/%.txt .lock/install.py pyproject.toml $(REMAKE) | $(BIN)/python
	@rm -f $@ $(VENV)/.run.stamp
	@"$$(realpath $(BIN)/python)" .lock/install.py $* >&2
	@touch $@ $(VENV)/.run.stamp
