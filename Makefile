# Names for commands; what they do is in lab/, stacks/ and validation/.
PYTHON ?= python3
.PHONY: static unit $(shell sed -n 's/^\([a-z-]*\):.*## .*/\1/p' $(MAKEFILE_LIST))

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/milvus-x10000

# Python compiles a package once and keeps it, also where the environment forbids that: hundreds of processes would each do it again.
unexport PYTHONDONTWRITEBYTECODE

STACKS = @$(PYTHON) -m lab venv >&2 && .venv/bin/python -m stacks

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

up: ## from this machine as it is to a verdict: tools, lab, pulumi up, gate (STORE=s3, greenlake or existing; CHART=PATH, oci://... or NAME@REPOSITORY)
	@$(PYTHON) -m lab up $(if $(STORE),--store $(STORE)) $(if $(CHART),--chart '$(CHART)') $(if $(CHART_VERSION),--chart-version $(CHART_VERSION))

down: ## end the lab; nothing of it remains but the cache
	@$(PYTHON) -m lab down

status: ## what of the lab runs, since when, memory, addresses, what is wrong and what helps
	@$(PYTHON) -m lab status

env: ## what a shell needs to use the lab: eval "$(make -s env)"
	@$(PYTHON) -m lab env

check: static unit ## format, lint, types, import rules, unit tests

static:
	@$(PYTHON) -m lab venv
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	flock $(CACHE)/mypy.lock .venv/bin/mypy --cache-dir $(CACHE)/mypy
	.venv/bin/lint-imports

unit:
	.venv/bin/pytest -q -m "not e2e" -n 2 --dist loadfile

test: static ## check, then the end-to-end tests on the lab, which is brought up when none is there
	.venv/bin/python -m tests.e2e.run

mutation: ## change the judging in one place at a time; each change must make a test fail (three minutes; docs/mutation.md)
	@$(PYTHON) -m lab venv
	.venv/bin/python tests/mutation/run.py

bench: ## the gate's generator beside VectorDBBench and a bare pymilvus loop, on the lab's Milvus (four minutes; docs/bench.md)
	@$(PYTHON) -m lab venv
	.venv/bin/python -m tests.bench.run

clean-cache: ## remove tools, images and virtual environments
	@$(PYTHON) -m lab clean-cache

drill-kill: ## kill make up at KILLS=21 moments, each followed by one that must pass (an hour; ONLY=release, FROM=bucket): docs/lab.md
	@$(PYTHON) -m lab venv >&2 && .venv/bin/python -m tests.drills.lab_kill $(if $(KILLS),--kills $(KILLS)) $(if $(FROM),--from $(FROM)) $(addprefix --only ,$(ONLY))

lock: ## renew requirements.lock, and those of the suite's image and the policy pack, from requirements.in
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal requirements.in -o requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal -c requirements.lock validation/requirements.in -o validation/requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal policies/requirements.in -o policies/requirements.lock
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --universal tests/bench/requirements.in -o tests/bench/requirements.lock

bench-ingest: ## rate of the ingest pipeline against a bare insert, and its memory for 1,000 and 50,000 chunks, on the lab
	@$(PYTHON) -m lab venv
	@eval "$$($(PYTHON) -m lab env)" && .venv/bin/python -m tests.bench.ingest_rate --stack lab

corpus: ## make the PDF, DOCX, PPTX and PNG documents of the corpus anew from corpus/sources; the same bytes each time
	@$(PYTHON) -m lab venv
	.venv/bin/python -m corpus.make

values: ## the chart's values of an environment, as YAML and nothing else: make -s values ENV=prod
	$(STACKS) values $(ENV)

render: ## every object of an environment as one file in build/render/ENV: make render ENV=prod
	$(STACKS) render $(ENV)

policies: ## judge every object of an environment by the rules of policies/: make policies ENV=prod
	$(STACKS) policies $(ENV)

policy-pack: ## the virtual environment that `pulumi preview --policy-pack policies` runs in
	@$(PYTHON) -m lab venv
	@.venv/bin/uv venv -q --allow-existing policies/.venv
	@.venv/bin/uv pip sync -q --python policies/.venv --require-hashes policies/requirements.lock

pin: ## ask registries and chart repository for digests, and write stacks/images.ENV.lock: make pin ENV=prod
	$(STACKS) pin $(ENV)

images: ## what has to be mirrored for a network without the internet: make -s images ENV=prod
	$(STACKS) images $(ENV)

gpus: ## whether any node of the cluster can have the GPUs that an environment asks for: make gpus ENV=prod
	$(STACKS) gpus $(ENV)

doctor: ## what is half-done, which pods cannot start, and what would help: make doctor ENV=prod, then with CURE=--cure
	$(STACKS) doctor $(ENV) $(CURE)

preflight: ## can Milvus live on the store of an environment, asked from this machine: make preflight ENV=prod
	$(STACKS) preflight $(ENV)

rollout: ## settings, preflight, pulumi up, gate, with one exit code: make rollout ENV=prod, then with ROLLBACK=--rollback
	$(STACKS) rollout $(ENV) $(ROLLBACK)

rotate: ## a new key for Milvus at the store, the old one goes last; continues one that was killed: make rotate ENV=prod
	$(STACKS) rotate $(ENV)

drill-rotation: ## rotate under 100 searches/s, and say for how long nobody was served: make drill-rotation ENV=lab
	@$(PYTHON) -m lab venv >&2 && .venv/bin/python -m validation during --stack $(ENV) -- .venv/bin/python -m stacks rotate $(ENV)

drill-kills: ## rotate while being killed at every step, and look at the store for what is left over: make drill-kills ENV=lab
	@$(PYTHON) -m lab venv >&2 && .venv/bin/python -m tests.drills.rotation_kills $(ENV)
