"""Evaluate how well a language model combines language skills (SKILL-MIX, Yu et al. 2023)."""

__version__ = "0.1.0"
