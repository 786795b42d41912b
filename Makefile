# `make demo` and `make test` make everything they need: the virtual environment here, and where they are
# missing, and only as root on Debian, the system packages of the sandbox.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo sandbox test unit test-unit test-engine test-servers chaos bench check format lock clean docs screenshots

demo: .venv/installed
	$(BIN)/python -m tools.demo $(if $(ONCE),--once) $(if $(PACKAGE),--package $(PACKAGE))

# The stand-ins alone, to try things by hand, until Ctrl-C.
sandbox: .venv/installed
	$(BIN)/python -m tools.sandbox

# Three processes at the same time, which wait more than they work: for engine, servers and clocks.
test: check
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-engine test-servers test-unit

# What needs no Docker, no root and no server: for every change.
unit: .venv/installed
	FEW_EXAMPLES=1 $(BIN)/pytest release_assets_tests/unit

test-unit: .venv/installed
	$(BIN)/pytest release_assets_tests/unit --durations=10

test-servers: .venv/installed
	$(BIN)/pytest release_assets_tests/servers --durations=25

# One process: both use the one engine.
test-engine: .venv/installed
	$(BIN)/pytest release_assets_tests/engine release_assets_tests/end_to_end --durations=25

# Kills and faults, as in docs/chaos.md: half an hour and more. N=0 leaves the kills out.
chaos: .venv/installed
	$(BIN)/python -m tools.chaos $(if $(N),--kills $(N)) $(if $(SEED),--seed $(SEED))

# Ours against a plain script, as in docs/performance.md: 40 minutes. PAIRS=1 and ROWS=small measure less.
bench: .venv/installed
	$(BIN)/python -m benchmarks $(if $(PAIRS),--pairs $(PAIRS)) $(if $(ROWS),--rows $(ROWS))

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tools.words

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# uv installs the locked versions in seconds; pip is only there to bring uv, in its locked version.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo 'installing the system package python3-venv, which is missing'; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; }
	$(PYTHON) -m venv --clear .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

# The reference of all keys, from their descriptions in release_assets/project.
docs: .venv/installed
	$(BIN)/release-assets schema --markdown > docs/reference/configuration.md

# The documentation's pictures, by the test that drives the UI in a browser.
screenshots: .venv/installed
	RELEASE_ASSETS_SCREENSHOTS=docs $(BIN)/pytest release_assets_tests/end_to_end/browser

lock: .venv/installed
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-header --no-annotate pyproject.toml -o requirements.lock

# What demo and tests keep from one time to the next goes, too: engine storage, base image, downloads.
clean:
	rm -rf .venv .bench .demo .sandbox
