# Needs Python 3.11 or newer, make and a package index; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
# Bytecode is kept, whatever the environment says: else every process of the tests compiles Tidings anew.
export PYTHONDONTWRITEBYTECODE :=
BIN := $(VENV)/bin
# What is imported is compiled when it first is; most of what is installed never is.
INSTALL := $(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt
PROTOS := $(shell find protos -name '*.proto')
BUILT := pyproject.toml constraints.txt hatch_build.py $(PROTOS)

.PHONY: help demo test check bench soak month chaos released format clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

# Each stamp stands for an installation; the generated protobuf code is part of every one of them.
$(VENV)/.run: $(BIN)/pip $(BUILT)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.test: $(BIN)/pip $(BUILT)
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/.run

$(VENV)/.dev: $(BIN)/pip $(BUILT)
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.run $(VENV)/.test

$(VENV)/.bench: $(BIN)/pip $(BUILT)
	$(INSTALL) --editable '.[bench]'
	@touch $@ $(VENV)/.run $(VENV)/.test

demo: $(VENV)/.run ## Show events going in and messages coming out. ARGS=--stay leaves the gateway up.
	$(BIN)/tidings demo $(ARGS)

# More workers than cores: many tests wait for a process or a lease.
WORKERS ?= 3
test: $(VENV)/.test ## Run the tests of every day; LONG=1 runs every test. ARGS goes to pytest.
	$(if $(LONG),TIDINGS_LONG=$(LONG) )$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/.dev ## Everything CI checks: format, lint, types, import contracts, protos, tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf breaking --against protos/released.binpb
	$(BIN)/tidings check rules
	$(BIN)/tidings test rules --min-coverage 100
	$(MAKE) test LONG=1

bench: $(VENV)/.bench ## Print the benchmark table, each figure beside its peer. ONLY=row runs one.
	$(BIN)/python tests/bench

SECONDS ?= 600
soak: $(VENV)/.test ## Run the gateway for ten minutes: is memory level, is nothing lost? SECONDS=60 is shorter.
	$(BIN)/python tests/soak.py --seconds $(SECONDS)

KILLS ?= 200
STORE ?= sqlite
chaos: $(VENV)/.test ## Kill gateways at random moments: is nothing lost, nothing sent twice without need? STORE=postgres for three. SEED=1 for its dice.
	$(BIN)/python tests/chaos.py --kills $(KILLS) --store $(STORE) $(if $(SEED),--seed $(SEED))

month: $(VENV)/.test ## Simulate a month for 10,000 customers in 24 zones, and one for three gateways on PostgreSQL. CUSTOMERS=50000 is more.
	TIDINGS_LONG=1 TIDINGS_MONTH_CUSTOMERS=$(or $(CUSTOMERS),10000) $(BIN)/python -m pytest -m long tests/system/test_simulated_month.py --show-capture=no

released: $(VENV)/.dev ## Renew what buf breaking compares with: the contract as handed out.
	$(BIN)/buf build -o protos/released.binpb

format: $(VENV)/.dev ## Format the code and mend what can be mended by itself.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what was installed and built.
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
