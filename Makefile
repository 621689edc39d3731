# Everything a newcomer needs: `make up` runs it, `make test` proves it.
#   make up PORT=9000        another port
#   make up ARGS="--no-demo" any other option of `hopfleet up`
#   make test ARGS="-k spool" any option of pytest

ARGS ?=
PORT ?=
BIN = .venv/bin

.PHONY: help up install test test-long check bench soak lock clean

help:
	@echo "make up         set up, start everything, print what to try; Ctrl-C stops it"
	@echo "make test       set up, run the tests against real servers"
	@echo "make install    set up only"
	@echo "make check      format, lint, types, lock file"
	@echo "make test-long  heavy fault and load runs"
	@echo "make bench      measure on this machine"
	@echo "make soak       half load for half an hour"
	@echo "make lock       resolve the dependencies anew"
	@echo "make clean      remove what set-up and tests made; the data stays"

install:
	@./setup.sh

up: install
	@$(BIN)/hopfleet up $(if $(PORT),--port $(PORT)) $(ARGS)

# Several processes at once: the tests mostly wait, for servers and for each other's deaths.
test: install
	@$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

test-long: install
	@$(BIN)/python -m pytest -m long --timeout 3600 $(ARGS)

check: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@./.ci/lock --check

bench: install
	@$(BIN)/hopfleet bench ingest $(ARGS)

soak: install
	@$(BIN)/hopfleet bench soak $(ARGS)

lock: install
	@./.ci/lock

clean:
	rm -rf .venv .bootstrap .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
