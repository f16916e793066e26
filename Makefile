# make demo   the whole road on synthetic sounds: train, quantize, evaluate, deploy, verify, benchmark (emulated board)
# make test   lint, C tests (sanitizers), Python tests
# make bench  the benchmarks' tables
# make mutants  do the tests notice small changes of the code? (docs/testing.md; hours, not in CI)
# Everything is set up in .venv and with apt where it may; PYTHON=... chooses the interpreter (3.10 to 3.13).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Processes that run the Python tests, with up to 3 GB each.
WORKERS ?= 2
INPUTS := pyproject.toml CMakeLists.txt $(shell find cmake dsp_c nn_c detector_c -type f -not -path '*/tests/*')
C_FILES := $(shell find dsp_c nn_c detector_c firmware examples tests -name '*.[ch]')

.PHONY: demo test lint c-test py-test bench mutants clean

demo: $(VENV)/installed
	$(BIN)/pyaed demo

test: lint c-test py-test

py-test: $(VENV)/installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy pyaed examples/python
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	$(BIN)/pre-commit validate-config

c-test: $(VENV)/installed
	cmake -S . -B build/gcc -G Ninja -DCMAKE_C_COMPILER=gcc -DAED_BUILD_TESTS=ON -DAED_SANITIZE=ON
	cmake --build build/gcc
	ctest --test-dir build/gcc --output-on-failure
	cmake -S . -B build/clang -G Ninja -DCMAKE_C_COMPILER=clang -DAED_BUILD_TESTS=ON
	cmake --build build/clang
	ctest --test-dir build/clang --output-on-failure

bench: $(VENV)/installed
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

mutants: $(VENV)/installed
	$(BIN)/python tests/mutants/run.py $(MUTANTS)

$(VENV)/installed: $(INPUTS) cmake/setup.sh
	PYTHON=$(PYTHON) sh cmake/setup.sh $(VENV)
	touch $@

clean:
	rm -rf $(VENV) build
