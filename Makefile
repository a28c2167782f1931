# video-gen. `make help` lists the targets; each one does its own set-up.
# CI runs these same targets and nothing cleverer.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export BASH_ENV := $(CURDIR)/tools/env.sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTEST_ARGS ?=
TESTERS ?= 3
IMAGE ?= video-gen-worker

.PHONY: help pulumi setup ready demo test test-comfyui check unit bench reference lock image publish models image-lock \
	master runpod-sdk clean changed preview comment up queue destroy sweep

help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2 } /^## / { printf "\n%s\n", substr($$0, 4) }' Makefile

## Two commands for a stranger

demo: setup ## Rent, sync, render, check, destroy: the whole product on this machine (COMFYUI_DIR=… for a real ComfyUI).
	@tools/demo.sh

test: setup check ## Everything that CI proves, in TESTERS=3 processes: most tests wait for programs.
	@python -m pytest -n $(TESTERS) $(PYTEST_ARGS)

test-comfyui: .venv/.ready ## Every workflow on a real ComfyUI of yours, COMFYUI_DIR=…, with tiny weights, on the CPU.
	@: "$${COMFYUI_DIR:?names a checkout of ComfyUI}"
	@source tools/tiny_models.sh; python -m pytest tests/comfyui $(PYTEST_ARGS)

## While you work

setup: ready ## The Pulumi CLI if you have none, Python packages (hash-locked), the stack dev, or STACKS="…".
	@for stack in $${STACKS:-dev}; do tools/init_stack.sh "$$stack"; done

ready: pulumi .venv/.ready ## The same without a stack.

check: .venv/.ready ## Style, types, floors.
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-cache

unit: .venv/.ready ## Only the quick tests.
	@python -m pytest tests/unit tests/repo $(PYTEST_ARGS)

bench: setup ## Every benchmark; each prints a ratio against a named peer.
	@for one in benchmarks/*.py; do echo "== $$one"; python $$one; done

reference: .venv/.ready ## Writes docs/reference/ and the index of docs/decisions/ anew.
	@python tools/write_reference.py

lock: .venv/.ready ## Resolves requirements.lock anew.
	@pip-compile --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras --no-header --upgrade \
		-o requirements.lock pyproject.toml
	@sed -i '/^--/d' requirements.lock # where packages came from is this machine's matter

image: .venv/.ready ## Builds the worker's image, IMAGE=… (COMFYUI_DIR=… takes your ComfyUI; docs/guides/image.md).
	@tools/engine.sh python tools/build_image.py --tag $(IMAGE)

publish: .venv/.ready ## Builds it, pushes it to your registry, writes its digest into each phase, IMAGE=ghcr.io/YOU/video-gen-worker
	@tools/engine.sh python tools/publish_image.py "$(IMAGE)"

master: ## The always-on controller and a ComfyUI in your browser, with Docker (docs/guides/master.md).
	@tools/master.sh

runpod-sdk: pulumi .venv/.ready ## The Python SDK of RunPod's own Pulumi provider; only `through: provider` needs it.
	@tools/runpod_sdk.sh

image-lock: .venv/.ready ## Resolves the images' locks anew, in agreement with requirements.lock.
	@cd images/comfyui && for one in requirements standin build/tools; do \
		uv pip compile --quiet --no-header --no-annotate --generate-hashes --upgrade \
			--python-version 3.12 --python-platform x86_64-manylinux_2_31 \
			--constraints ../../requirements.lock -o $$one.lock $$one.in; \
	done
	@uv pip compile --quiet --no-header --no-annotate --generate-hashes --upgrade --python-version 3.12 \
		--constraints requirements.lock -o images/controller/requirements.lock pyproject.toml images/controller/requirements.in

models: pulumi .venv/.ready ## Fills the bucket of the stack STACK=… with the models of PHASE=…, each proven by its hash.
	@videogen models pin --phase "$$PHASE"
	@videogen models mirror --phase "$$PHASE" --stack "$$STACK"

clean: ## Removes what can be made again; keeps .videogen/ (state, store) and outputs/ (your videos).
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis

## What the pipelines do (docs/guides/gitops.md); STACK=… names a stack

changed: .venv/.ready ## Says what a merge of everything since the commit BASE=… has to do.
	@python -m tools.gitops.decide

preview: pulumi .venv/.ready ## Says what it will do, why, and the worst case in dollars; COMMENT=FILE keeps the text.
	@PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=false python -m tools.gitops.preview

comment: .venv/.ready ## Puts that text under a pull request on GitHub.
	@python -m tools.gitops.comment

up: pulumi .venv/.ready ## Makes the stack, if it is new, and brings it up.
	@tools/init_stack.sh "$$STACK"
	@PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=false \
		pulumi up --stack "$$STACK" --yes --skip-preview --suppress-outputs --non-interactive

queue: pulumi .venv/.ready ## Runs every batch under batches/queue/STACK/ that is not done: up, submit, destroy.
	@tools/init_stack.sh "$$STACK"
	@python -m tools.gitops.work_off "$$STACK"

destroy: pulumi .venv/.ready ## Ends everything that the stack rents, and insists.
	@python -m tools.gitops.end "$$STACK"

sweep: pulumi .venv/.ready ## Ends what has no right to live, on every cloud; fails when anything is unknown.
	@videogen sweep --all

pulumi:
	@tools/build_pulumi.sh

.venv/.ready: requirements.lock pyproject.toml
	@echo "python: installing the locked packages into .venv …"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "error: Python 3.11 or newer is needed; PYTHON=… names one")'
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/.ready
