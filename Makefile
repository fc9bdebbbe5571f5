# Needs only make and a Python 3.11 or newer with its venv module:
# everything else is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The oldest numpy has wheels for Python 3.11 and not for newer ones.
OLDEST_PYTHON ?= python3.11
OLDEST := .venv-oldest

.DEFAULT_GOAL := help
.PHONY: help demo test lint slow oldest gpu browser bench doc course clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-6s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/installed-tables ## Plant flipped labels in a small table and find them again
	$(BIN)/python -m skinfluence demo

test: lint ## Check the style, then run the whole suite
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/installed-test ## Check format, code, spelling and docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/test_docstrings.py

slow: $(VENV)/installed-test ## Run the tests that take long
	$(BIN)/python -m pytest -m slow

# Old releases use features that their dependencies have deprecated since.
oldest: $(OLDEST)/installed ## Run the suite on the oldest supported versions
	$(OLDEST)/bin/python -m pytest -n auto -W default::DeprecationWarning

gpu: $(VENV)/installed-test ## Run the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

browser: $(VENV)/installed-browser ## Run the tests of the review page in Chromium
	$(BIN)/python -m pytest -m browser

bench: $(VENV)/installed-test ## Run every benchmark
	@set -e; for script in benchmarks/bench_*.py; do \
		echo "$$script"; $(BIN)/python "$$script"; \
	done

doc: $(VENV)/installed-doc ## Build the documentation into doc/_build/html
	$(BIN)/sphinx-build -W --keep-going -b html doc doc/_build/html
	$(BIN)/python doc/check_links.py doc/_build/html

course: $(VENV)/installed-course ## Write the notebooks of the course into doc/course/_build
	PYTHONPATH=doc $(BIN)/python -m course.notebooks

clean: ## Remove everything that these targets made
	rm -rf $(VENV) $(OLDEST) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	rm -rf doc/_build doc/auto_examples doc/generated doc/sg_execution_times.rst
	rm -rf doc/course/_build doc/course/pages
	rm -f doc/user_guide/exact_models.rst
	find . -name __pycache__ -prune -exec rm -rf {} +

# A stamp is touched last, so an interrupted or failed step is done again.
# bin/python cannot serve as one: it is there before pip is.
$(VENV)/created:
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

# installed-tables: with the extra "tables", and so on. One environment holds all
# extras; each stamp only records that its extra was added.
$(VENV)/installed-%: pyproject.toml constraints.txt | $(VENV)/created
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[$*]"
	touch $@

# Downloads gigabytes: old releases of torch need CUDA packages.
$(OLDEST)/installed: pyproject.toml constraints-oldest.txt
	$(OLDEST_PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet -c constraints-oldest.txt -e ".[test]"
	touch $@
