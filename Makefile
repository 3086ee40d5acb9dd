# Recipes of the project; `make help` lists them. Needed: GNU make 3.81+, Python 3.11 to 3.13 with venv and pip. Nothing else.
ifneq (3.81,$(firstword $(sort 3.81 $(MAKE_VERSION))))
$(error GNU make 3.81 or later is needed, this is $(MAKE_VERSION): install a newer one, or call it by its name, often gmake)
endif

PYTHON ?= python3 python3.13 python3.12 python3.11
BIN := .venv/bin
key = $(shell cksum < $(1) | tr -s ' ' '-')
# A stamp carries the checksum of what it stands for: a checkout that only touches files installs nothing again.
PACKAGES := .venv/.packages-$(call key,requirements.lock)
PROJECT := .venv/.project-$(call key,pyproject.toml)
ARTIFACTS := .venv/.artifacts-$(call key,streams/shell/local/artifacts.lock)
KERNELS := .venv/.kernels-$(shell cat streams/*.py streams/*/*.py | cksum | tr -s ' ' '-')

.DEFAULT_GOAL := help
.PHONY: demo help env lock lock-artifacts lint test test-long bench-quick bounds docs site up down status clean

help: ## list the recipes
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1#\2/p' Makefile | awk -F'#' '{printf "%-24s%s\n", $$1, $$2}'

env: $(ARTIFACTS) $(KERNELS) ## make .venv from the locks, fetch Kafka and the registry into the user's cache, compile the kernels

$(PACKAGES):
	@python=; for candidate in $(PYTHON); do \
	  if $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	  then python=$$candidate; break; fi; \
	done; \
	test -n "$$python" || { echo "Python 3.11, 3.12 or 3.13 is needed, none of '$(PYTHON)' is: install one, or name it: make env PYTHON=/path/to/python3" >&2; exit 2; }; \
	$$python -c 'import ensurepip, venv' 2>/dev/null || { echo "$$python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 2; }; \
	echo "making .venv with $$($$python -V), `grep -c '==' requirements.lock` packages as locked; this takes a minute or two"; \
	$$python -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

$(PROJECT): $(PACKAGES)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(ARTIFACTS): $(PROJECT)
	@$(BIN)/andon fetch
	@touch $@

$(KERNELS): $(PROJECT)
	@$(BIN)/python -m streams.shell.kernels
	@touch $@

lock: $(PROJECT) ## resolve pyproject.toml anew and write requirements.lock, and the part of it that an image needs
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --group dev --extra local \
	  --no-header --no-emit-index-url --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --group image --constraints requirements.lock --no-annotate \
	  --no-header --no-emit-index-url --output-file requirements-image.lock pyproject.toml

lock-artifacts: $(PROJECT) ## resolve the roots in artifacts.lock anew and write all versions and checksums
	$(BIN)/python -m streams.shell.local.relock

lint: $(PROJECT) ## ruff, mypy --strict, import directions
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: env lint ## everything that continuous integration runs: lint, doctests, tests against a real Kafka
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-long: env ## the laws over twenty times as many random cases, and what takes minutes
	$(BIN)/python -m pytest -m long --timeout 1800
	ANDON_EXAMPLES=2000 $(BIN)/python -m pytest --timeout 3600 tests/codec tests/operators tests/runners tests/time

bench-quick: env ## the speed floor: ratios within one run against named peers, ten minutes on two idle cores
	$(BIN)/python -m bench.quick

bounds: env ## the tests of kernels with every array access checked; machine code is kept apart
	NUMBA_BOUNDSCHECK=1 ANDON_CACHE=$(CURDIR)/.venv/bounds $(BIN)/python -m streams.shell.kernels
	NUMBA_BOUNDSCHECK=1 ANDON_CACHE=$(CURDIR)/.venv/bounds $(BIN)/python -m pytest tests/codec tests/operators tests/runners tests/time

docs: $(PROJECT) ## write the generated parts of docs/ and README.md anew
	$(BIN)/python -m streams.shell.pages

site: $(PROJECT) ## build the site of docs/ into site/; it can be read without a network
	$(BIN)/zensical build --strict --clean

demo: env ## a simulated factory on a real Kafka, faults put in and found: make demo ARGS='--minutes 2'
	@$(BIN)/andon demo $(ARGS)

up: env ## start Kafka and the registry on this machine (kept in .andon)
	@$(BIN)/andon up

down: $(PROJECT) ## end what `make up` started
	@$(BIN)/andon down

status: $(PROJECT) ## say what runs
	@$(BIN)/andon status

clean: ## remove .venv and the tools' caches; data in .andon and the user's cache stay
	rm -rf .venv site .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	find streams topologies schemas tests -name __pycache__ -type d -prune -exec rm -rf {} +
