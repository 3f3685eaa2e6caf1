# Every command that a developer needs: `make help` lists them. Each target installs what it uses, so a fresh clone needs
# python3.13 and make. `examples`, `sdk`, `clients`, `contract`, `bench` and `playground-check` also need Node 20, and the
# last one a browser.
.PHONY: help run examples test test-whole sdk clients playground-check check audit generate contract deploy-check format vendor build bench bench-limits worst-bill dashboard release configure token-check set-key rotate-key stop resume block unblock who-got smoke status sam-local lock clean
.DELETE_ON_ERROR:

PORT ?= 3000
# One more than there are processors, because tests also wait: for a deadline, a closed connection, another caller.
WORKERS ?= $(shell echo $$((1 + $$(nproc 2>/dev/null || echo 2))))
CHROMIUM ?= /usr/bin/chromium
EXAMPLES := $(patsubst %/package-lock.json,%/node_modules/ready,$(wildcard examples/*/package-lock.json))
PYTHON := .venv/bin/python
# `make run` needs a part of the development environment, so it has a small one of its own where there is no large one.
RUN_VENV := $(if $(wildcard .venv/ready),.venv,.venv-run)
RUN := PYTHONPATH=.:layers/minting $(PYTHON) -m
STAGE ?= default
OPERATE = $(RUN) tools.operate --stage "$(STAGE)"
SAM := .venv-sam/bin/sam
export SAM_CLI_TELEMETRY := 0
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

run: $(RUN_VENV)/ready  ## start the whole bundle on this machine, at http://127.0.0.1:3000
	@PORT=$(PORT) VERBOSE=$(VERBOSE) PYTHONPATH=.:layers/minting exec $(RUN_VENV)/bin/python -m local

examples: clients/js/dist/index.js $(EXAMPLES)  ## serve the examples for `make run`, at http://localhost:8080
	@echo "Start make run in another terminal. Then open http://localhost:8080/odyssey/ or http://localhost:8080/convai-kiosk/"
	@python3.13 -m http.server 8080 --bind 127.0.0.1 --directory examples

test: .venv/ready .venv-sam/ready  ## run the test suite
	$(PYTHON) -m pytest -n $(WORKERS)

test-whole: build  ## test the artifacts, `make run` and the guide for a new vendor as a whole
	$(PYTHON) -m pytest -n auto tests/whole

sdk: .venv/ready tests/sdk/node_modules/ready  ## run the vendors' own client SDKs against the bundle
	$(PYTHON) -m pytest tests/sdk

clients: .venv/ready clients/js/dist/index.js tests/packages/node_modules/ready  ## run the client packages against their table of behaviours, and against the bundle
	$(PYTHON) -m pytest -rs tests/packages

playground-check: .venv/ready tests/playground/node_modules/ready clients/js/dist/index.js $(EXAMPLES) $(CHROMIUM)  ## use the page of `make run`, and the examples, in a real browser
	CHROMIUM=$(CHROMIUM) $(PYTHON) -m pytest tests/playground tests/examples

contract: .venv/ready .venv-contract/ready tests/openapi/node_modules/ready  ## lint docs/openapi.json, generate clients from it, and send thousands of requests made from it
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true tests/openapi/node_modules/.bin/redocly lint --config tests/openapi/redocly.yaml docs/openapi.json
	$(RUN) tests.openapi.generators
	$(RUN) tests.openapi.fuzz

deploy-check: .venv/ready .venv-sam/ready .venv-deploy/ready  ## deploy this working tree with the real SAM CLI to an emulated AWS
	$(PYTHON) -m pytest -vv tests/deploy

check: .venv/ready .venv-sam/ready  ## lint, check the format, the types and the imports, find secrets, validate the template
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	PYTHONPATH=layers/minting .venv/bin/lint-imports --no-cache --no-logo
	git ls-files -z | xargs -0 .venv/bin/detect-secrets-hook --baseline .secrets.baseline
	.venv/bin/cfn-lint template.yaml docs/deploy-role.yaml
	$(SAM) validate --lint

audit: .venv-audit/ready  ## scan the template and the workflows for weak settings; .checkov.yaml has the exceptions
	@.venv-audit/bin/checkov --config-file .checkov.yaml

format: .venv/ready  ## format the code
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

vendor: .venv/ready  ## write the skeleton of a new vendor, to fill in by docs/adding-a-vendor.md: make vendor NAME=anam
	@$(PYTHON) -m tools.vendor "$(NAME)"
	@$(MAKE) --no-print-directory generate

build: .venv/ready .venv-sam/ready  ## build the layer and the functions as `sam deploy` uploads them
	$(SAM) build --cached --parallel

generate: .venv/ready  ## write docs/openapi.json, the catalogue's file and the client's types from the functions' declarations
	$(RUN) tools.catalogue
	$(RUN) tools.openapi > /dev/null
	$(RUN) tools.client_types

bench: build bench/node/dist/index.cjs  ## measure cold starts, warm CPU and memory beside a bare handler and Node, as ratios
	$(RUN) bench.mint

bench/node/dist/index.cjs: bench/node/package-lock.json bench/node/handler.js
	npm ci --prefix bench/node --loglevel error
	npm run build --silent --prefix bench/node

bench-limits: .venv/ready  ## measure the limits under load, with DynamoDB's conflicts, beside an older version
	$(RUN) bench.contention
	$(RUN) bench.crashes

worst-bill: .venv/ready  ## show what the limits of a stage can cost: make worst-bill STAGE=prod ARGS="ConvaiPerDay=500"
	@$(RUN) tools.worst_bill --stage "$(STAGE)" $(ARGS)

dashboard: .venv/ready  ## draw the dashboard with the output of a run: make dashboard < LOG > docs/dashboard.svg
	@$(RUN) tools.dashboard

release: .venv/ready  ## check the version, the changelog and the contract, then commit and tag: make release VERSION=0.2.0
	@$(RUN) tools.release "$(VERSION)"

# make hands the variables on in the environment. So their values need no quoting, whatever they hold.
configure: .venv/ready  ## write the parameters of a stage: make configure STAGE=prod [SET="Name=value"] [FROM=answers.yaml]
	@$(RUN) tools.configure --stage "$$STAGE" $${SET:+--set "$$SET"} $${FROM:+--from "$$FROM"} $${OFFLINE:+--offline}

token-check: .venv/ready  ## say why a JWT would be refused: make token-check STAGE=prod
	@$(RUN) tools.token_check $${STAGE:+--stage "$$STAGE"}

set-key: .venv/ready  ## put a vendor's key, asked for without an echo: make set-key VENDOR=convai STAGE=prod
	@$(OPERATE) set-key $(VENDOR) $(ARGS)

rotate-key: .venv/ready  ## put another key in the place of one, or the previous one back: ARGS=--back
	@$(OPERATE) rotate-key $(VENDOR) $(ARGS)

stop: .venv/ready  ## refuse every mint of a vendor within five seconds: make stop VENDOR=convai
	@$(OPERATE) stop $(VENDOR)

resume: .venv/ready  ## let a stopped vendor mint again: make resume VENDOR=convai
	@$(OPERATE) resume $(VENDOR)

block: .venv/ready  ## refuse a caller from its next request on: make block ARGS="--iss … --sub …"
	@$(OPERATE) block $(ARGS)

unblock: .venv/ready  ## serve a blocked caller again: make unblock ARGS="--iss … --sub …"
	@$(OPERATE) unblock $(ARGS)

who-got: .venv/ready  ## print who got a token, by its SHA-256 in ARGS, or asked for without an echo
	@$(OPERATE) who-got $(ARGS)

smoke: .venv/ready  ## mint once from each deployed vendor, and say what to fix. It asks for a caller's JWT
	@$(OPERATE) smoke

status: .venv/ready  ## print limits used, live slots, stops, the ages of keys, and the alarms that ring
	@$(OPERATE) status

sam-local: build  ## send every event of events/ through `sam local invoke`; without a Docker engine, it says why and skips
	.ci/sam-local

$(CHROMIUM):
	@(apt-get update -qq && apt-get install -qq --no-install-recommends chromium fonts-dejavu-core && test -x $@) > /dev/null || { \
	  echo "The browser tests need Chromium at $@. Install it, or name another one: make playground-check CHROMIUM=/path/to/chromium"; exit 1; }

# Needs python3.13 and its ensurepip, which Debian packs separately. pip shows what it installs, because that takes a while.
define VENV
@python3.13 -c 'import ensurepip' 2> /dev/null || { echo "This needs Python 3.13, and there is no complete python3.13 on \
the PATH. Install it: uv python install 3.13, or pyenv install 3.13, or https://www.python.org/downloads/ \
(Debian and Ubuntu: also python3.13-venv)."; exit 1; }
@echo "Installing $< into $(@D). This happens once."
@start=$$(date +%s); python3.13 -m venv $(@D) \
  && $(@D)/bin/pip install --disable-pip-version-check --require-hashes -r $< \
  && touch $@ && echo "Installed in $$(($$(date +%s) - start)) s." \
  || { echo "$(@D) could not be installed. The lines above say why: often the network, or a full disk. Then try again."; exit 1; }
endef

.venv/ready: requirements/dev.txt
	$(VENV)

# `contract` also needs Java 11: openapi-generator is written in it.
.venv-%/ready: requirements/%.txt
	$(VENV)

tests/%/node_modules/ready: tests/%/package-lock.json
	npm ci --prefix tests/$* --loglevel error
	@touch $@

examples/%/node_modules/ready: examples/%/package-lock.json
	npm ci --prefix examples/$* --loglevel error
	@touch $@

clients/js/node_modules/ready: clients/js/package-lock.json
	npm ci --prefix clients/js --ignore-scripts --loglevel error
	@touch $@

clients/js/dist/index.js: clients/js/node_modules/ready clients/js/tsconfig.json $(wildcard clients/js/src/*.ts clients/js/src/*/*.ts)
	cd clients/js && node_modules/.bin/tsc
	@touch $@

lock: .venv/ready  ## pin with hashes, after a change of a requirements .in file
	$(PYTHON) -m pip install --quiet uv
	for file in layers/minting/requirements requirements/dev requirements/run requirements/sam requirements/contract requirements/deploy requirements/audit; do \
	  $(PYTHON) -m uv pip compile --quiet --upgrade --universal --python-version 3.13 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links $$file.in -o $$file.txt || exit 1; \
	done

clean:  ## remove everything that the other commands installed or wrote
	rm -rf .venv .venv-run .venv-sam .venv-contract .venv-deploy .venv-audit .aws-sam .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis tests/sdk/node_modules tests/playground/node_modules tests/openapi/node_modules tests/packages/node_modules examples/*/node_modules bench/node/node_modules bench/node/dist clients/js/node_modules clients/js/dist
