# Everything runs in .venv, which each target makes and refreshes by itself. Nothing is installed outside this folder.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The Lambda runtime is the one of the interpreter that packages: the first that runs, as shims may be there that do not.
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
PYTHON ?= $(shell for each in python3.13 python3.12 python3; do if $$each $(NEW_ENOUGH); then echo $$each; exit; fi; done; echo python3)
PORT ?= 8000
ENGINE_PORT ?= 4566
STAGE ?= dev
ARCH ?= x86_64
export PORT ENGINE_PORT STAGE ARCH REGION ENDPOINT PARAMETERS CONFIRM

BIN := .venv/bin
READY := .venv/.installed

.PHONY: help run test check bench cost growth fairness simulate chaos deploy destroy rewrap package size picture pins clean interpreter

help: ## lists these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## starts everything on this machine: API on PORT (8000), AWS on ENGINE_PORT (4566), data in .local
	@exec $(BIN)/python -m infra.local.run

test: $(READY) ## runs the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(READY) ## format, lint, types, arrows between modules, then the tests: what CI runs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

deploy: $(READY) ## deploys to AWS and tries it: STAGE=dev REGION=eu-central-1 PARAMETERS="Shards=32" ARCH=arm64
	@exec $(BIN)/python -m infra.command deploy --stage "$$STAGE" --region "$$REGION" --endpoint "$$ENDPOINT" \
	  --architecture "$$ARCH" --parameters "$$PARAMETERS"

destroy: $(READY) ## removes a stage from AWS, with all its data, once its name is typed: STAGE=dev (or CONFIRM=dev)
	@exec $(BIN)/python -m infra.command destroy --stage "$$STAGE" --region "$$REGION" --endpoint "$$ENDPOINT" \
	  --confirm "$$CONFIRM"

rewrap: $(READY) ## wraps every account's data key anew, after the KMS key was rotated: STAGE=dev REGION=eu-central-1
	@exec $(BIN)/python -m infra.rewrap --stage "$$STAGE" --region "$$REGION" --endpoint "$$ENDPOINT"

package: $(READY) ## packages what is deployed, into .build
	@$(BIN)/python -m infra.package --stage "$$STAGE" --architecture "$$ARCH"

size: $(READY) ## how large the package is, and how long its functions import; fails when a target is missed
	@$(BIN)/python -m infra.size --stage "$$STAGE" --architecture "$$ARCH"

bench: $(READY) ## measures Belltower beside others, into benchmarks/RESULTS.md: SYSTEMS=floor,bullmq N=1000 for a part
	@exec $(BIN)/python -m benchmarks.harness $(if $(SYSTEMS),--systems $(SYSTEMS)) $(if $(N),--counts $(N))

fairness: $(READY) ## plays one tenant's hanging receivers beside another tenant, into benchmarks/RESULTS.md
	@exec $(BIN)/python -m benchmarks.fairness

cost: $(READY) ## counts what a firing costs, in units and dollars, into benchmarks/RESULTS.md
	@exec $(BIN)/python -m benchmarks.cost

growth: $(READY) ## measures how costs grow, into benchmarks/RESULTS.md: MILLION=1 adds a million jobs
	@exec $(BIN)/python -m benchmarks.growth

simulate: $(READY) ## plays FIRINGS (1000000) firings under faults on a virtual clock, from SEED (1) on; stops at the first broken promise
	@exec $(BIN)/python -m tests.simulation --firings $(or $(FIRINGS),1000000) --seed $(or $(SEED),1)

chaos: $(READY) ## kills processes and disturbs calls of a real stack, into benchmarks/RESULTS.md: SCENARIOS=, JOBS=, SEED=
	@exec $(BIN)/python -m benchmarks.chaos.command $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(JOBS),--jobs $(JOBS)) $(if $(SEED),--seed $(SEED))

picture: $(READY) ## draws infra/dashboard.svg anew
	@$(BIN)/python -m infra.picture

pins: $(READY) ## pins requirements.txt and requirements-dev.txt anew from the .in files
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --no-header --no-annotate requirements.in -o requirements.txt
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --no-header --no-annotate requirements-dev.in -o requirements-dev.txt

clean: ## removes .venv, .build and all caches; .local, your data, stays
	@rm -rf .venv .build .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an install that broke off is made again. pip stays as it is, chalice needs pip < 26.3.
$(READY): requirements-dev.txt | interpreter
	@echo "installing the tools into .venv, once"
	@[ -x $(BIN)/python ] || { python=$(PYTHON); \
	  $$python $(NEW_ENOUGH) || { \
	    echo "make: Python 3.11 or newer is needed, $$python is $$($$python --version 2>&1 | head -1): try make PYTHON=python3.12" >&2; exit 1; }; \
	  $$python -m venv .venv || { \
	    echo "make: $$python cannot make a virtual environment: install its venv module" >&2; rm -rf .venv; exit 1; }; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt 2> .venv/pip.log || { \
	  if grep -qiE 'connection|resolution|resolve|network|timed out|no matching distribution' .venv/pip.log; then \
	    echo "make: the packages could not be downloaded: the first start needs the network ($$(tail -1 .venv/pip.log))" >&2; \
	  else echo "make: installing the packages failed: $$(grep -m1 -i error .venv/pip.log)" >&2; fi; exit 1; }
	@touch $(READY)

# .venv stays with the interpreter that made it. One that is asked for by name and is another is refused, not ignored.
interpreter:
ifneq ($(filter command% environment%,$(origin PYTHON)),)
	@[ ! -x $(BIN)/python ] || [ "$$($(BIN)/python --version)" = "$$($(PYTHON) --version 2>&1)" ] || { \
	  echo "make: .venv is $$($(BIN)/python --version), not PYTHON=$(PYTHON): make clean, then make PYTHON=$(PYTHON) ..." >&2; exit 1; }
endif
