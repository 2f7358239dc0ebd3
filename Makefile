# recast: set-up, demo, tests. `make help` explains the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Side-by-side processes with several threads each are slower than with one.
export OMP_NUM_THREADS ?= 1
# Where it is set, each of the hundreds of processes that tests start would compile all of recast anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo lint check test test-all docs notebooks format clean

help:  ## Explain the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(VENV)/.installed  ## Make the virtual environment and install recast with its test tools

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[train,cluster,fast,search,test,docs]'
	touch $@

demo: install  ## Train on the tide simulator, compare with baselines, draw (under a minute on two cores, once the environment is made)
	$(BIN)/python scripts/demo.py

# Two workers, each with files of its own as far as it goes: what a file has trained for its tests is trained once.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

# What breaks first where something is wrong: floors, configuration, contracts of parts, how rows become windows.
FIRST := tests/test_floors.py tests/test_testing.py tests/test_options.py tests/test_forecast.py \
	$(patsubst %,tests/data/test_%.py,panel series_csv steps grid split features prepare storage) \
	tests/runs/test_configure_check.py tests/nn/test_cells.py tests/scoring/test_metrics.py

lint: install  ## Lint, check form and types (a minute)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The tests in one process: the check of types has the other core.
check: install  ## Lint, check types, run the tests that break first (under two minutes on two cores)
	$(MAKE) --no-print-directory lint & lint=$$!; $(BIN)/python -m pytest -x -q $(FIRST); tests=$$?; \
		wait $$lint && exit $$tests

test: install  ## Run the tests but the slow ones (about 10 minutes on two cores)
	$(PYTEST)

test-all: install  ## Run all tests, the slow ones too
	$(PYTEST) -m "slow or not slow"

docs: install  ## Build the pages into build/docs, strict: a broken link ends it (half a minute)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

notebooks: install  ## Execute the notebooks and keep their outputs (NOTEBOOKS=notebooks/name.ipynb: some of them)
	$(BIN)/python scripts/notebooks.py $(NOTEBOOKS)

format: install  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
