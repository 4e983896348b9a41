# mediadl: `make run` runs it, `make test` proves it. Needs python3 (3.11 or later) with venv, and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PYTEST := MEDIADL_TESTING=1 $(BIN)/python -m pytest
ON_POSTGRES := MEDIADL_TESTING=1 $(BIN)/python -m tests.postgres
# Half of the time tests wait for processes.
PARALLEL := -n 4 --dist worksteal
# In CI, what failed runs once more, alone: tests that kill processes and read clocks suffer from three others beside them.
# $(call tested,NAME,COMMAND): NAME keeps what failed in one part from what failed in another.
tested = $(call run,$(1),$(2))$(if $(CI), || { test $$? -eq 1 && $(call run,$(1),$(2)) --last-failed -n 0 --reruns 1 --reruns-delay 2; })
run = $(2) -o cache_dir=.pytest_cache/$(1) $(PYTEST_ARGS)
comma := ,
FAULTS_DATABASES ?= sqlite,postgres
# The long runs are in files that pytest does not collect by itself.
FAULTS := env MEDIADL_TESTING=1 $(BIN)/python -m pytest tests/faults -s -o python_files='test_*.py full_*.py'

# 5 is pytest's word for no tests: not every promise has some of each kind, or on each database.
PROMISED = ATTACKS=1 $(PYTEST) tests -s -o python_files='test_*.py full_*.py' --promise $(ID) $(PYTEST_ARGS)

