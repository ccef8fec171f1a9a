# make demo    install into .venv, bring the weights, answer calls for the demo company
# make test    the same set-up with the development tools, then all tests
# make check   lint, format, types, and the demo's configuration
# make bench   voice-to-voice of 20 calls at once over real SIP; fails when the budget is missed
# make bench-limits   what must hold under floods and kill -9, at its full size (minutes)
# make docs    draw the pages of docs/ that are drawn from the code (events, state tables, rooms)
# make lock    renew the exact versions            make clean   remove what these made (weights stay)
#
# Needed: Python 3.11, 3.12 or 3.13 with venv, and make. Packages and weights come from the index that pip is set up for.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# --no-deps: the lock names everything. --no-compile: only what is imported is compiled, a fifth of all. -qq: no warnings.
INSTALL := $(PIP) install -qq --no-deps --no-compile
FIND_PYTHON := for p in "$$PYTHON" python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo "$$p" && exit; done
DEMO_ARGS ?=
TEST_ARGS ?=
# Tests wait for phones more than they compute: two files at a time, each file in one process.
TEST_WORKERS ?= 2
FLOOD_ARGS ?= --per-s 500 --seconds 60 --calls 20 --budget
KILL_ARGS ?= --kills 100
BENCH_ARGS ?= --calls 20 --budget p50=400,p95=700 --out bench-out

.PHONY: demo test check bench bench-limits bench-start docs lock clean setup models
.DEFAULT_GOAL := demo

demo: setup models
	@exec $(BIN)/voicebot demo $(DEMO_ARGS)

test: $(VENV)/.tools models
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

check: $(VENV)/.tools models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/voicebot check

bench: setup models
	$(BIN)/voicebot bench latency $(BENCH_ARGS)

bench-limits: setup
	$(BIN)/voicebot bench edge flood $(FLOOD_ARGS)
	$(BIN)/voicebot bench kill $(KILL_ARGS)

# On an otherwise idle machine.
bench-start: setup models
	$(BIN)/voicebot bench start --budget warm_s=3,cold_s=6,rss_mb=380

docs: setup
	$(BIN)/python docs/draw.py

setup: $(VENV)/.installed

# The stamps hold nothing; their time says what they are newer than.
$(VENV)/bin/python:
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "voicebot needs Python 3.11, 3.12 or 3.13 with its venv module (Debian: apt install python3-venv);" >&2; \
		echo "none was found. Name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	echo "installing into $(VENV) with $$($$python --version); once, about a minute"; \
	$$python -m venv --clear $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements.lock pyproject.toml
	$(INSTALL) -r requirements.lock
	$(INSTALL) --editable .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q telephony voicebot
	@touch $@

$(VENV)/.tools: $(VENV)/.installed requirements-dev.lock
	$(INSTALL) -r requirements-dev.lock
	@touch $@

models: setup
	@$(BIN)/python -m voicebot.models pull

lock:
	@$(PIP) install --quiet uv
	@{ echo '# Exact versions that `make demo` and `make test` install, for Python 3.11 to 3.13. Made by `make lock`.'; \
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url pyproject.toml; } > $(VENV)/lock
	@{ echo '# What tools and tests need beside requirements.lock. Made by `make lock`.'; echo '-r requirements.lock'; \
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --extra dev --constraint $(VENV)/lock pyproject.toml | grep -vxFf $(VENV)/lock; } > $(VENV)/lock-dev
	mv $(VENV)/lock requirements.lock
	mv $(VENV)/lock-dev requirements-dev.lock

clean:
	rm -rf $(VENV) build dist *.egg-info bench-out .mypy_cache .ruff_cache .pytest_cache
	find telephony tests voicebot -name __pycache__ -prune -exec rm -rf {} +
