# mlproxy: the two commands of the README are `make run` and `make test`.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
PROFILES ?= ssd-dilated ssd-5ms
# An adapter that another device shows more of.
PROFILES_writeback ?= stick
ADAPTERS := readahead iosched writeback
# What `make test` hands to pytest, e.g. PYTEST="-k gate".
PYTEST  ?=
# Which benchmarks, e.g. BENCHES="grid noharm"; each must succeed, and all are tried.
BENCHES ?= reaction grid iosched noharm cost writeback

.DEFAULT_GOAL := help
.PHONY: help run test lint format models record train bench bench-quick benches demo lock dist clean
.PHONY: kernel test-kernel test-kernel-deep bench-kernel check-kernel lab-shell
.SUFFIXES:
.DELETE_ON_ERROR:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.ready  ## make .venv and show what mlproxy would change on this machine
	@$(BIN)/mlproxy apply --dry-run

test: $(VENV)/.ready  ## run the tests; as root also those on the test bed
	@$(BIN)/python -m pytest -q --ignore tests/kernel $(PYTEST)

lint: $(VENV)/.ready  ## ruff and mypy --strict
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy --strict

format: $(VENV)/.ready  ## let ruff repair what it can
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

demo: $(VENV)/.ready  ## the agent at work on a test device, about 60 s (root)
	@$(BIN)/mlproxy demo

kernel:  ## get Linux 6.12 and build User Mode Linux with the series (no root, 12 minutes)
	@kpatches/scripts/get-source.sh
	@kpatches/scripts/apply.sh
	@kpatches/scripts/build.sh um

test-kernel: kernel $(VENV)/.ready  ## KUnit, kselftest and the agent in that kernel; x86_64 in QEMU
	@kpatches/scripts/kunit.sh
	@kpatches/scripts/selftest.sh um
	@$(BIN)/python -m pytest -q tests/kernel $(PYTEST)
	@kpatches/scripts/smp.sh
	@kpatches/scripts/overhead.sh

test-kernel-deep: kernel  ## KASAN, lockdep and KCSAN on x86_64 under stress (hours; STRESS=600 s each)
	@kpatches/scripts/deep.sh

bench-kernel: kernel $(VENV)/.ready  ## RocksDB's six in that kernel, default, best static value and agent (an hour)
	@kpatches/scripts/perf.sh
	@$(BIN)/python kpatches/checks/rocksdb.py --jobs 2

check-kernel: kernel  ## what was measured on the series, once more (RUNS=20 times each)
	@kpatches/scripts/test.sh
	@kpatches/checks/series.sh

lab-shell: kernel $(VENV)/.ready  ## a shell in that kernel: the agent on the path, a test device
	@kpatches/scripts/boot.sh -i um "$(CURDIR)/kpatches/scripts/lab-shell.sh"

bench: $(VENV)/.ready  ## measure the numbers of docs/performance.md in full (root, hours)
	@status=0; for name in $(BENCHES); do \
	  $(BIN)/python -m mlproxy.lab.bench $$name --out docs/bench || status=1; done; exit $$status

bench-quick: $(VENV)/.ready  ## the same code on a small scale (root, minutes)
	@status=0; for name in $(BENCHES); do \
	  $(BIN)/python -m mlproxy.lab.bench $$name --quick || status=1; done; exit $$status

# What CI runs on a small scale: writeback takes ten minutes of filling and draining even then.
benches:
	@echo $(filter-out writeback,$(BENCHES))

models: record train  ## record rows anew and make the shipped models from them (root, hours)

record: $(ADAPTERS:%=training/%.jsonl.gz.new)
	@for name in $(ADAPTERS); do mv training/$$name.jsonl.gz.new training/$$name.jsonl.gz; done

train: $(ADAPTERS:%=train-%)  ## make the shipped models again from the rows in training/

training/%.jsonl.gz.new: $(VENV)/.ready
	@mkdir -p data training
	@$(BIN)/mlproxy record $* $(foreach p,$(or $(PROFILES_$*),$(PROFILES)),--profile $p) -o data/$*.jsonl
	@gzip -9nc data/$*.jsonl >$@
	@rm data/$*.jsonl

.PHONY: $(ADAPTERS:%=train-%)
$(ADAPTERS:%=train-%): train-%: $(VENV)/.ready
	@$(BIN)/mlproxy train $* training/$*.jsonl.gz -o adapters/mlproxy_$*/model

# The lock comes first and alone, so that nothing is installed that it does not name.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "mlproxy needs Python 3.11 or later; name one with: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once, about a minute)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
	  --require-hashes --only-binary :all: --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
	  --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## choose new versions for requirements.lock (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-annotate --no-header --extra dev --extra build --extra bench \
	  pyproject.toml --output-file requirements.lock

dist: $(VENV)/.ready  ## build the wheel and the source archive
	@$(BIN)/python -m hatchling build -t sdist -t wheel

clean:  ## remove what the other targets made, but not recorded rows
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