MEASURED = $(BIN)/python -m tests.measured
# Being measured costs time, which some tests have little of.
MEASURED_TESTS := $(PARALLEL) -m "not browser and not unmeasured" --reruns 2 --reruns-delay 2
# Where the code asks which database it is on.
MEASURED_ON_POSTGRES := tests/accounts tests/api/test_idempotency.py tests/models tests/webhooks
# Models, engine, authentication.
COVERED_WHOLLY := accounts/models/*,downloads/models/*,webhooks/models/*,downloads/engine/*,accounts/authentication.py,accounts/keyformat.py,accounts/permissions.py,accounts/principal.py,accounts/sessions.py,accounts/views.py

.PHONY: help run test test-sqlite test-browser test-postgres promise promise-sqlite promise-postgres faults faults-sqlite faults-postgres attacks e2e ops-check bench lint types format coverage schema docs sbom messages requirements screenshots clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: .venv/.runtime ## migrate, then run web, workers and guard on http://127.0.0.1:8080
	@exec $(BIN)/python manage.py up

test: .venv/.dev ## the whole suite, on SQLite and then on a throw-away PostgreSQL
	$(MAKE) --no-print-directory test-sqlite
	$(MAKE) --no-print-directory test-browser
	$(MAKE) --no-print-directory test-postgres

# Browser tests run apart: Playwright leaves an event loop in the process that drives it.
test-sqlite: .venv/.dev
	$(call tested,sqlite,$(PYTEST) $(PARALLEL) -m "not browser")

test-browser: .venv/.dev
	$(call tested,browser,$(PYTEST) -n 2 -m browser)

# Tests of parts that know of no database have run already.
test-postgres: .venv/.dev
	$(call tested,postgres,$(ON_POSTGRES) $(BIN)/python -m pytest $(PARALLEL) -m "not browser" \
	  $(addprefix --ignore=tests/,asgi clients engine origin project))

attacks: .venv/.dev ## every attack by every way in: minutes more than `make test` has
	ATTACKS=1 $(PYTEST) tests/attacks $(PYTEST_ARGS)

# Both databases at once: most of the time is spent waiting. Two say nothing until they have ended.
faults: .venv/.dev ## every fault, the long runs too, on FAULTS_DATABASES (sqlite,postgres)
	@$(MAKE) --no-print-directory $(if $(findstring $(comma),$(FAULTS_DATABASES)),--jobs --output-sync=target) \
	  $(addprefix faults-,$(subst $(comma), ,$(FAULTS_DATABASES)))

faults-sqlite: .venv/.dev
	$(FAULTS) $(PYTEST_ARGS)

faults-postgres: .venv/.dev
	$(ON_POSTGRES) $(FAULTS) $(PYTEST_ARGS)

promise: .venv/.dev ## what measures one row of docs/promises.md, the long runs too: make promise ID=P7
	@test -n "$(ID)" || { echo "Which one? make promise ID=P7"; exit 2; }
	@for database in $$(echo $(FAULTS_DATABASES) | tr , ' '); do $(MAKE) --no-print-directory promise-$$database || exit 1; done

promise-sqlite: .venv/.dev
	$(PROMISED) -m "not browser" || test $$? -eq 5
	$(PROMISED) -m browser || test $$? -eq 5

promise-postgres: .venv/.dev
	$(ON_POSTGRES) env $(PROMISED) -m "not browser" || test $$? -eq 5

e2e: .venv/.dev ## whole workflows over HTTP, on a product of its own or on LIVE_API_URL with API_KEY
	$(PYTEST) tests/e2e -o python_files='test_*.py full_*.py' --force-enable-socket $(PYTEST_ARGS)

ops-check: .venv/.dev ## compose.yaml at work, a real Prometheus, nginx, bucket and backup, Railway's files
	$(PYTEST) tests/ops -o python_files='test_*.py full_*.py' $(PYTEST_ARGS)

bench: .venv/.bench ## the timings of docs/performance.md, each beside a baseline
	$(BIN)/python -m bench

lint: .venv/.dev ## ruff, templates, Dockerfile and deployment checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djade --target-version 5.2 $$(git ls-files 'templates/*.html')
	$(BIN)/hadolint Dockerfile
	$(BIN)/python manage.py makemigrations --check --dry-run
	PUBLIC_BASE_URL=https://mediadl.example $(BIN)/python manage.py check --deploy --fail-level WARNING

types: .venv/.dev ## mypy, strict
	$(BIN)/mypy .
	cd clients/python && MYPYPATH=src:tests ../../$(BIN)/mypy src && MYPYPATH=src:tests ../../$(BIN)/mypy tests

format: .venv/.dev ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: .venv/.dev ## branch coverage, in every process of the suite: 90 % at least, 100 % of COVERED_WHOLLY
	MEDIADL_TESTING=1 $(MEASURED) .coverage.sqlite $(MEASURED_TESTS) $(PYTEST_ARGS)
	$(ON_POSTGRES) $(MEASURED) .coverage.postgres $(MEASURED_TESTS) $(MEASURED_ON_POSTGRES) $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet .coverage.sqlite .coverage.postgres
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 --include='$(COVERED_WHOLLY)'

schema: .venv/.dev ## write docs/openapi.json from the code
	$(BIN)/python manage.py spectacular --format openapi-json --validate --fail-on-warn --file docs/openapi.json

# With --quiet it would not count the warnings that strict is about.
docs: .venv/.docs ## the documentation site into site/, with every link checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

sbom: .venv/.docs ## what runs: sbom.json (CycloneDX) and the licences in docs/licences.md
	$(BIN)/python ops/documents/licences.py
	$(BIN)/python ops/documents/sbom.py sbom.json

messages: .venv/.dev ## take new words for people into locale/, and compile it (needs gettext)
	$(BIN)/python manage.py makemessages --all --no-location --no-wrap --no-obsolete --ignore 'tests/*' --ignore 'bench/*' --ignore 'clients/*' --ignore 'ops/*'
	$(BIN)/python manage.py compilemessages

screenshots: .venv/.dev ## pictures of every page into docs/screenshots, from the running product (needs Chromium)
	MEDIADL_TESTING=1 $(BIN)/python -m tests.screenshots

requirements: ## lock the versions of pyproject.toml again (needs uv)
	uv lock --upgrade
	uv export -q --no-dev --format requirements.txt --no-header -o requirements.txt
	uv export -q --only-group dev --format requirements.txt --no-header -o requirements-dev.txt
	uv export -q --only-group bench --format requirements.txt --no-header -o requirements-bench.txt
	uv export -q --only-group docs --format requirements.txt --no-header -o requirements-docs.txt

clean: ## remove the virtual environment and caches, never data
	rm -rf .venv site sbom.json staticfiles .coverage* .measured htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mediadl needs Python 3.11 or later"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "No venv module: apt-get install python3-venv"; rm -rf .venv; exit 1; }

# A failed installation leaves no stamp, so that the next `make` tries again. The locks name everything, and pip resolves
# nothing: older ones refuse a locked package when another asks for an extra of it that has a newer release.
.venv/.runtime: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt -r requirements-dev.txt
	@$(BIN)/python -m pip check --disable-pip-version-check >/dev/null
	@touch $@

# With what the tests need, which start the product for benches, too.
.venv/.bench: requirements-bench.txt .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.txt
	@touch $@

.venv/.docs: requirements-docs.txt .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-docs.txt
	@touch $@
