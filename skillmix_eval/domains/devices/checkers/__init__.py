"""Exact checkers of devices, one module per category, over one shared tokenised document."""
