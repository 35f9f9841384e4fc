PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint docs docs-check recordings screenshots bench schemas mutants campaign clean

demo: $(READY)  ## made-up raw files, a mixture of them, and a tiny model that learns from them: minutes on two cores
	$(BIN)/python -m benchmarks.toy.demo demo

test: $(READY)  ## the whole test suite
	$(BIN)/pytest -n 2 --dist worksteal

lint: $(READY)  ## style, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)  ## renew what pages quote of the code and of commands, and build the site into site/; a warning is an error
	$(BIN)/python -m docs.generator.pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

docs-check: $(READY)  ## build the site, and fail if `make docs` would change a page
	$(BIN)/python -m docs.generator.pages --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

recordings: $(READY)  ## run anew the commands whose outputs docs/recorded/ keeps: a few minutes
	$(BIN)/python -m docs.generator.record

screenshots: $(READY)  ## draw anew what the README and the documentation show of the terminal and the browser
	$(BIN)/python -m docs.generator.screenshots

bench: $(READY)  ## full size: needs 10 GB of disk and about an hour; writes benchmarks/RESULTS.md
	for name in build large compare subset images shards batching plan train_cpu train_shared train_parts train_gpu evaluate; do $(BIN)/python -m benchmarks.$$name || exit 1; done

schemas: $(READY)  ## write the JSON Schema files anew from the types
	$(BIN)/python -m mix665k.mixtures.storage.json_schemas

mutants: $(READY)  ## draw 200 small changes of the code and count those that a test notices: an hour, not in CI
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	$(BIN)/python -m tests.mutants

campaign: $(READY)  ## 110,000 mutated raw files, kills, full disks and hostile inputs: half an hour, in part by `make test`
	$(BIN)/python -m tests.campaign

clean:
	rm -rf .venv demo site benchmarks/work

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
