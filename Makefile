# Every task of the project; `make` alone lists them. Needs GNU make (3.81 or later) and a Python 3.13.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest --durations=10 --durations-min=1
# Stamps: the environment as it is made, with what membox needs, and with what checking it needs.
MADE := $(VENV)/.made
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: $(RUNTIME) ## Run membox in the foreground on 127.0.0.1:8080 (PORT=9000 and MEMBOX_HOME=… change that)
	@exec $(BIN)/membox daemon start $(if $(PORT),--port $(PORT))

.PHONY: test
test: check tools ## Check and test everything, as CI does
	$(PYTEST) -n 2 -m "not reliability"
	$(PYTEST) -m reliability
	.ci/molecule default upgrade restore cloudinit

.PHONY: unit
unit: $(DEV) ## Run the quick tests, in under a minute
	$(PYTEST) -n 2 -m "not (browser or slow or reliability)" --ignore=tests/e2e --ignore=tests/reliability

.PHONY: molecule
molecule: $(DEV) ## Make boxes of blank machines in containers, every scenario (SCENARIO=default: one)
	.ci/molecule $(SCENARIO)

.PHONY: check
check: $(DEV) ## Check style, types, YAML and shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy appliance examples molecule tests
	$(BIN)/yamllint --strict .
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/ansible-lint --offline -q
	$(BIN)/shellcheck $$(grep -rlIE '^#!/(usr/)?bin/(env )?(ba)?sh' .ci appliance cloud-init molecule roles/*/files tests)

.PHONY: format
format: $(DEV) ## Put the code into the agreed form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(RUNTIME) ## Measure capture, remember and recall beside bare SQLite (MILLION=1: up to a million items)
	$(BIN)/python -m appliance.bench $(if $(MILLION),--million)

.PHONY: wheel
wheel: $(RUNTIME) ## Build the wheel into dist/
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

.PHONY: lock
lock: $(DEV) ## Compile the lock files from pyproject.toml (UPGRADE=1 takes the newest versions)
	$(call compile,requirements.lock,pyproject.toml --extra embedding --extra llm --extra mcp --extra notify --extra postgres)
	$(call compile,requirements-provision.lock,pyproject.toml --extra provision --constraints requirements.lock)
	$(call compile,requirements-build.lock,--group build --constraints requirements.lock)
	$(call compile,requirements-dev.lock,pyproject.toml --all-extras --group dev --constraints requirements.lock)

# With hashes, for every platform, naming no index: mirrors and offline machines use the same files.
compile = $(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) \
	--output-file $(1) $(2)

.PHONY: clean
clean: ## Remove what make, the tests and the tools have left
	rm -rf $(VENV) dist build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find appliance tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: tools
tools:
	@.ci/tools

$(MADE): .python-version
	@python=$$(.ci/find-python) && echo "Setting up $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)
	@touch $@

$(RUNTIME): $(MADE) pyproject.toml requirements.lock requirements-build.lock
	$(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUNTIME) requirements-dev.lock
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
