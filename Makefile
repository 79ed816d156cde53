.PHONY: check test slow demo format

check:  ## lint, format, types
	ruff check .
	ruff format --check .
	mypy

test:  ## README's test command
	pytest

slow:  ## the tests that take longer
	pytest -m slow

demo:  ## README's main command
	skillmix run

format:
	ruff check --fix .
	ruff format .
