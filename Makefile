# `make demo` and `make test` need Python 3.11 to 3.13 and make, and nothing before them.
# Another interpreter: make PYTHON=python3.12 demo
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# two workers, each with a PostgreSQL of its own; the tests of a file, or of a package, share what they set up
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all lint format constraints clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

install: $(INSTALLED) ## install into .venv, or bring it up to date; the others do it as well

demo: $(INSTALLED) ## run the demo: a sample market, three portfolios, 20 nights
	@$(BIN)/python run_nightly.py demo

test: $(INSTALLED) lint ## check the style and run the tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-all: $(INSTALLED) lint ## the same with the slow tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m ""

lint: $(INSTALLED) ## check style, types, SQL, and which package may import which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/basedpyright
	@$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar dbt_project/models dbt_project/tests warehouse/migrations

format: $(INSTALLED) ## bring Python and SQL to style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix --processes 2 dbt_project/models dbt_project/tests

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: install one, or name it with make PYTHON=..."; exit 2; }
	@echo "Installing into $(VENV) with $(PYTHON): a minute or two, once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

constraints: ## renew constraints.txt with the newest versions that pyproject.toml allows
	@rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	@build/constraints/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@{ head -1 constraints.txt; build/constraints/bin/python -m pip freeze --exclude-editable; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt && rm -rf build/constraints

clean: ## remove what make has installed; the database in .afterclose stays
	rm -rf $(VENV)
