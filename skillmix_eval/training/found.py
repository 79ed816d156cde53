"""A model in training, lent for a while: everything that the loan may change is put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def as_found(model: Any) -> Iterator[Any]:
    """Give a model for evaluation, and put back its mode and every random state afterwards."""
    import torch

    training, cache = model.training, model.config.use_cache
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    model.eval()
    model.config.use_cache = True
    try:
        yield model
    finally:
        model.config.use_cache = cache
        model.train(training)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
