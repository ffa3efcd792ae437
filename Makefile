# Everything runs from here; `make help` lists what there is.
PYTHON ?= python3
UV ?= uv
BIN := .venv/bin
SHIPPED := edge drivers protocols uplink

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup test demo format lock wheel clean
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
step = @printf '\n== %s\n' "$(1)"

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## prepare .venv and, where allowed, the Debian packages tests compare against
	@sh tools/setup/prepare.sh "$(PYTHON)"

test: setup ## everything that must hold before a change goes in
	$(call step,format)
	@$(BIN)/ruff format --check .
	$(call step,lint)
	@$(BIN)/ruff check .
	$(call step,types)
	@$(BIN)/mypy
	$(call step,imports)
	@$(BIN)/lint-imports
	$(call step,rules of this project)
	@$(BIN)/python -m tools.checks
	$(call step,tests)
	@$(BIN)/python -m pytest
	$(call step,tests on the other Pythons)
	@sh tools/setup/other_pythons.sh 3.11 3.13
	$(call step,the wheel in an environment of its own)
	@$(BIN)/python -m tools.checks.wheel
	@printf '\n== all passed\n'

demo: setup ## a simulated village on this machine; STAY=1 keeps it running
	@STAY="$(STAY)" $(BIN)/python -m tools.demo

format: setup ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

wheel: setup ## build dist/*.whl
	@rm -rf dist
	@$(BIN)/python -m build --wheel --no-isolation

# Pins that already are in requirements/ stay unless something forces them; UPGRADE=1 takes the newest.
lock: ## rewrite requirements/*.txt from pyproject.toml with uv; UPGRADE=1 for newer versions
	@command -v $(UV) >/dev/null || { echo "lock: no uv here; for instance: python3 -m venv .cache/uv && .cache/uv/bin/pip install uv && make lock UV=.cache/uv/bin/uv" >&2; exit 1; }
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		$(if $(UPGRADE),--upgrade) --group dev --output-file requirements/dev.txt pyproject.toml
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		$(if $(UPGRADE),--upgrade) --constraint requirements/dev.txt --output-file requirements/runtime.txt pyproject.toml

clean: ## remove what was built, the environments and the caches
	@rm -rf .venv .venv-* .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(SHIPPED) tools tests hil_tests -name __pycache__ -prune -exec rm -rf {} +
