# Every target makes what it needs: the virtual environment, then the packages.  A second call
# is instant; a change of pyproject.toml or constraints.txt installs again.

PYTHON ?= python3
PIP_ARGS ?=
BENCH_ARGS ?=
CHAOS_ARGS ?=
JOBS ?= 6

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt
PYTEST := $(BIN)/python -m pytest -q
SIDE_BY_SIDE := -n $(JOBS) --dist worksteal
FAST := not slow and not browser and not postgres and not gpu and not night

# Test processes that share the cores must not each start a thread per core.
test slowest night chaos chaos-night check: export OMP_NUM_THREADS = 1
# Else each of their hundreds of processes compiles our modules again, where somebody has set it.
test slowest night check: export PYTHONDONTWRITEBYTECODE =
# Matrices are small: threads for them would cost more than they bring.
bench-importances: export OMP_NUM_THREADS = 1

.PHONY: help setup demo serve test slowest night chaos chaos-night check lint fmt bench bench-anchors bench-end-to-end bench-verdict bench-gates bench-race bench-importances bench-peers audit clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

setup: .venv/.dev .venv/.generators ## Create .venv with everything for work on metaopt

demo: .venv/.base ## Tune MAML and Reptile on sinusoids and on Omniglot, then show the verdicts
	$(BIN)/metaopt demo

serve: .venv/.base ## Start the service (API, dispatcher, workers, dashboard)
	$(BIN)/metaopt serve

test: .venv/.dev .venv/.generators ## Run all tests but those of the night
	$(PYTEST) $(SIDE_BY_SIDE) -m "not night"

slowest: .venv/.dev .venv/.generators ## Run the same tests, and show the 25 that took longest
	$(PYTEST) $(SIDE_BY_SIDE) -m "not night" --durations 25

night: .venv/.dev .venv/.generators ## Run the long proofs, and properties on twenty times as many examples
	$(PYTEST) $(SIDE_BY_SIDE) -m "night or hypothesis" --hypothesis-profile night

chaos: .venv/.dev ## Kill workers, dispatchers and the API at random for a minute, then check what is left
	$(BIN)/python -m tests.chaos storm $(CHAOS_ARGS)

chaos-night: .venv/.dev ## The long proofs under faults: storms, every crash point, 20,000 simulated runs, a soak
	$(BIN)/python -m tests.chaos storm --night --stops --results benchmarks/results $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos lanes --results benchmarks/results $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos submissions --night --results benchmarks/results $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos restarts --night --results benchmarks/results $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos sweep --night --results benchmarks/results --jobs $(JOBS)
	$(BIN)/python -m tests.chaos takeovers --night --results benchmarks/results
	$(BIN)/python -m tests.chaos simulation --night --results benchmarks/results --jobs $(JOBS)
	$(BIN)/python -m tests.chaos disks --night --results benchmarks/results $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos lines --night --results benchmarks/results $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos failovers --night --results benchmarks/results $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos soak --results benchmarks/results
	$(BIN)/python -m tests.chaos queue --night --results benchmarks/results
	$(BIN)/python -m tests.chaos readers --night --results benchmarks/results

check: lint ## What lint does, then the fast tests; they hold the docs to the code
	$(PYTEST) $(SIDE_BY_SIDE) -m "$(FAST)"

lint: .venv/.dev ## Format, lint, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: .venv/.base ## Look up known holes in what constraints.txt pins (needs the package index)
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet $(PIP_ARGS) pip-audit
	.venv/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

fmt: .venv/.dev ## Format the code and write the generated pages of docs/
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python docs/generate.py

bench: .venv/.base ## Measure metaopt beside its peers (make bench-peers installs those first)
	$(BIN)/python -m benchmarks.bench $(BENCH_ARGS)
	$(if $(BENCH_ARGS),,$(BIN)/python -m benchmarks.bench --family)
	$(if $(BENCH_ARGS),,$(BIN)/python -m benchmarks.lifted --results benchmarks/results)

bench-anchors: .venv/.base ## Hold the algorithms to published figures, and measure the presets
	$(BIN)/python -m benchmarks.anchors --results benchmarks/results $(BENCH_ARGS)
	$(if $(BENCH_ARGS),,$(BIN)/python -m benchmarks.presets --results benchmarks/results)

bench-end-to-end: .venv/.base ## Measure a study from submission to verdict beside Optuna with higher
	$(BIN)/python -m benchmarks.end_to_end --results benchmarks/results $(BENCH_ARGS)

bench-verdict: .venv/.base ## Simulate studies whose truth is known: is the verdict honest?
	$(BIN)/python -m benchmarks.verdict --results benchmarks/results $(BENCH_ARGS)

bench-gates: .venv/.base ## Simulate gates whose truth is known: how often are they wrong?
	$(BIN)/python -m benchmarks.gates --results benchmarks/results $(BENCH_ARGS)

bench-importances: .venv/.base ## Simulate studies in which it is known what matters: who is named?
	$(BIN)/python -m benchmarks.importances --results benchmarks/results $(BENCH_ARGS)

bench-race: .venv/.base ## Simulate races whose truth is known: how often is the best trial stopped?
	$(BIN)/python -m benchmarks.race --results benchmarks/results $(BENCH_ARGS)

bench-peers: .venv/.base ## Install the peers that make bench measures, in an environment of their own
	$(BIN)/python -m benchmarks.peers $(PIP_ARGS)

clean: ## Remove the environment and the caches; metaopt-data stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "metaopt needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo "$(PYTHON) cannot make virtual environments (on Debian: apt-get install python3-venv)." >&2; exit 1; }
	@touch $@

.venv/.base: .venv/.created pyproject.toml constraints.txt
	@echo "Installing metaopt (the first time takes a minute or more: torch is large) ..." >&2
	@$(INSTALL) -e '.[server]'
	@touch $@

.venv/.dev: .venv/.created pyproject.toml constraints.txt
	@echo "Installing metaopt and its development tools ..." >&2
	@$(INSTALL) -e '.[dev]'
	@touch .venv/.base $@

# The generator of clients wants another typer than we do, so it has an environment of its own.
.venv/.generators: .venv/.created tests/generators/requirements.txt
	@{ $(BIN)/python -m venv .venv/generators && \
	  .venv/generators/bin/python -m pip install --quiet $(PIP_ARGS) -r tests/generators/requirements.txt && \
	  touch $@; } || echo "no generator of clients can be installed: its test will skip" >&2
