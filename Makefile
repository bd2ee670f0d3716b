# The project's tasks. Every target sets up what it needs: programs with apt, Python packages in .venv, from the
# hash-pinned locks requirements.txt (to run) and requirements-dev.txt (to develop).
#
#     make build VARIANTS="core:py3.13 data"     make test TESTS=tests/unit     make lock OPTIONS=--upgrade
#     make publish REGISTRY=localhost:5000/bases                make nightly OPTIONS=--plan

PYTHON ?= python3
VARIANTS ?=
OPTIONS ?=
TESTS ?=
REGISTRY ?=
REPORT ?= build/nightly
SITE ?= build/site

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

bin := .venv/bin
pip := $(bin)/python -m pip --disable-pip-version-check --quiet

.PHONY: help
help: ## Print the targets.
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: build
build: .venv/run ## Build the images that are not up to date into dist/ and verify them.
	$(bin)/warmbase build $(VARIANTS) $(OPTIONS)

.PHONY: publish
publish: .venv/run ## Build what is not up to date and publish it to REGISTRY, or where the catalog says.
	$(bin)/warmbase publish $(VARIANTS) $(if $(REGISTRY),--registry $(REGISTRY)) $(OPTIONS)

# 75: time ran out with --max-time and nothing failed; the next run goes on. make itself ends with 2 whatever failed:
# `warmbase nightly --help` has the codes, and report.json what became of each variant.
.PHONY: nightly
nightly: .venv/run ## Rebuild, verify and publish what is stale, and report it in REPORT; OPTIONS=--plan only says it.
	$(bin)/warmbase nightly $(VARIANTS) $(if $(REGISTRY),--registry $(REGISTRY)) --report $(REPORT) $(OPTIONS) || [ $$? -eq 75 ]

.PHONY: site
site: .venv/run ## Write the page of what is published, at REGISTRY or where the catalog says, into SITE.
	$(bin)/warmbase site $(SITE) $(if $(REGISTRY),--index $(REGISTRY)) $(OPTIONS)

.PHONY: check plan lock
check: .venv/run ## Say what is wrong with the catalog.
	$(bin)/warmbase check $(OPTIONS)
plan: .venv/run ## Say what a build would do.
	$(bin)/warmbase plan $(VARIANTS) $(OPTIONS)
lock: .venv/run ## Resolve the images' packages again.
	$(bin)/warmbase lock $(VARIANTS) $(OPTIONS)

.PHONY: test
test: lint ## Check everything: linters, types, all tests that this machine can run.
	$(bin)/python -m pytest --numprocesses=auto --maxprocesses=4 $(OPTIONS) $(TESTS)

.PHONY: lint
lint: .venv/dev ## Check style and types.
	$(bin)/ruff check --quiet
	$(bin)/ruff format --check --quiet
	$(bin)/mypy --no-error-summary

.PHONY: format
format: .venv/dev ## Format the code.
	$(bin)/ruff check --fix --quiet
	$(bin)/ruff format

.PHONY: bench
bench: .venv/dev ## Measure what the project promises, against Docker where WARMBASE_TEST_DOCKER names one.
	$(bin)/python -m tests.bench $(OPTIONS)

.PHONY: bench-report
bench-report: .venv/dev ## Write the report and its picture of what `make bench` measured last.
	$(bin)/python -m tests.bench.reporting

.PHONY: children-table
children-table: .venv/dev ## Build what people write on bases, with a container engine, and write the README's table of it.
	WARMBASE_CHILDREN_RESULTS=build/children.json $(bin)/python -m pytest --quiet tests/e2e/children $(OPTIONS)
	$(bin)/python -m tests.e2e.children.table build/children.json README.md

.PHONY: screenshots
screenshots: .venv/dev ## Take the README's pictures of the catalog page anew, with Debian's chromium and pngquant.
	$(bin)/python -m tests.e2e.site.screenshots

.PHONY: schema
schema: .venv/run ## Write the catalog's JSON Schema anew from its types.
	$(bin)/python -m warmbase.catalog.schema

# Without addresses and comments, so that the files are the same whichever index mirror they were made with.
compile := $(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
build-requires := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

.PHONY: requirements
requirements: .venv/run ## Lock the project's own Python packages anew; OPTIONS=--upgrade moves them.
	$(bin)/python -c '$(build-requires)' | $(compile) - pyproject.toml $(OPTIONS) -o requirements.txt
	$(bin)/python -c '$(build-requires)' | $(compile) - pyproject.toml --group dev -c requirements.txt $(OPTIONS) \
		-o requirements-dev.txt

.PHONY: clean
clean: ## Remove what the targets made here; layers stay in warmbase's cache.
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps, written last: an interrupted set-up starts again from nothing.
.venv/run: requirements.txt pyproject.toml
	@.ci/install-tools '$(PYTHON)'
	@echo "installing Python packages into .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(pip) install --require-hashes --only-binary :all: -r requirements.txt
	@$(pip) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	@echo "installing the development packages into .venv"
	@$(pip) install --require-hashes --only-binary :all: -r requirements-dev.txt
	@.ci/install-tools '$(PYTHON)' test
	@touch $@
