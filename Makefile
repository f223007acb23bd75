# Every target works on a fresh checkout: what it needs in .venv is built first.
# Needs make and Python 3.11 or newer with its venv module; `make demo PYTHON=python3.12` picks another one.

PYTHON ?= python3
UV ?= uv
VENV := .venv
CLIENTS := .venv-clients
PEERS := .venv-peers
RUN := $(VENV)/bin/python
# Written last, so that an interrupted setup starts over.
READY := $(VENV)/.ready
PIP := $(RUN) -m pip --disable-pip-version-check --no-input
# Further arguments for the program behind a target: make demo ARGS="--orders 60", make test ARGS=tests/test_core_money.py
ARGS ?=
# A file of tests stays in one process, which starts its servers once; `make test PARALLEL=` runs all in one.
# A process that ends with a test that hangs is not started again: it would hang again.
PARALLEL ?= --numprocesses auto --dist loadfile --max-worker-restart 0

.PHONY: help setup demo up browser optools test soak drills clients teeth check lint types docs schema simplified bench peers lock clean

help:
	@echo "make demo    orders go through all six steps on a local stack, with a report"
	@echo "make up      the local stack and a worker, until Ctrl-C"
	@echo "make test    all tests"
	@echo "make clients clients generated from the OpenAPI document settle orders, and schemathesis asks"
	@echo "make soak    the large numbers: hours of random lives, examples and faults"
	@echo "make drills  loss of Temporal, restores, an upgrade and back, each on a stack of its own"
	@echo "make teeth   planted money bugs, each caught by its suite"
	@echo "make check   lint, format, types, all tests"
	@echo "make bench   what an order and a posting cost, against the plain ways"
	@echo "make peers   the same order on other engines, beside the product"
	@echo "make docs    docs/contract.md and docs/schemas from the models"
	@echo "make schema  ledger/schema.sql from the migrations"
	@echo "make simplified  the table of simplified characters from OpenCC"
	@echo "make lock    requirements.lock from pyproject.toml (needs uv)"
	@echo "make clean   the environment and all caches; the data in var/ stays"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Dakuan needs Python 3.11 or newer; $(PYTHON) is older or missing. Try make PYTHON=python3.12." >&2; exit 1; }
	@echo "Building $(VENV): once, from requirements.lock, about 900 MB, in a minute or a few ..."
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv." >&2; exit 1; }
	@$(PIP) install -qq --only-binary :all: --require-hashes -r requirements.lock
	@$(PIP) install -qq --no-build-isolation --no-deps -e .
	@touch $@
	@echo "$(VENV) is ready."

demo: $(READY)
	$(RUN) starter.py demo $(ARGS)

up: $(READY)
	$(RUN) starter.py up $(ARGS)

CHINESE := /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

# The console's tests drive a real Chromium, and look at Chinese pages.
browser:
	@{ command -v chromium-headless-shell && ls $(CHINESE); } >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-noto-cjk; } >/dev/null \
	  || { command -v chromium && ls $(CHINESE); } >/dev/null 2>&1 \
	  || { echo "The console's tests need Chromium and Chinese fonts: apt-get install chromium-headless-shell fonts-noto-cjk" >&2; exit 1; }

# The alert rules are tested by Prometheus's own tool, the units by systemd's, the pool behind a real PgBouncer.
optools:
	@PATH="$$PATH:/usr/sbin"; OPTOOLS="prometheus systemd pgbouncer"; \
	{ command -v promtool && command -v systemd-analyze && command -v pgbouncer; } >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends $$OPTOOLS; } >/dev/null \
	  || { echo "The tests of ops/ and of the pool need more: apt-get install $$OPTOOLS" >&2; exit 1; }

test: $(READY) browser optools
	$(RUN) -m pytest $(PARALLEL) $(ARGS)

soak: $(READY)
	$(RUN) tests/support/soak.py $(ARGS)

drills: $(READY)
	$(RUN) -m bench drill $(ARGS)

# Tools that disagree with the lock have an environment of their own.
$(CLIENTS)/.ready: tests/clients/requirements.txt
	@$(PYTHON) -m venv --clear $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip --disable-pip-version-check --no-input install -qq --only-binary :all: -r $<
	@touch $@

clients: $(READY) $(CLIENTS)/.ready
	@command -v npm >/dev/null || { echo "The client in TypeScript needs npm: apt-get install npm" >&2; exit 1; }
	PYTHONPATH=. $(RUN) tests/support/clients.py --tools $(CLIENTS)/bin $(ARGS)

teeth: $(READY)
	$(RUN) tests/support/teeth.py $(ARGS)

check: lint types test

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(READY)
	$(RUN) -m mypy

docs: $(READY)
	$(RUN) -m docs.generate

simplified: $(READY)
	$(RUN) -m docs.simplified

schema: $(READY)
	$(RUN) -m docs.schema

bench: $(READY)
	$(RUN) -m bench orders
	$(RUN) -m bench ledger
	$(RUN) -m bench actions

# Other engines lie in a folder of their own: nothing of the product may come to need them.
$(PEERS)/.ready: $(READY) bench/peers/requirements.txt bench/peers/package-lock.json
	@command -v npm >/dev/null || { echo "The server of Restate needs npm: apt-get install npm" >&2; exit 1; }
	@rm -rf $(PEERS)
	@$(PIP) install -qq --only-binary :all: --no-deps --require-hashes --target $(PEERS) -r bench/peers/requirements.txt
	@cp bench/peers/package.json bench/peers/package-lock.json $(PEERS)
	@npm ci --prefix $(PEERS) --ignore-scripts --no-audit --no-fund --silent
	@ln -sf $(CURDIR)/$(PEERS)/node_modules/@restatedev/restate-server-*/bin/restate-server $(PEERS)/bin/
	@touch $@

peers: $(PEERS)/.ready
	PATH="$(CURDIR)/$(PEERS)/bin:$$PATH" PYTHONPATH=$(PEERS) $(RUN) -m bench peers $(ARGS)

# Exact pins with hashes for every Python from 3.11 on; names no address, so that any registry or mirror serves it.
lock:
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --all-extras --group build -o requirements.lock pyproject.toml
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links -c requirements.lock -o bench/peers/requirements.txt \
	  bench/peers/requirements.in
	npm install --prefix bench/peers --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
