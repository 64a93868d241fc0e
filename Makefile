# Everything a newcomer needs: `make demo` and `make test`. Both set up first, from the locks, with hashes.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.paradero-setup

PROOFS := tests/simulator tests/faults tests/hostile tests/reliability tests/promises

.PHONY: setup demo test simulate reliability night check bench bench-peers bench-growth bench-import fmt lock sizes vectors clean

setup: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Paradero needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

# HEADLESS=1 plays the story and leaves nothing running.
demo: setup
	$(BIN)/paradero demo $(if $(HEADLESS),--headless)

test: setup
	$(BIN)/python -m pytest -n auto -m "not slow" $(PYTEST)

# Histories of crashes and lost answers, one a seed: make simulate SEEDS=10000 FIRST_SEED=1 for a night.
simulate: setup
	SEEDS=$(or $(SEEDS),200) FIRST_SEED=$(or $(FIRST_SEED),1) $(BIN)/python -m pytest -n auto -q tests/simulator -k whatever_happens

# Every promise of docs/RELIABILITY.md, tried and tried to break; fails unless each is kept and each planted bug is seen.
reliability: setup
	rm -rf .reliability
	$(BIN)/python -m pytest -n auto -q $(PROOFS)
	$(BIN)/python -m tests.reliability.report --check .reliability/RELIABILITY.md

# The same at the sizes of a release; hours. Writes docs/RELIABILITY.md.
night: setup
	rm -rf .reliability
	PARADERO_SCALE=night $(BIN)/python -m pytest -n auto -q --timeout=14400 $(PROOFS)
	PARADERO_SCALE=night $(BIN)/python -m tests.reliability.report docs/RELIABILITY.md

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/contracts/make_vectors.py --check
	$(BIN)/python -m tests.architecture.sizes

bench: setup
	$(BIN)/python -m tests.bench.exchange

# Needs the network the first time: each peer gets an environment of its own under .bench-peers/.
bench-peers: setup
	$(BIN)/python -m tests.bench.peers

bench-growth: setup
	$(BIN)/python -m tests.bench.growth

bench-import: setup
	$(BIN)/python -m tests.bench.importing

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sizes: setup
	$(BIN)/python -m tests.architecture.sizes

vectors: setup
	$(BIN)/python tests/contracts/make_vectors.py

# Needs the network; the three files are committed. The third is what building the wheel takes (docs/install.md).
lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra postgresql pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra postgresql --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	echo hatchling | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -c requirements-dev.lock - -o requirements-build.lock

clean:
	rm -rf $(VENV) .bench-peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
