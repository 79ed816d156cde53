"""Two papers' claims without a language model: Skill-It's own loss dynamics, and STAT-Sel on a model of mastery.

    python experiments/adaptive/simulations.py

Both are simulations of the papers' assumptions, not evidence about language models; they show that the methods'
code does what the papers say it does, and where it does not help. Writes results/experiments/simulations.{json,md}.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from scipy import stats

from skillmix_eval.methods import skill_it, stat_sel, uniform_items
from skillmix_eval.mixing import Item, Miss, Observed

OUT = Path(__file__).parent.parent.parent / "results" / "experiments"
FIRST_LOSS = math.log(2)
STEPS = 6000

# --- Skill-It: the dynamics that its derivation assumes (arXiv 2307.14430, equation 2), on the LEGO graph ---
LEGO = np.eye(5)
LEGO[1, [0, 2, 3]] = 0.5
CHAIN = np.eye(5) + 0.5 * np.eye(5, k=1)
RANDOM = np.array([1, 1, 1, 3, 5]) / 11


def linear(p: np.ndarray, losses: np.ndarray, alpha: float = 0.0012) -> np.ndarray:
    """One step of the paper's assumption: a skill's loss falls by the help that the mixture gives it."""
    return losses * (1 - alpha * (LEGO.T @ p))


def gated(p: np.ndarray, losses: np.ndarray, alpha: float = 0.0012) -> np.ndarray:
    """One step of another world: a skill can only be learnt once the one before it is."""
    before = np.concatenate([[0.0], losses[:-1]])
    gates = np.clip(1 - before / FIRST_LOSS, 0.02, 1)
    gates[0] = 1.0
    return losses * (1 - 4 * alpha * p * gates)


def train(world: object, arm: str, graph: np.ndarray = LEGO, rounds: int = 6, eta: float = 0.5) -> float:
    """Return the mean loss after all steps with an arm's mixtures."""
    losses, seen = np.full(5, FIRST_LOSS), []
    for _ in range(rounds):
        if arm in ("skill_it", "identity"):
            used = np.eye(5) if arm == "identity" else graph
            p = skill_it.mixture(used, [*seen, losses.tolist()], eta)
        else:
            p = {"random": RANDOM, "stratified": np.full(5, 0.2), "static": skill_it.mixture(graph, [], eta)}[
                arm
            ]
        seen.append(losses.tolist())
        for _ in range(STEPS // rounds):
            losses = world(p, losses)  # type: ignore[operator]
    return float(losses.mean())


def skill_it_table() -> dict[str, dict[str, float]]:
    """Return the mean loss of each arm in the assumed world, and in one that the method does not assume."""
    arms = ("random", "stratified", "identity", "static", "skill_it")
    return {
        "the paper's assumption, LEGO graph": {arm: train(linear, arm) for arm in arms},
        "gated world, wrong (LEGO) graph": {arm: train(gated, arm) for arm in arms},
        "gated world, right (chain) graph": {"skill_it": train(gated, "skill_it", CHAIN)},
    }


# --- STAT-Sel: skills are mastered by exposure; an item is solved when all of its skills are ---
SKILLS = 12
WEAK = (7, 9, 11)
SEEDS = 20
BUDGET = 400


class World:
    """Items with one to three skills, drawn by frequency; three rare skills are weak."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.frequency = 1 / np.arange(1, SKILLS + 1)
        self.frequency /= self.frequency.sum()
        self.pool, self.validation, self.test = (self.items(n) for n in (3000, 1000, 4000))

    def items(self, n: int) -> list[tuple[int, ...]]:
        """Return items as tuples of skills."""
        sizes = self.rng.integers(1, 4, n)
        return [tuple(self.rng.choice(SKILLS, k, replace=False, p=self.frequency)) for k in sizes]

    def mastery(self) -> np.ndarray:
        """Return how well each skill is mastered before training."""
        found = np.full(SKILLS, 0.95)
        found[list(WEAK)] = 0.40
        return found

    def accuracy(self, mastery: np.ndarray) -> float:
        """Return the expected share of test items solved."""
        return float(np.mean([np.prod(mastery[list(item)]) for item in self.test]))

    def trained(self, picks: list[int]) -> np.ndarray:
        """Return mastery after training on items of the pool."""
        mastery = self.mastery()
        for pick in picks:
            for skill in self.pool[pick]:
                mastery[skill] += 0.02 * (1 - mastery[skill])
        return mastery


def stat_arms(seed: int, noise: float) -> dict[str, float]:
    """Return the accuracy of each arm at the same number of picks; `noise` replaces missed skills by random ones."""
    world = World(seed)
    rng, mastery = world.rng, world.mastery()
    misses = []
    for number, item in enumerate(world.validation):
        failed = [s for s in item if rng.random() > mastery[s]]
        flagged = rng.random() < (0.92 if failed else 0.12)
        if flagged:
            listed = [
                int(rng.integers(SKILLS)) if rng.random() < noise else int(s) for s in failed or item[:1]
            ]
            misses.append(Miss(str(number), tuple(str(s) for s in listed)))
    pool = tuple(Item(str(i), tuple(str(s) for s in item)) for i, item in enumerate(world.pool))
    observed = Observed(tuple(str(s) for s in range(SKILLS)), pool, misses=tuple(misses))
    hard = Observed(observed.skills, tuple(i for i in pool if len(i.skills) == 3))
    picks = {
        "uniform": uniform_items.plan(observed, BUDGET, seed).items,
        "hard only": uniform_items.plan(hard, BUDGET, seed).items,
        "STAT-Sel": stat_sel.plan(observed, BUDGET, seed).items,
        "STAT-Sel, skills shuffled": stat_sel.plan(observed, BUDGET, seed, shuffled=True).items,
    }
    found = {arm: world.accuracy(world.trained([int(i) for i in items])) for arm, items in picks.items()}
    return {"before": world.accuracy(mastery)} | found


def stat_table(seeds: int = SEEDS) -> dict[str, dict[str, list[float]]]:
    """Return each arm's accuracy for each seed, by label noise."""
    table: dict[str, dict[str, list[float]]] = {}
    for noise in (0.0, 0.3, 0.57):
        rows = [stat_arms(seed, noise) for seed in range(seeds)]
        table[f"label noise {noise}"] = {arm: [row[arm] for row in rows] for arm in rows[0]}
    return table


def mean_with_interval(values: list[float]) -> str:
    """Return the mean over seeds with its 95 % t interval."""
    mean, se = np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, mean, se) if se else (mean, mean)
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Run both and write the tables."""
    skill, stat = skill_it_table(), stat_table()
    lines = [
        "# Simulations of Skill-It and STAT-Sel",
        "",
        "    python experiments/adaptive/simulations.py",
        "",
    ]
    lines += [
        "Mean loss over five skills after 6,000 steps in six rounds, eta 0.5, window 3 (no randomness):",
        "",
    ]
    for world, arms in skill.items():
        lines += [f"- {world}: " + ", ".join(f"{arm} {loss:.4f}" for arm, loss in arms.items())]
    lines += ["", f"Share of 4,000 test items solved after {BUDGET} picks, mean of {SEEDS} seeds [95 %]:", ""]
    lines += ["| | " + " | ".join(next(iter(stat.values()))) + " | seeds with STAT-Sel over uniform |"]
    lines += ["|---|" + "---|" * (len(next(iter(stat.values()))) + 1)]
    for noise, arms in stat.items():
        won = sum(a > b for a, b in zip(arms["STAT-Sel"], arms["uniform"], strict=True))
        shown = " | ".join(mean_with_interval(values) for values in arms.values())
        lines += [f"| {noise} | {shown} | {won} of {SEEDS} |"]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "simulations.md").write_text("\n".join(lines) + "\n")
    (OUT / "simulations.json").write_text(json.dumps({"skill_it": skill, "stat": stat}, indent=1) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
