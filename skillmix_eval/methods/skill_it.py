"""Skill-It: online data selection over a graph of skills (arXiv 2307.14430).

Row i of the graph says how much training on skill i helps each evaluated skill j. The mixture follows
the losses: p_i is proportional to exp(eta * sum over the last w evaluations and over j of A_ij L_j)
(algorithm 1, equation 13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError, unknown
from ..mixing import Count, Observed, Planned, Rate, checked_graph, drawn_by_mixture

SOURCE = "Skill-It (arXiv 2307.14430, algorithm 1)"
NEEDS = ("graph", "losses")
CONTROLS = ("identity", "shuffled")
IN_NATS = "losses are nats a token of the reply, so eta is of this scale and not the paper's"
RATES = "losses are the shares in which a skill was not shown, so eta is of this scale and not the paper's"
Matrix = NDArray[np.float64]


def mixture(
    graph: Matrix, losses: Sequence[Sequence[float]], eta: float, window: int = 3, mean: bool = False
) -> Matrix:
    """Return p over the k training skills, shape (k,).

    `graph` has shape (k, m), `losses` (evaluations so far, m), oldest first. Without losses it is p_1, the
    softmax of eta times the rows' sums. `mean` divides the window's sum by its length, as the released
    code does with a target mask; the paper's formula has the sum.
    """
    if graph.ndim != 2:
        raise BadInputError(f"A graph of skills is a table of numbers, not of shape {graph.shape}.")
    seen = np.asarray(losses[-window:], dtype=float).reshape(-1, graph.shape[1]) if losses else None
    summed = np.ones(graph.shape[1]) if seen is None else seen.mean(0) if mean else seen.sum(0)
    if not np.isfinite(summed).all():
        raise BadInputError(
            "A loss is not a number, so no mixture follows from it; look at the training run."
        )
    with np.errstate(all="ignore"):
        exponent = eta * (graph @ summed)
    if not np.isfinite(exponent).all():
        raise BadInputError(
            f"No mixture follows from an eta of {eta:g}, this graph and these losses: too large."
        )
    weights: Matrix = np.exp(exponent - exponent.max())
    shares: Matrix = weights / weights.sum()
    return shares


def learn_graph(
    train: Callable[[tuple[int, ...]], Sequence[float]],
    skills: int,
    targets: int | None = None,
    pairs: bool = True,
) -> Matrix:
    """Return a graph learnt by training: `train(skills)` gives the drop of each target's loss after a
    fixed budget.

    With `pairs` by brute force (algorithm 2, k + k(k-1)/2 trainings): an edge where data of i and j together
    lower j's loss more than j's data alone. Without, the linear approximation (algorithm 3, k
    trainings): the drop that i's data alone give. Weights are the differences, clipped at 0; the
    diagonal of the first is 1.
    """
    alone = np.array([train((i,)) for i in range(skills)], dtype=float)
    if not pairs:
        return np.asarray(np.clip(alone, 0.0, None), dtype=float)
    if (targets or skills) != skills:
        raise BadInputError(
            "Brute force needs the evaluated skills among the trained ones; use the approximation."
        )
    graph = np.eye(skills)
    for i in range(skills):
        for j in range(i + 1, skills):
            both = np.asarray(train((i, j)), dtype=float)
            graph[i, j] = max(0.0, both[j] - alone[j, j])
            graph[j, i] = max(0.0, both[i] - alone[i, i])
    return graph


def edges(graph: Matrix, weight: float = 0.5, least: float = 0.0) -> Matrix:
    """Return a square graph with one weight for all edges above `least`, and 1 for a skill's own.

    So the paper weighs its graphs of LEGO and addition.
    """
    found = np.where(graph > least, weight, 0.0)
    np.fill_diagonal(found, 1.0)
    return found


def plan(
    observed: Observed,
    budget: int,
    seed: int = 0,
    eta: Rate = 0.5,
    window: Count = 3,
    mean: bool = False,
    control: str = "",
) -> Planned:
    """Return the next round's mixture, and items drawn by it where there is a pool.

    In training the first round follows the graph alone, as in the paper; later ones leave out the losses
    before it, as the released code does: of a start that does not know the answers' form they would decide
    the mixture for as long as the window holds them.

    Two negative `control`s: `identity` is the same update on a graph in which no skill helps another,
    `shuffled` on one in which each skill has the place of the one before it.
    """
    if control and control not in CONTROLS:
        raise unknown("control of skill_it", control, CONTROLS)
    targets = observed.targets or observed.skills
    if not observed.graph and control != "identity":
        raise BadInputError(
            "Skill-It needs a graph of skills: give one with --graph FILE; `skillmix train --method skill_it "
            "--graph linear` learns one."
        )
    if control == "identity":
        graph = np.array([[float(s == t) for t in targets] for s in observed.skills])
    else:
        graph = np.asarray(checked_graph(observed), dtype=float)
    if any(len(row) != len(targets) for row in observed.losses):
        raise BadInputError(f"Each evaluation needs {len(targets)} losses, one for each evaluated skill.")
    if control == "shuffled":
        graph = np.roll(graph, 1, axis=0 if observed.targets else (0, 1))
    losses = observed.losses[1:] if observed.from_start else observed.losses
    shares = mixture(graph, losses, eta, window, mean)
    found = dict(zip(observed.skills, shares.tolist(), strict=True))
    items = drawn_by_mixture(observed, found, budget, seed) if observed.pool else []
    deviations = [IN_NATS if observed.from_start else RATES] if losses else []
    deviations += ["window averaged, not summed"] * mean
    deviations += [f"{control} graph (negative control)"] * bool(control)
    options = {"eta": eta, "window": window, "mean": mean, "control": control}
    return Planned("skill_it", SOURCE, found, tuple(i.id for i in items), options, tuple(deviations))
