# Two commands to know: `make run` and `make test`. `make help` lists the others. PYTHON= chooses the Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/__init__.py)
LOCK = $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --python-version 3.11 \
	--python-platform linux --custom-compile-command 'make lock'
# Five at a time, as many wait for something most of the time. Each has a fifth of the files, in their order, so that
# what a file sets up is set up once; who is done first takes from the end of another's fifth.
PYTEST = $(BIN)/pytest --numprocesses=5 --dist=worksteal
QUICK = -m 'not programs and not slow'
# How many times as many examples property tests try.
EXAMPLES ?= 1
export EXAMPLES
# How many mutants of each group of modules, or `all`; another seed chooses others. ONLY= names modules of the sample.
SAMPLE ?= 50
SEED ?= 1
ONLY ?=
# How long `make chaos`, `make soak` and `make fuzz` take. Without SEED= on the command line, each run chooses others.
SECONDS ?= 1800
FAULTS_SEED = $(if $(filter command environment,$(firstword $(origin SEED))),$(SEED))
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tests start hundreds of processes, and each would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: FORCE help run check test test-all coverage programs mutants lint format docs site pictures rules manifests lock image packages bench audit chaos soak fuzz matrix network version clean

.NOTPARALLEL:

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(BIN)/batch-exporter ## run with ./config.yaml if there is one, else the demo; ARGS= adds flags
	@if [ -e config.yaml ]; then exec $(BIN)/batch-exporter --config.file=config.yaml $(ARGS); else exec $(BIN)/batch-exporter demo $(ARGS); fi

check: $(VENV)/.test lint ## lint, types and unit tests, in under a minute
	$(PYTEST) $(QUICK) tests/unit

test: $(VENV)/.test lint ## check and test what needs nothing but Python, git and make (EXAMPLES=10)
	$(PYTEST) $(QUICK)

test-all: programs $(VENV)/.test-all lint ## install programs, and check and test everything
	$(PYTEST)

coverage: $(VENV)/.coverage ## measure which branches `make test` runs; below the floor it fails
	$(PYTEST) $(QUICK) --cov --cov-report=term --cov-report=html:build/coverage

lint: | $(VENV)/.test ## check style, spelling and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

mutants: $(VENV)/.mutants ## measure how many mutations of the code the tests notice (SAMPLE=50 SEED=1)
	$(BIN)/python tools/mutants.py --sample=$(SAMPLE) --seed=$(SEED) $(if $(ONLY),--only $(ONLY))

programs: $(VENV)/.made ## install the programs that test-all runs
	$(BIN)/python -m tools.programs

format: $(VENV)/.test ## format the code and fix what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pictures: programs $(VENV)/.test-all ## take the pictures in docs/ again; it takes a quarter of an hour
	$(BIN)/python -m tools.screenshots
	$(BIN)/python -m tools.panel_pictures

docs: $(VENV)/.test ## write the pages that are generated from the code
	$(BIN)/batch-exporter metrics > docs/metrics.md
	$(BIN)/batch-exporter check --print-schema > docs/config.schema.json
	$(BIN)/python -m grafana
	$(BIN)/python -m tools.demo_picture > docs/demo.svg
	$(BIN)/python -m tools.flag_table
	$(BIN)/python -m tools.fault_matrix
	$(BIN)/python -m tools.runbooks > exporter/web/pages/runbooks.html
	$(BIN)/python -m tools.rooms > docs/rooms.svg
	$(BIN)/python -m tools.helm_chart

site: $(VENV)/.site ## build the pages into site/, with a search
	$(BIN)/python -m mkdocs build --strict

# The variables arrive in the environment, where no shell reads them.
rules: ## write the alerts with your addresses into build/rules (EXTERNAL_URL=, GRAFANA_URL=, OUTPUT=; DATASOURCE_UID= for Grafana's)
	@'$(PYTHON)' -m tools.rules

