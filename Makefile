# Every target sets up what it needs in .venv by itself; a changed pyproject.toml or constraints.txt sets it up again.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
JOBS ?= 2

BIN := $(VENV)/bin
USER_READY := $(VENV)/.ready-train
DEVELOPER_READY := $(VENV)/.ready-dev
PEERS_READY := $(VENV)/.ready-peers

# One thread a process: results stay the same bit for bit, and parallel tests do not fight for cores.
export OMP_NUM_THREADS := 1
# Exact versions, for the packages that build ours as well.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-guard studies docs clean

help:
	@echo "make demo    compare methods on real handwritten digits and write a report"
	@echo "make test    checks, then every test that this machine can run"
	@echo "make lint    the checks alone: style, imports, types"
	@echo "make bench   the benchmarks, into docs/ (ONLY=triplets: some of them, SINCE=2026-11-21: those not measured since);"
	@echo "             DEVICE=cuda: losses on a GPU; bench-guard: fail where a ratio got worse"
	@echo "make studies the long simulations that the documentation quotes"
	@echo "make docs    the documentation, in site/"
	@echo "make clean   remove .venv and what was built"

demo: $(USER_READY)
	$(BIN)/nearkin compare quickstart

test: lint
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile -r fEs

lint: $(DEVELOPER_READY)
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(PEERS_READY)
	$(BIN)/python benchmarks/run.py $(if $(DEVICE),--device $(DEVICE)) $(if $(ONLY),,--publish) $(if $(SINCE),--not-since "$(SINCE)") --only "$(ONLY)"

bench-guard: $(PEERS_READY)
	$(BIN)/python benchmarks/run.py --guard --only "$(ONLY)"

studies: $(DEVELOPER_READY)
	@for file in benchmarks/studies/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

docs: $(DEVELOPER_READY)
	$(BIN)/zensical build --clean --strict

clean:
	rm -rf $(VENV) build dist site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(USER_READY): $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing nearkin and what it trains with into $(VENV) (a minute or two) ..."
	@$(BIN)/python -m pip install -qq --editable ".[train,gallery]"
	@touch $@

$(DEVELOPER_READY): $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing nearkin with its tests, checks and documentation tools into $(VENV) (a minute or two) ..."
	@$(BIN)/python -m pip install -qq --editable ".[dev]"
	@touch $@

$(PEERS_READY): $(DEVELOPER_READY) benchmarks/peers.txt
	@echo "Installing what the benchmarks compare with into $(VENV) ..."
	@$(BIN)/python -m pip install -qq --no-deps --requirement benchmarks/peers.txt
	@touch $@
