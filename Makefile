# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENVS := .venvs
ENGINE := $(VENVS)/engine
WORKER := $(VENVS)/worker
DEV := $(VENVS)/dev
SOURCES := handler.py transcribe.py pipeline.py presentation.py delivery.py launching.py bootstrap.py config.py speech utils formats shapes client engine volume scoring tools training tests benchmarks

.PHONY: help demo test test-volume test-long lint format bench bench-gpu eval image-check verify-real lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(ENGINE)/.done $(WORKER)/.done ## Transcribe the demo conversation, or AUDIO=file, with MODEL=demo or a hub name
	@$(WORKER)/bin/python -m tools.demo --engine-python $(abspath $(ENGINE))/bin/python \
	  $(if $(AUDIO),--audio "$(AUDIO)") $(if $(MODEL),--model "$(MODEL)")

test: $(ENGINE)/.done $(WORKER)/.done $(DEV)/.done ## Run the tests (TESTS=tests/test_x.py for some)
	$(DEV)/bin/python -m pytest -m "not volume and not real and not long" $(TESTS)

lint: $(DEV)/.done ## Format check, ruff, mypy --strict, the linters of the Dockerfile and scripts, tables up to date
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/hadolint Dockerfile
	$(DEV)/bin/shellcheck tools/*.sh .ci/run
	$(DEV)/bin/python -m tools.readme_tables --check
	$(DEV)/bin/python -m tools.schema --check
	$(DEV)/bin/python -m tools.fault_table --check

format: $(DEV)/.done ## Format the code
	$(DEV)/bin/ruff format .
	$(DEV)/bin/ruff check --fix .

test-volume: $(ENGINE)/.done $(WORKER)/.done $(DEV)/.done ## Races, kills and faults of the volume, one real bootstrap
	$(DEV)/bin/python -m pytest -m "volume or real" $(TESTS)

test-long: $(ENGINE)/.done $(DEV)/.done ## Six hours of sound with the demo models, in 3 GB
	$(DEV)/bin/python -m pytest -m long tests/test_long.py

bench: $(ENGINE)/.done $(WORKER)/.done $(DEV)/.done ## Measure this machine, as tables (SUITES="speed lengths" for some)
	$(DEV)/bin/python -m benchmarks.run $(SUITES)

bench-gpu: ## Equality, then figures, on an NVIDIA card (OUT=folder); what it needs: benchmarks/gpu.py
	$(PYTHON) -m benchmarks.gpu $(if $(OUT),--out "$(OUT)")

eval: $(ENGINE)/.done $(WORKER)/.done $(DEV)/.done ## Scores over held-out conversations (CONDITIONS="noise 6" for some, TIMES=3 for more)
	$(DEV)/bin/python -m benchmarks.evaluation $(CONDITIONS) $(if $(TIMES),--times $(TIMES))

image-check: $(DEV)/.done ## Follow the Dockerfile in a bare root and start the worker in it
	$(DEV)/bin/python -m tools.image_check

verify-real: $(ENGINE)/.done $(WORKER)/.done $(DEV)/.done ## The real models on the 30 s sample, and AUDIO=file: needs the hub and a token
	@$(DEV)/bin/python -m tools.verify_real --engine-python $(abspath $(ENGINE))/bin/python \
	  $(if $(AUDIO),--audio "$(AUDIO)")

lock: ## Resolve the lock files anew
	UV=$$(sh tools/get_uv.sh)
	C="$$UV pip compile -q --universal --python-version 3.11 --generate-hashes --no-header"
	$$C --override overrides.in requirements.in -o requirements.txt
	$$C -c requirements.txt requirements-worker.in -o requirements-worker.txt
	$$C requirements-local.in -o requirements-local.txt
	$$C --override overrides.in -c requirements.txt -c requirements-worker.txt requirements-dev.in -o requirements-dev.txt

clean: ## Remove the local environments and caches
	rm -rf $(VENVS) .tools .cache demo/out .pytest_cache .mypy_cache .ruff_cache .hypothesis

# An environment is complete when .done is there, written last; an older or half-made one is replaced.
$(ENGINE)/.done: requirements.txt
	@sh tools/make_venv.sh "$(PYTHON)" $(ENGINE) requirements.txt
$(WORKER)/.done: requirements-worker.txt requirements-local.txt
	@sh tools/make_venv.sh "$(PYTHON)" $(WORKER) requirements-worker.txt requirements-local.txt
$(DEV)/.done: requirements-dev.txt
	@sh tools/make_venv.sh "$(PYTHON)" $(DEV) requirements-dev.txt
