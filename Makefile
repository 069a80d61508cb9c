# What developers type. The door to every command is ./rag, whose exit code arrives: make turns each into 2.
PYTHON ?= python3
.PHONY: static unit $(shell sed -n 's/^\([a-z-]*\):.*## .*/\1/p' $(MAKEFILE_LIST))

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/milvus-x10000

# Python compiles a package once and keeps it, also where the environment forbids that: hundreds of processes would each do it again.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

up: ## ./rag up: the lab and its verdict; as options STORE=s3, greenlake or existing, CHART=..., CHART_VERSION=...
	@$(PYTHON) -m lab up $(if $(STORE),--store $(STORE)) $(if $(CHART),--chart '$(CHART)') $(if $(CHART_VERSION),--chart-version $(CHART_VERSION))

down: ## ./rag down: end the lab
	@$(PYTHON) -m lab down

check: static unit ## format, lint, types, import rules, unit tests

static:
	@$(PYTHON) -m lab venv
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	flock $(CACHE)/mypy.lock .venv/bin/mypy --cache-dir $(CACHE)/mypy
	.venv/bin/lint-imports

unit:
	.venv/bin/pytest -q -m "not e2e" -n 2 --dist loadfile --no-loadscope-reorder $(RESULTS)

test: ## check, then the short end-to-end tests on the lab, which is brought up when none is there
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.e2e.run test

proof: ## the long end-to-end tests: what is broken on purpose, killed in the middle, rotated, drilled (docs/lab.md)
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.e2e.run proof

mutation: ## change the judging in one place at a time; each change must make a test fail (three minutes; docs/mutation.md)
	@$(PYTHON) -m lab venv
	.venv/bin/python tests/mutation/run.py

bench: ## the gate's generator beside VectorDBBench and a bare pymilvus loop, on the lab's Milvus (four minutes; docs/bench.md)
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.bench.run

sbom: ## CycloneDX files of the wheels, Go modules and images, in build/sbom, to attach to a release (docs/dependencies.md)
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.sbom.run

drill-kill: ## kill ./rag up at KILLS=21 moments, each followed by one that must pass (an hour; ONLY=release, FROM=bucket): docs/lab.md
	@$(PYTHON) -m lab venv >&2 && .venv/bin/python -m tests.drills.lab_kill $(if $(KILLS),--kills $(KILLS)) $(if $(FROM),--from $(FROM)) $(addprefix --only ,$(ONLY))

lock: ## renew requirements.lock, and those of the suite's image and the policy pack, from requirements.in
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal requirements.in -o requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal -c requirements.lock validation/requirements.in -o validation/requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal policies/requirements.in -o policies/requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal tests/bench/requirements.in -o tests/bench/requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal tests/page/requirements.in -o tests/page/requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal tests/sbom/requirements.in -o tests/sbom/requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal tests/llama/tools/requirements.in -o tests/llama/tools/requirements.lock
	.venv/bin/uv pip compile -q --no-deps --generate-hashes --no-emit-index-url --python-version 3.11 --universal tests/llama/requirements.in -o tests/llama/requirements.lock

docs: ## write docs/commands.md and docs/settings.md anew from the code
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.pages

page: ## the gate's pages and that of `ask` in a headless Chromium with axe-core, on loopback (two minutes; pictures in build/page)
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.page.run reports
	.venv/bin/python -m tests.page.run page

clients: ## the SDK of OpenAI, LangChain and LlamaIndex against the service of `ask`, on loopback (a minute)
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.page.run clients

bench-ingest: ## rate of the ingest pipeline against a bare insert, and its memory for 1,000 and 50,000 chunks, on the lab
	@$(PYTHON) -m lab venv
	@eval "$$(./rag env)" && .venv/bin/python -m tests.bench.ingest_rate --stack lab

corpus: ## make the PDF, DOCX, PPTX and PNG documents of the corpus anew from corpus/sources; the same bytes each time
	@$(PYTHON) -m lab venv
	.venv/bin/python -m corpus.make

policy-pack: ## the virtual environment that `pulumi preview --policy-pack policies` runs in
	@$(PYTHON) -m lab venv
	@.venv/bin/uv venv -q --allow-existing policies/.venv
	@.venv/bin/uv pip sync -q --python policies/.venv --require-hashes policies/requirements.lock
