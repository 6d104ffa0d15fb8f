# Two commands for a newcomer: `make demo` and `make test`. Both need Python >= 3.11, venv and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check oldest newest browsers recall kills hostile bench fuzz clean

demo: $(VENV)/run
	$(BIN)/imgfetch demo

test: $(VENV)/dev
	$(BIN)/python -m pytest

# What CI holds the code to besides the tests.
check: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Tests of what stands on other packages, beside the oldest and the newest of them that pyproject.toml allows.
# All tests: make oldest TESTS=tests
oldest newest: %: build/%/made
	build/$@/bin/python -m pytest -p no:cacheprovider $(or $(TESTS),$(STANDING))

STANDING := $(patsubst %,tests/test_%.py,avif caching cli client connect connection crawling css discovery doctor \
	encoding gif html http_urls jpeg libjpeg libwebp markup_urls pillow png pool pooled retrying sandbox vectors webp)

build/oldest/made: pyproject.toml tests/oldest.py
	$(PYTHON) -m venv --clear build/oldest
	build/oldest/bin/python tests/oldest.py > build/oldest/constraints.txt
	build/oldest/bin/python -m pip install --quiet --disable-pip-version-check --constraint build/oldest/constraints.txt \
		--editable . $(TESTING)
	touch $@

# Made anew each time: what is newest today need not be what was.
.PHONY: build/newest/made
build/newest/made:
	$(PYTHON) -m venv --clear build/newest
	build/newest/bin/python -m pip install --quiet --disable-pip-version-check --editable . $(TESTING)

TESTING := pytest hypothesis trustme

# Our choices beside Chromium's and Firefox's on thousands of drawn pages, every disagreement with its seed.
browsers: $(VENV)/dev
	$(BIN)/python tests/browser/differential.py --cases $(or $(CASES),3000) --seed $(or $(SEED),1)
	$(BIN)/python tests/browser/differential.py --cases $(or $(CASES),3000) --seed $(or $(SEED),1) --browser firefox \
		--report build/differential-firefox.json

# The images that Chromium requests of drawn pages beside those that find_images names, by kind of place.
recall: $(VENV)/dev
	$(BIN)/python tests/browser/recall.py --pages $(or $(PAGES),300) --seed $(or $(SEED),1)

# Writers, pruners and evictors killed at random instants, everything compared afterwards, and a table.
# A cache with a million objects: make kills ROUNDS=4 OBJECTS=1000000
kills: $(VENV)/dev
	$(BIN)/python tests/kills.py --rounds $(or $(ROUNDS),200) --objects $(or $(OBJECTS),3000)

# 64 hostile images at once: peak memory, and the time from SIGINT to the exit, on the cores that are there and on 16.
hostile: $(VENV)/dev
	$(BIN)/python tests/hostile.py
	$(BIN)/python tests/hostile.py --cores 16

# What reading a page, the cache and fetching cost beside others, side by side in one run, and what is read right.
# It writes the tables of docs/performance.md anew, with the plot, and that of docs/caching.md, and takes about an hour.
bench: bench-reading bench-folder bench-documents bench-srcset_cases bench-transports bench-cache bench-cache_suite bench-fetching

bench-%: $(VENV)/bench
	$(BIN)/python benchmarks/$*.py

bench-cache: $(VENV)/bench
	$(BIN)/python benchmarks/cache.py --write

# Needs nginx; curl, wget2 and aria2c take part if they are there. PARTS=cold measures that alone; --help tells more.
bench-fetching: $(VENV)/bench build/peers/made build/before
	$(BIN)/python benchmarks/fetching.py --write $(PARTS)

# Each by itself, so that one which does not install is all that is missed.
build/peers/made: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv build/peers
	for peer in $$(cat $<); do build/peers/bin/python -m pip install --quiet --disable-pip-version-check $$peer || true; done
	touch $@

# The first version that ran, to race with. Where there is no history, it is left out.
build/before:
	mkdir -p $@.part
	git archive d2df84c imgfetch | tar -x -C $@.part && mv $@.part $@ || rm -r $@.part

# Input that nobody thought of, for the readers of what strangers write; what is found lies in build/fuzz.
fuzz: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python tests/fuzz/guided.py $(or $(SECONDS),600) $(TARGET)

clean:
	rm -rf $(VENV)

$(VENV)/run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev: $(VENV)/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@
