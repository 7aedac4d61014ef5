# The verbs of toolchain/, which holds what they do. Only `make up` and `make test` are needed on a fresh machine.
STACK ?= dev
PYTHON ?= python3
ARGS ?=
CONSENT ?=
CACHE ?=

TOOLCHAIN = $(PYTHON) -m toolchain
OPTIONS = --stack '$(STACK)' $(if $(filter yes,$(CONSENT)),--consent) $(if $(filter yes,$(CACHE)),--cache)

VERBS = up preview destroy shell status down clean test bench lock-bases schema services
.PHONY: help $(VERBS)
.DEFAULT_GOAL := help

help:
	@echo 'make up          install what is missing, start the services, bring the stack up, print its URL'
	@echo 'make test        lint, types, fast tests, end-to-end tests'
	@echo
	@echo 'make preview     what up would change'
	@echo 'make shell       a shell in which plain pulumi means this stack'
	@echo 'make status      services and stacks'
	@echo 'make down        end the services that this checkout started'
	@echo 'make destroy     take the resources of the stack down'
	@echo 'make clean       remove .slipway and .venv (CACHE=yes: the shared tools too); refuses while a stack has resources'
	@echo
	@echo 'make bench       measure the pipeline against the plain tools'
	@echo 'make lock-bases  look the base images up again (ARGS=FILE: those of your own lock)'
	@echo 'make schema      write the JSON Schema of the stack files'
	@echo
	@echo 'STACK=dev        which stack                ARGS="..."   handed on to pulumi or the benchmarks'
	@echo 'CONSENT=yes      agree to changes of the system by sudo (make schema; what starts services needs root)'
	@echo 'SLIPWAY_QUARANTINE_PORT=5380  SLIPWAY_REGISTRY_PORT=5443  SLIPWAY_PRODUCTION_PORT=5444   ports of the registries'

$(VERBS): python
	@$(TOOLCHAIN) $@ $(OPTIONS) -- $(ARGS)

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'error: $(PYTHON) is not Python 3.11 or newer: install one, or name it: make PYTHON=/path/to/python3' >&2; exit 1; }
