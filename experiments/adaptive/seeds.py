"""Figures over training seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def interval(values: Sequence[float]) -> str:
    """Return the mean over seeds ± half its 95 % t interval; the mean alone for one seed."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.3f}"
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return f"{mean:.3f} ± {half:.3f}"


def interval_and_each(values: Sequence[float]) -> str:
    """Return the same, and each seed's figure."""
    each = f" ({', '.join(f'{v:.2f}' for v in values)})" if len(values) > 1 else ""
    return interval(values) + each
