"""The teacher of `devices`: composes texts that show the wanted devices, to train a small model on."""

from .search import accepted, compose

__all__ = ["accepted", "compose"]
