# Two commands do all the set-up: `make demo` and `make test`. Both make the environment in .venv first, once.
#   make check     format, lint and types: seconds
#   make test      what every change must pass: check, then the deterministic tests
#   make test-all  the exhaustive tests too, hypothesis at random; prints its seed (SEED=... repeats a run)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Tests start two hundred processes: with bytecode off, each would compile every module again.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: demo check test test-all lint clean

demo: $(INSTALLED)
	$(BIN)/ntkbench run

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --num-workers 2

test: check
	$(PYTEST) -m "not exhaustive"

test-all: SEED ?= $(shell date +%s)
test-all: check
	@echo "hypothesis and other random tests: SEED=$(SEED)"
	$(PYTEST) --hypothesis-profile random --hypothesis-seed $(SEED) --durations 10 \
		|| { echo "repeat with: make test-all SEED=$(SEED)"; exit 1; }

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	touch $(INSTALLED)

lint: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV)
