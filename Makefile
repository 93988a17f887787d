# Everything one does here, from a fresh clone on. Needs Python 3.11 to 3.13 and make; any target sets up the rest.
.DEFAULT_GOAL := help
.PHONY: help setup test simulate faults replay determinism lint format coverage lock bench letta-suite clean

# Which interpreter makes the environment (found by itself when empty), where, and for which versions.
PYTHON ?=
VENV ?= .venv
VERSIONS ?= 3.11 3.12 3.13
# How many processes the tests use.
JOBS ?= 2
export PYTHON VENV

RUN := $(VENV)/bin/python -m
# Whose seeds climb the ladder: between them they use all there is in the world.
LADDER := mixed whole-stack model-endpoint two-replicas stream-resume approvals conversation-delete disk-faults
# What campaigns covered.
REPORTS := .kelpie-sim
# The core is covered by its own tests and the ports' contracts, not by a scenario that happens to pass through it.
CORE_TESTS := $(wildcard tests/core tests/contracts)
UV_COMPILE := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-emit-index-url --no-header

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.ready ## Create the virtual environment from the hashed lock (other targets do it when needed)

$(VENV)/.ready: requirements/dev.txt pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh $(VENV) $(VERSIONS)

test: lint coverage ## Check style and types, run all tests, hold the core to full branch coverage
	@echo "test: everything else, on $(JOBS) processes"
	@$(RUN) pytest -q -n $(JOBS) --dist worksteal $(CORE_TESTS:%=--ignore=%)

simulate: $(VENV)/.ready ## Run every scenario over many seeds on all cores and end with a table of what was found
	@echo "simulate: every scenario over many seeds; a failure prints the one line that replays it"
	@$(RUN) kelpie_sim run
	@echo "simulate: programs that have nothing to do with agents"
	@$(RUN) kelpie_sim run --scenarios tests.generic.scenarios --report $(REPORTS)/generic.json

faults: $(VENV)/.ready ## Run all scenarios and write the table of faults, with how often each kind fired
	@$(RUN) kelpie_sim run --report $(REPORTS)/agents.json
	@$(RUN) kelpie_sim run --scenarios tests.generic.scenarios --report $(REPORTS)/generic.json
	@$(RUN) tools.write_fault_table $(REPORTS)/agents.json $(REPORTS)/generic.json

replay: $(VENV)/.ready ## Run one seed of one scenario again: make replay SEED=12345 SCENARIO=name
	@: $(if $(SEED),,$(error say which seed: make replay SEED=12345 SCENARIO=name)) \
		$(if $(SCENARIO),,$(error say which scenario: make replay SEED=12345 SCENARIO=name))
	@$(RUN) kelpie_sim replay --seed $(SEED) --scenario $(SCENARIO) $(if $(STRATEGY),--strategy $(STRATEGY))

determinism: $(VENV)/.ready ## Prove that a seed is one run: same and fresh processes, hash seeds, each Python version here
	@tools/each_python.sh "$(VERSIONS)" -m kelpie_sim determinism --scenarios tests.asyncio_programs --seeds 40
	@tools/each_python.sh "$(VERSIONS)" -m kelpie_sim determinism --seeds 10 $(LADDER:%=--scenario %)

lint: $(VENV)/.ready ## Check style (ruff) and types (mypy, strict)
	@echo "lint: ruff, then mypy"
	@$(RUN) ruff check --quiet .
	@$(RUN) ruff format --quiet --check . || { echo "lint: 'make format' puts this right"; exit 1; }
	@$(RUN) mypy

format: $(VENV)/.ready ## Format the code and fix what ruff can fix
	@$(RUN) ruff check --quiet --fix . || true
	@$(RUN) ruff format .

coverage: $(VENV)/.ready ## Run the core's tests and demand that they cover each of its branches
	@echo "coverage: the core's tests, which must cover every branch of kelpie_core"
	@$(RUN) pytest -q -n $(JOBS) --cov --cov-report=term --cov-fail-under=100 $(CORE_TESTS)

lock: $(VENV)/.ready ## Resolve the dependencies anew into requirements/*.txt
	@$(RUN) $(UV_COMPILE) --extra server --output-file requirements/runtime.txt
	@$(RUN) $(UV_COMPILE) --all-extras --group dev --output-file requirements/dev.txt
	@$(RUN) $(UV_COMPILE) --extra sim --group bench --output-file requirements/bench.txt

bench: $(VENV)/.ready ## Measure speed, as ratios within one run
	@test -d benchmarks || { echo "bench: there are no benchmarks yet"; exit 1; }
	@tools/make_peers.sh
	@$(RUN) benchmarks

letta-suite: $(VENV)/.ready ## Run a V1 checkout's tests against a fresh server: make letta-suite LETTA_REPO=path
	@: $(if $(LETTA_REPO),,$(error say where the checkout is: make letta-suite LETTA_REPO=path))
	@$(RUN) tools.letta_suite $(LETTA_REPO)

clean: ## Remove the environments and all that tools left behind
	@rm -rf .venv .venv-* .kelpie-sim .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
