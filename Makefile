# arpent: everything a newcomer needs is `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A test that fails is run once more; one that passes then is listed as RERUN: it is unsteady, and to be mended.
PARALLEL := --numprocesses $(or $(PROCESSES),3) --dist loadfile --no-loadscope-reorder --reruns 1 -r fER
READY := $(VENV)/.ready
# What runs kernels: whole requests of every kind, and the packages that hold kernels or call them. The other tests (HTTP,
# settings, databases, commands, crashes) run the same kernels over the same numbers, or none: so do those of scripts,
# whose machine code is not numba's and checks its bounds anyway.
NUMBERS := $(patsubst %,tests/acceptance/test_%.py,synchronous seed_workflow real_imagery data_collections explain bad_input) \
  tests/parity tests/support \
  $(filter-out %/test_compiled_functions.py %/test_functions.py %/test_job_life.py %/test_secrets.py %/test_stores_agree.py, \
    $(wildcard tests/properties/test_*.py tests/golden/test_*.py)) \
  $(addprefix tests/unit/,engine raster zonal api landscape adapters/images adapters/scripts)
CHECKED := NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(CURDIR)/$(VENV)/checked-kernels
LOWEST := .venv-lowest
unexport PYTHONDONTWRITEBYTECODE # the tests start hundreds of processes: each would compile the package anew

.DEFAULT_GOAL := help
.PHONY: help demo serve page kernels test test-jobs test-slow test-bounds test-services image lowest chaos fuzz check bench format lock docs dist sbom licences clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "arpent needs Python 3.11 or newer; set PYTHON=python3.12, for example"; exit 1; }
	@test "$$(uname -s)" = Linux || echo "arpent is made for Linux: use WSL on Windows, or a container (containers/). See README.md"
	@echo "Setting up $(VENV) (a minute, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY) ## Run the whole Sentinel Hub workflow on a made landscape and show the results
	@$(BIN)/python web/build.py --optional
	@$(BIN)/arpent demo

page: $(READY) ## Build the page at / into the package (Node.js of this machine, or from PyPI)
	@$(BIN)/python web/build.py

serve: $(READY) ## Start a server: with ARPENT_* settings or arpent.toml, else on what `make demo` left
	@$(BIN)/python web/build.py --optional
	@if [ -z "$$ARPENT_CATALOG$$ARPENT_CONFIG" ] && [ ! -f arpent.toml ] && [ -d arpent-demo/landscape ]; then \
	  export ARPENT_DATABASE_URL=sqlite:///arpent-demo/arpent.db ARPENT_BUCKETS=arpent-demo/buckets; \
	  export ARPENT_CATALOG=arpent-demo/landscape/catalog; \
	fi; exec $(BIN)/arpent serve

kernels: $(READY) ## Compile the kernels that the tests of numbers need, so that none of these waits for it
	@$(BIN)/arpent warm
	@$(CHECKED) $(BIN)/arpent warm

test: $(READY) ## Run the tests, but those that take minutes or need services
	@$(BIN)/python -m pytest -m "not jobs and not slow and not services" $(PARALLEL)

test-jobs: $(READY) ## Run the tests of whole jobs through commands and HTTP; `make test` has some of them
	@$(BIN)/python -m pytest -m "jobs and not slow and not services" $(PARALLEL) tests/acceptance

test-slow: $(READY) ## Run the tests that kill, freeze, attack and take away
	@$(BIN)/python -m pytest -m "slow and not services" $(PARALLEL)

test-bounds: $(READY) ## Run the tests of numbers again, with every access of the kernels to an array checked
	@$(CHECKED) $(BIN)/python -m pytest -m "not slow and not services" $(PARALLEL) $(NUMBERS)

test-services: $(READY) ## Install and start PostgreSQL and Ceph, and run the tests that need them or Dask
	@tests/services/ensure.sh $(BIN)/python
	@$(BIN)/python -m tests.services $(BIN)/python -m pytest -m services $(PARALLEL)

image: ## Build the container image and run the demo in it; installs podman and buildah (BASE, BUILD_OPTIONS, RUN_OPTIONS)
	@containers/build.sh

lowest: $(READY) ## Test with the lowest versions that pyproject.toml allows, in an environment of its own
	@test -x $(LOWEST)/bin/python || $(BIN)/python -m venv $(LOWEST)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --resolution lowest-direct --no-emit-index-url --no-header pyproject.toml --all-extras --group dev -o $(LOWEST)/requirements.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(LOWEST)/requirements.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@NUMBA_CACHE_DIR=$(abspath $(LOWEST))/numba $(LOWEST)/bin/python -m pytest -m "not slow and not services" $(PARALLEL) \
	  -W "ignore:Conversion of an array with ndim" tests/unit tests/contracts tests/golden # pyproj over NumPy before 2.4

chaos: $(READY) ## Kill, freeze and take away for some minutes (CHAOS_ROUNDS, CHAOS_SEED)
	@CHAOS_ROUNDS=$${CHAOS_ROUNDS:-200} $(BIN)/python -m pytest -s tests/acceptance/test_chaos.py

fuzz: $(READY) ## Send mutated requests and read mutated files for minutes (FUZZ_SECONDS, FUZZ_COUNT, FUZZ_SEED)
	@FUZZ_COUNT=$${FUZZ_COUNT:-100000} FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(BIN)/python -m pytest -s tests/fuzz

check: $(READY) ## ruff, mypy (strict) and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(READY) ## Measure speed and memory against the decode floor and the peers; SIZE=S, M or L
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/bench.txt
	@$(BIN)/python -m benchmarks.bench --size $(or $(SIZE),S)

format: $(READY) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lock: $(READY) ## Pin the dependencies again (no registry host is written)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --extra server -o requirements/run.txt
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --all-extras --group dev -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --python-version 3.11 --group bench --constraint requirements/dev.txt -o requirements/bench.txt
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --python-version 3.11 --group docs --constraint requirements/dev.txt -o requirements/docs.txt
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --python-version 3.11 --group release --constraint requirements/dev.txt -o requirements/release.txt

docs: $(READY) ## Build the documentation's site into dist/site, strictly, and check its links
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/docs.txt
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build
	@$(BIN)/python release/check_site.py dist/site

dist: $(READY) ## Build wheel and sdist into dist/, with the page, and check what they hold
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/release.txt
	@rm -f dist/*.whl dist/*.tar.gz
	@BUILD_PAGE=required $(BIN)/python -m build --outdir dist .
	@$(BIN)/python release/check_package.py dist

sbom: dist ## Write dist/arpent.cdx.json: a bill of materials of the wheel, installed with its extras
	@rm -rf dist/.venv && $(BIN)/python -m venv dist/.venv
	@dist/.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements/dev.txt "$$(ls dist/*.whl)[server,postgres,dask,aws,otel,frames,conformance]"
	@$(BIN)/python release/sbom.py dist/.venv/bin/python dist/arpent.cdx.json

licences: $(READY) ## Write docs/licences.md from what is installed and from the page's packages
	@$(BIN)/python release/licences.py

clean: ## Remove the environment and caches
	rm -rf $(VENV) $(LOWEST) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
