"""How often the gate errs and how many questions it uses; writes results/statistics/gate.{json,md}.

    python experiments/gate_simulation.py [--gates 4000]

Paired 0/1 scores: baseline 60 %, correlation .5 within a question, alpha = beta = .05, as in the plan's
defaults. Next to the sequential gate: a fixed size, and an ordinary test that is looked at again and again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from skillmix_eval.statistics.evalue import evidence
from skillmix_eval.statistics.planning import Rates, draw, pairs_to_decide, stops

BASELINE, CORRELATION, ALPHA, BETA = 0.6, 0.5, 0.05, 0.05
STREAM = {0.05: 6000, 0.10: 2600}
LOOK = 10
OUT = Path(__file__).parents[1] / "results" / "statistics"
CHUNK = 200


def sequential(gates: int, streams: Mapping[float, int] = STREAM) -> list[dict[str, Any]]:
    """Return error rates and questions used by the sequential gate, and by a fixed-size test beside it."""
    rows = []
    for allowed, length in streams.items():
        fixed = pairs_to_decide(Rates(BASELINE, allowed, CORRELATION), ALPHA, BETA)
        for drop in (0.0, allowed / 2, allowed, 0.10, 0.20) if allowed < 0.1 else (0.0, 0.05, 0.1, 0.2):
            rates = Rates(BASELINE, drop, CORRELATION)
            outcome, used = in_chunks(gates, lambda n, rng, r=rates, m=length: draw(r, (n, m), rng), allowed)
            at_fixed = draw(rates, (gates, fixed), np.random.default_rng(1))
            rows.append(
                {"allowed": allowed, "true_drop": drop}
                | summary(outcome, used, 2 * fixed)
                | {"fixed_questions": fixed, "fixed_alarms": float(mid_p_alarms(at_fixed).mean())}
            )
    return rows


def in_chunks(
    gates: int, make: Callable[[int, np.random.Generator], np.ndarray], allowed: float
) -> tuple[np.ndarray, np.ndarray]:
    """Run many gates a few at a time, to keep memory small."""
    rng = np.random.default_rng(0)
    parts = [stops(make(min(CHUNK, gates - i), rng), allowed, ALPHA, BETA) for i in range(0, gates, CHUNK)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def summary(outcome: np.ndarray, used: np.ndarray, cap: int) -> dict[str, Any]:
    """Return frequencies of the outcomes and the numbers of questions, also when giving up at a cap."""
    return {
        "mean": round(float(used.mean()), 1),
        "median": float(np.median(used)),
        "p90": round(float(np.quantile(used, 0.9)), 1),
        "alarms": float((outcome == 1).mean()),
        "passes": float((outcome == 0).mean()),
        "cap": cap,
        "mean_with_cap": round(float(np.minimum(used, cap).mean()), 1),
        "undecided_with_cap": float(((used > cap) | (outcome == -1)).mean()),
    }


def mid_p_alarms(drops: np.ndarray) -> np.ndarray:
    """Tell which rows an ordinary one-sided mid-p McNemar test at 5 % calls a regression."""
    return mid_p((drops > 0).sum(axis=1), (drops < 0).sum(axis=1)) <= ALPHA


def mid_p(worse: np.ndarray, better: np.ndarray) -> np.ndarray:
    """Return the one-sided mid-p for many pairs of counts."""
    m = worse + better
    return np.asarray(binom.sf(worse, m, 0.5) + binom.pmf(worse, m, 0.5) / 2)


def peeking(gates: int, most: int = 1048) -> dict[str, Any]:
    """Return the false alarms of an ordinary test that is looked at every 10 questions."""
    drops = draw(Rates(BASELINE, 0.0, CORRELATION), (gates, most), np.random.default_rng(0))
    looks = np.arange(LOOK - 1, most, LOOK)
    worse, better = (np.cumsum(side, axis=1)[:, looks] for side in (drops > 0, drops < 0))
    alarms = mid_p(worse, better) <= ALPHA
    return {
        "questions": most,
        "every": LOOK,
        "false_alarms": float(alarms.any(axis=1).mean()),
        "false_alarms_not_before_40": float(alarms[:, 3:].any(axis=1).mean()),
    }


def finite(gates: int, size: int = 300) -> list[dict[str, Any]]:
    """Return errors on a fixed list of questions in random order, none asked twice.

    The list's own mean drop is exactly the null's: 0 (an alarm is false) or the allowed one (a pass is).
    """
    rows = []
    for allowed in (0.05, 0.10):
        for drop in (0.0, allowed):
            lost = round(size * drop)
            tied = 0.24
            better = round(size * tied / 2 - lost / 2)
            one = np.array([1.0] * (better + lost) + [-1.0] * better)
            one = np.concatenate([one, np.zeros(size - len(one))])
            outcome, used = in_chunks(
                gates, lambda n, rng, d=one: rng.permuted(np.tile(d, (n, 1)), axis=1), allowed
            )
            rows.append({"questions": size, "allowed": allowed, "true_drop": drop})
            rows[-1] |= summary(outcome, used, size)
    return rows


def balanced(gates: int, skills: int = 30, k: int = 3, size: int = 600) -> dict[str, Any]:
    """Return false alarms where some skills got worse and others better, on balanced questions.

    Each skill is asked equally often and the questions come in random order; the mean drop is 0.
    """
    shift = np.where(np.arange(skills) % 2 == 0, 0.3, -0.3)

    def make(n: int, rng: np.random.Generator) -> np.ndarray:
        decks = rng.permuted(np.tile(np.arange(skills), (n, size * k // skills, 1)), axis=2)
        mean = shift[decks.reshape(n, size, k)].mean(axis=2)
        p_worse, p_better = 0.12 + mean / 2.5, 0.12 - mean / 2.5
        u = rng.random((n, size))
        d = (u < p_worse).astype(float) - (u >= 1 - p_better)
        return rng.permuted(d, axis=1)

    outcome, used = in_chunks(gates, make, 0.05)
    return {"skills": skills, "k": k, "questions": size, "allowed": 0.05} | summary(outcome, used, size)


def graded(gates: int) -> list[dict[str, Any]]:
    """Return errors and questions where each question has three texts, allowed drop .05."""
    from scipy.optimize import brentq
    from scipy.special import expit

    rng = np.random.default_rng(0)
    base, own = 1.9 * rng.standard_normal(200_000), 0.55 * rng.standard_normal(200_000)
    level = brentq(lambda m: expit(base + m).mean() - 0.6, -5, 5)
    rows = []
    for drop in (0.0, 0.05, 0.10, 0.20):
        harm = brentq(lambda m, d=drop: expit(base + level - m + own).mean() - 0.6 + d, -5, 5)
        found = [graded_gate(rng, level, harm) for _ in range(gates)]
        outcome, used = (np.array(x) for x in zip(*found, strict=True))
        rows.append({"texts": 3, "allowed": 0.05, "true_drop": drop} | summary(outcome, used, 1500))
    return rows


def graded_gate(rng: np.random.Generator, level: float, harm: float, most: int = 1500) -> tuple[int, int]:
    """Simulate one gate on means of three texts; return its outcome and questions."""
    from scipy.special import expit

    latent = 1.9 * rng.standard_normal(most)
    old = rng.binomial(3, expit(latent + level)) / 3
    new = rng.binomial(3, expit(latent + level - harm + 0.55 * rng.standard_normal(most))) / 3
    seen = evidence(old - new, 0.05, binary=False)
    alarm, passing = seen.alarm >= np.log(1 / ALPHA), seen.passing >= np.log(1 / BETA)
    either = alarm | passing
    at = int(either.argmax())
    return (-1, most) if not either.any() else (0 if passing[at] else 1, at + 1)


def markdown(found: dict[str, Any]) -> str:
    """Return the tables."""
    alarms = max(r["alarms"] for r in found["sequential"] if r["true_drop"] == 0)
    misses = max(r["passes"] for r in found["sequential"] if r["true_drop"] >= r["allowed"])
    lines = [
        "# The gate's errors and cost",
        "",
        f"`python experiments/gate_simulation.py --gates {found['gates']}`; baseline 60 %, correlation .5 within "
        "a question, alpha = beta = .05. A false alarm is an alarm at a true drop of 0, a miss a pass at the "
        "allowed drop or more. Last columns: a mid-p McNemar test at a fixed size.",
        "",
        f"False alarms: **{alarms:.1%}** at most; misses: **{misses:.1%}** at most.",
        "",
        "| allowed | true drop | mean questions | median | 90 % | alarm | pass | mean, capped at 2x fixed | "
        "undecided at cap | fixed size | its alarms |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in found["sequential"]:
        lines.append(
            f"| {r['allowed']} | {r['true_drop']:g} | {r['mean']:.0f} | {r['median']:.0f} | {r['p90']:.0f} | "
            f"{r['alarms']:.3f} | {r['passes']:.3f} | {r['mean_with_cap']:.0f} | "
            f"{r['undecided_with_cap']:.3f} | {r['fixed_questions']} | {r['fixed_alarms']:.3f} |"
        )
    peek = found["peeking"]
    lines += [
        "",
        f"An ordinary test looked at every {peek['every']} questions up to {peek['questions']}: "
        f"**{peek['false_alarms']:.1%} false alarms** ({peek['false_alarms_not_before_40']:.1%} when the first "
        "three looks are left out).",
        "",
        "## A fixed list in random order, none asked twice",
        "",
        *_table(found["finite"], "questions"),
        "",
        "## Balanced questions, half the skills worse and half better, no drop on average",
        "",
        *_table([found["balanced"] | {"true_drop": 0.0}], "questions"),
        "",
        "## Three texts per question",
        "",
        *_table(found["graded"], "texts"),
        "",
    ]
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]], first: str) -> list[str]:
    lines = [
        f"| {first} | allowed | true drop | mean questions | alarm | pass |",
        "|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {r[first]} | {r['allowed']} | {r['true_drop']:g} | {r['mean']:.0f} | {r['alarms']:.3f} | "
        f"{r['passes']:.3f} |"
        for r in rows
    ]


def main() -> None:
    """Run all parts and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=4000)
    gates = parser.parse_args().gates
    found = {
        "gates": gates,
        "sequential": sequential(gates),
        "peeking": peeking(gates),
        "finite": finite(gates),
        "balanced": balanced(gates),
        "graded": graded(min(gates, 1000)),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "gate.json").write_text(json.dumps(found, indent=2) + "\n")
    (OUT / "gate.md").write_text(markdown(found))


if __name__ == "__main__":
    main()
