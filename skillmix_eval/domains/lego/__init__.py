"""LEGO: chains of variables, for training only; there are no k skills to combine in one text."""
