"""A model in training, lent for a while: everything that the loan may change is put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def as_found(model: Any) -> Iterator[Any]:
    """Give a model for evaluation, and put back each module's mode and every random state afterwards."""
    import torch

    training = [(module, module.training) for module in model.modules()]  # frozen parts stay frozen
    cache = {"use_cache": model.config.use_cache} if hasattr(model.config, "use_cache") else {}
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    model.eval()
    model.config.update(dict.fromkeys(cache, True))
    try:
        yield model
    finally:
        model.config.update(cache)
        for module, mode in training:
            module.training = mode
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
