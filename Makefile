# One command for each wish; `make help` lists them. Everything is installed into .venv, nothing elsewhere.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PINS := docker/constraints.txt
EXTRAS ?= train,view,test
PYTEST_ARGS ?= -n 2

.DEFAULT_GOAL := help
.PHONY: help demo test install render lint types unit sanitize schema definitions format bench clean jobs

help: ## list the commands
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 12

demo: install ## set up, train the quickstart on this machine, write pictures, video and report
	$(BIN)/python launch.py configs/quickstart.yaml

test: install .render-if-possible lint types unit sanitize ## everything that this machine can run; each skip says its reason

render: $(VENV)-render/.installed ## make .venv-render with Blender as a library, for `data render-objects` (1 GB)

# Blender's releases are built for these two versions of Python, and their NumPy is older than that of .venv.
RENDER_PYTHON ?= $(shell for name in python3.11 python3.13 python3; do \
  $$name -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 13)})' 2>/dev/null && echo $$name && break; done)
RENDER_PINS := docker/constraints_render.txt

$(VENV)-render/.installed: $(RENDER_PINS)
	@test -n "$(RENDER_PYTHON)" || \
	  { echo "Blender as a library needs Python 3.11 or 3.13; name one: make RENDER_PYTHON=/path/to/python3.11 render"; exit 2; }
	@test -x $(VENV)-render/bin/python || $(RENDER_PYTHON) -m venv $(VENV)-render
	PIP_CONSTRAINT=$(RENDER_PINS) $(VENV)-render/bin/python -m pip install --disable-pip-version-check -q bpy
	@touch $@

# The tests that need Blender skip without it, and say so: an offline machine can be tested too.
.PHONY: .render-if-possible
.render-if-possible:
	@$(MAKE) --no-print-directory render || echo "no Blender could be installed; the tests that need it will skip"

install: $(VENV)/.installed ## make .venv with the pinned packages and build the kernels

# The stamp is remade when the pins, the package's metadata or the kernel sources change.
$(VENV)/.installed: pyproject.toml $(PINS) CMakeLists.txt $(shell find csrc -type f 2>/dev/null)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than Python 3.10; name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	PIP_CONSTRAINT=$(PINS) $(BIN)/python -m pip install --disable-pip-version-check -q -e '.[$(EXTRAS)]'
	@touch $@

lint: install ## style of Python sources and text
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## static types, strict
	$(BIN)/mypy

# Real schedulers and time limits are at the mercy of what else runs: what failed beside others is tried once by itself.
unit: install ## the tests; what fails is tried once more by itself, and named
	$(BIN)/python -m pytest $(PYTEST_ARGS) || \
	  { echo "== once more, by itself, what failed:"; $(BIN)/python -m pytest -n 0 --last-failed --last-failed-no-failures none; }

sanitize: install ## the tests of the ops on CPU kernels built with AddressSanitizer and UBSan
	csrc/sanitize.sh $(BIN)/python

bench: install ## benchmarks: one JSON document; BENCH_ARGS="hash_step --out FILE" narrows and keeps it
	$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

schema: install ## write the JSON Schema that editors use
	$(BIN)/python -m nsg_cluster.config.json_schema

jobs: install ## write the scripts that are submitted by hand
	$(BIN)/python -m nsg_cluster.runs.by_hand

definitions: install ## write singularity/*.def from docker/Dockerfile*
	$(BIN)/python -m nsg_cluster.container.committed

format: install ## lay out the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what was built here (runs are kept)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
