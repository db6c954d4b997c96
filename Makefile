# Everything a fresh clone needs: `make demo` to see it work, `make test` to prove it. Needs Python ≥ 3.11, make, git.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
TEST_PROCESSES ?= auto
INPUTS := pyproject.toml setup.py constraints.txt scripts/make_venv.sh $(wildcard kubectl_argo_archive/native/src/*)

.DELETE_ON_ERROR:
.PHONY: help venv test demo lint format bench docs constraints clean

help:
	@echo 'make demo         run the whole pipeline on embedded servers'
	@echo 'make test         run all tests  (PYTEST_ARGS="-k storage")'
	@echo 'make lint         ruff, clang-format, mypy and the architecture contracts'
	@echo 'make format       format everything'
	@echo 'make bench        measure against other ways  (BENCH_ARGS=…)'
	@echo 'make docs         write the generated pages of docs/ anew'
	@echo 'make constraints  pin the newest versions that fit'
	@echo 'make clean        remove the virtual environment and all caches'

venv: $(VENV)/.dev

# a stamp per set of extras: each is installed once, and again when its inputs change
$(VENV)/.demo $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: $(INPUTS)
	@sh scripts/make_venv.sh '$(PYTHON)' '$(VENV)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

test: $(VENV)/.dev
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

# whoever has installed the tests' extras has the demo's too
demo: $(or $(wildcard $(VENV)/.dev),$(VENV)/.demo)
	@$(BIN)/kubectl-argo_archive demo $(DEMO_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror kubectl_argo_archive/native/src/*
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i kubectl_argo_archive/native/src/*

bench: $(VENV)/.dev $(VENV)/.bench
	@$(BIN)/python -m bench $(BENCH_ARGS)

docs: $(VENV)/.dev
	$(BIN)/python -m kubectl_argo_archive.cli.reference > docs/cli.md
	$(BIN)/python -m kubectl_argo_archive.cli.commands.tables > docs/tables.md
	$(BIN)/python -m kubectl_argo_archive.checks.reference > docs/checks.md

constraints:
	@rm -rf $(VENV)-pins
	@sh scripts/make_venv.sh '$(PYTHON)' '$(VENV)-pins'
	@$(VENV)-pins/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	@$(VENV)-pins/bin/python -m pip freeze --exclude-editable --disable-pip-version-check > constraints.txt
	@rm -rf $(VENV)-pins

clean:
	rm -rf $(VENV) $(VENV)-pins .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
