# `make demo` and `make test` do all their own set-up on a fresh Debian 12 and are quick when there
# is nothing to do: a virtual environment in .venv, system packages through apt, guests in the cache.

PYTHON  := $(or $(shell command -v python3.11),python3)
VENV    := .venv
PY      := $(VENV)/bin/python
READY   := $(VENV)/ready
PYTEST_FLAGS ?= -q -n 2 --dist loadgroup

# command=package: the package is installed when the command is missing
TOOLS   := qemu-system-riscv64=qemu-system-misc riscv64-unknown-elf-gcc=gcc-riscv64-unknown-elf \
           riscv64-linux-gnu-objdump=binutils-riscv64-linux-gnu strace=strace

# One or two for each library that has a lower bound: quick, and without guests.
LOWEST_TESTS := tests/unit/replay/test_format.py tests/unit/replay/test_file.py \
    tests/unit/machine/test_images.py tests/unit/machine/test_dtb.py tests/unit/ui/test_cache.py \
    tests/unit/ui/test_locate.py tests/unit/det tests/unit/test_packaging.py

SUDO    := $(if $(filter-out 0,$(shell id -u)),sudo)
INSTALL := $(SUDO) apt-get update -qq && \
           $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

help: # Say what each target does.
	@sed -n 's/^\([a-z]*\):[^#]*# \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: $(READY) # Record the lottery on two harts, replay it, and run it once more unrecorded.
	@$(PY) -m lockstep demo

test: $(READY) system guests # Run the tests (the guests of the tests are fetched first).
	@$(PY) -m pytest $(PYTEST_FLAGS)

check: $(READY) # Lint, type-check, and hold the floors to their contracts.
	@$(PY) -m ruff check --quiet
	@$(PY) -m ruff format --check --quiet
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

lowest: $(READY) # Try the oldest libraries that pyproject.toml allows, on a sample of the tests.
	@$(PY) -m venv --clear build/lowest
	@build/lowest/bin/python -m pip install --quiet --quiet --disable-pip-version-check \
	    --constraint constraints-lowest.txt . pytest pytest-timeout hypothesis
	@build/lowest/bin/python -m lockstep --version
	@build/lowest/bin/python -m pytest -q -o pythonpath='tests .' $(LOWEST_TESTS)

bench: TOOLS += gcc=build-essential
bench: $(READY) system guests # Measure against QEMU, in one run (BENCH_FLAGS=-h tells more).
	@$(MAKE) --no-print-directory --quiet -C guests native
	@$(PY) -m bench $(BENCH_FLAGS)

stress: $(READY) system guests # Try what lockstep promises until it breaks (STRESS_FLAGS=-h tells more).
	@$(PY) -m stress $(STRESS_FLAGS)

docs: $(READY) # Write the tables of docs/reference from the code's own, and check the links.
	@$(PY) docs/build.py

guests: $(READY) system # Build our own guests and fetch Debian's.
	@$(MAKE) --no-print-directory --quiet -C guests
	@$(PY) -m lockstep guests fetch

system: # Install the missing system packages (apt).
	@missing=; for pair in $(TOOLS); do \
	    command -v $${pair%%=*} >/dev/null || missing="$$missing $${pair##*=}"; \
	done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; $(INSTALL) $$missing >/dev/null; fi

clean: # Remove what was made here (not the guests in the cache).
	rm -rf $(VENV) build guests/build .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	    .import_linter_cache

$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV)"
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || \
	    { $(INSTALL) python3-venv >/dev/null; $(PYTHON) -m venv --clear $(VENV); }
	@PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(PY) -m pip install --quiet --quiet \
	    --disable-pip-version-check --editable '.[dev]'
	@touch $@

.DELETE_ON_ERROR:
.PHONY: help demo test check lowest bench stress docs guests system clean