manifests: ## write the manifest that is generated from prometheus/rules (RULES=build/rules)
	deploy/kubernetes/operator/prometheusrule.sh $(RULES) > deploy/kubernetes/operator/prometheusrule.yaml

lock: $(BIN)/batch-exporter ## lock what the image installs to the newest versions that pyproject.toml allows
	$(BIN)/pip install --quiet uv
	$(LOCK) --extra postgres --output-file deploy/image/requirements.txt pyproject.toml
	sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml | $(LOCK) --output-file deploy/image/build-requirements.txt -

image: ## build the container image
	docker build --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		--build-arg BATCH_EXPORTER_REVISION=$$(git rev-parse HEAD) --tag batch-exporter:$(VERSION) .

packages: $(VENV)/.made ## build the deb and the rpm package into dist/, for the Python of .venv (PYTHON=)
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) BATCH_EXPORTER_REVISION=$$(git rev-parse HEAD) \
		$(BIN)/python -m tools.packages

bench: $(BIN)/batch-exporter ## measure what polling costs, and write it into docs/performance.md and docs/intervals.md
	$(BIN)/python -m benchmarks
	$(BIN)/python -m tools.interval_costs

audit: $(VENV)/.made ## look for known vulnerabilities in what the image installs
	$(BIN)/pip install --quiet --editable '.[audit]'
	$(BIN)/pip-audit --strict --disable-pip --require-hashes \
		--requirement deploy/image/requirements.txt --requirement deploy/image/build-requirements.txt

chaos: programs $(VENV)/.test ## put replicas through random faults, and check what they count (SECONDS=1800 SEED=)
	$(BIN)/python -m tools.chaos $(SECONDS) $(FAULTS_SEED)

soak: programs $(VENV)/.test ## run for long under faults, reloads and kills, and look for what grows (SECONDS=1800 SEED=)
	$(BIN)/python -m tools.soak $(SECONDS) $(FAULTS_SEED)

fuzz: $(VENV)/.fuzz ## try inputs that no test has, of all kinds, and keep those that are too much (SECONDS=1800 SEED= TARGET=)
	$(BIN)/python -m tools.fuzz $(SECONDS) $(FAULTS_SEED) $(TARGET)

network: programs $(VENV)/.test ## put the exporter on bad networks of the kernel, and check what it counts
	$(BIN)/python -m tools.network

matrix: $(VENV)/.test ## put every fault to every collector in every phase of polling; it takes minutes
	MATRIX=all $(PYTEST) tests/integration/matrix

version: ## print the version
	@echo $(VERSION)

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) build site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

# Another Python's or another checkout's environment is made again; the packages are installed again where it was.
$(VENV)/.made: FORCE
	@GOAL='$(firstword $(MAKECMDGOALS))' tools/venv $(VENV) '$(PYTHON)'

$(BIN)/batch-exporter: $(VENV)/.made pyproject.toml exporter/__init__.py
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml exporter/__init__.py
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@ $(BIN)/batch-exporter

$(VENV)/.coverage: $(VENV)/.test pyproject.toml
	$(BIN)/pip install --quiet --editable '.[coverage]'
	@touch $@

$(VENV)/.mutants: $(VENV)/.test pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test,mutants]'
	@touch $@

$(VENV)/.fuzz: $(VENV)/.test pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test,fuzz]'
	@touch $@

$(VENV)/.site: $(VENV)/.made pyproject.toml
	$(BIN)/pip install --quiet --editable '.[site]'
	@touch $@ $(BIN)/batch-exporter

$(VENV)/.test-all: $(VENV)/.made pyproject.toml exporter/__init__.py tests/grafana/package-lock.json
	$(BIN)/pip install --quiet --editable '.[test-all]'
	mkdir -p $(VENV)/grafana && cp tests/grafana/package*.json $(VENV)/grafana
	PATH="$(abspath $(BIN)):$$PATH" npm ci --prefix $(VENV)/grafana --no-audit --no-fund --loglevel=error
	@touch $@ $(VENV)/.test $(VENV)/.site $(BIN)/batch-exporter
