PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint bench schemas clean

demo: $(READY)  ## small made-up raw files, a mixture of them, and what it holds
	rm -rf demo
	$(BIN)/mix synth --out demo/raw --scale 0.001 --images
	$(BIN)/mix build tiny --raw demo/raw --out demo/mixture --images demo/raw/images
	$(BIN)/mix inspect demo/mixture --tokenizer tiny --sample 1

test: $(READY)  ## the whole test suite
	$(BIN)/pytest

lint: $(READY)  ## style, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## full size: needs 6 GB of disk and about ten minutes; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.build

schemas: $(READY)  ## write the JSON Schema files anew from the types
	$(BIN)/python -m mixtures.contracts

clean:
	rm -rf .venv demo benchmarks/work

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
