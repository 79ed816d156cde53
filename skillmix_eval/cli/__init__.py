"""The command line: the only reader of arguments and the only writer to the terminal."""

from .main import main

__all__ = ["main"]
