"""Do corrected figures hold the truth where a judge's own do not, and are planted error rates recovered?

Part 1 draws texts of a known share of full marks, judges them with known errors, labels a part, and counts how
often 95 % intervals hold the truth: the judge's own, the corrected (PPI++), and Rogan-Gladen's. Part 2 takes
real texts of the embedded student on `devices`, whose truth the checkers know, plants errors into their
gradings and measures the judge as `skillmix calibrate` does.

Run from the repository's root:  python experiments/judge_calibration.py   (some minutes on one core)
Writes results/judge/calibration.json and .md.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np

from skillmix_eval.calibrated import calibrated, draw_from, drawn, key
from skillmix_eval.evaluate import evaluate, load_models, prepare
from skillmix_eval.known_texts import truth
from skillmix_eval.records import SENTENCE_LIMIT, Grading, GradingStatus, Sample, TextStatus, Verdict
from skillmix_eval.runs import Run
from skillmix_eval.spec import RunSpec
from skillmix_eval.stages.score import score
from skillmix_eval.statistics.correction import Labelled, corrected, rogan_gladen
from skillmix_eval.stats import wilson

OUT = Path("results/judge")
RUNS, REPEATS = 1000, 200
# share of full marks, sensitivity, specificity, texts judged, labelled, how much likelier failed ones are drawn
WORLDS = [
    (0.6, 0.92, 0.75, 300, 100, 1.0),
    (0.6, 0.92, 0.75, 400, 100, 1.0),
    (0.6, 0.92, 0.75, 300, 100, 2.0),
    (0.2, 0.95, 0.90, 300, 100, 2.0),
    (0.9, 0.95, 0.60, 300, 100, 2.0),
    (0.6, 0.95, 0.90, 2000, 200, 2.0),
    (0.6, 0.92, 0.75, 2000, 200, 2.0),
    (0.6, 0.92, 0.75, 60, 40, 2.0),
]
JUDGES = [(0.92, 0.75), (0.97, 0.90), (0.85, 0.95)]


def world(
    random: np.random.RandomState, theta: float, sens: float, spec: float, n: int, m: int, boost: float
) -> Labelled:
    """Return texts judged with errors, a part of them labelled."""
    true = (random.rand(n) < theta).astype(float)
    judged = (random.rand(n) < np.where(true == 1, sens, 1 - spec)).astype(float)
    weight = np.where(judged == 1, 1.0, boost)
    chance = np.minimum(1.0, m * weight / weight.sum())
    known = random.rand(n) < chance
    if boost == 1.0:
        known = np.isin(np.arange(n), random.choice(n, m, replace=False))
    return Labelled(judged, np.where(known, true, np.nan), chance, np.arange(n))


def coverage() -> list[dict[str, object]]:
    """Return coverage and mean width of each interval in each world."""
    rows: list[dict[str, object]] = []
    for number, (theta, sens, spec, n, m, boost) in enumerate(WORLDS):
        random = np.random.RandomState(100 + number)
        ends: dict[str, list[tuple[float, float]]] = {"judge": [], "corrected": [], "rogan_gladen": []}
        for _ in range(RUNS):
            data = world(random, theta, sens, spec, n, m, boost)
            ends["judge"].append(wilson(float(data.judged.mean()), n))
            for name, method in (("corrected", corrected), ("rogan_gladen", rogan_gladen)):
                found = method(data)
                ends[name].append((found.low or 0.0, 1.0 if found.high is None else found.high))
        row: dict[str, object] = {
            "full_marks": theta, "sensitivity": sens, "specificity": spec, "judged": n, "labelled": m, "likelier": boost,
        }  # fmt: skip
        for name, found in ends.items():
            row[name] = {
                "coverage": float(np.mean([low <= theta <= high for low, high in found])),
                "width": float(np.mean([high - low for low, high in found])),
            }
        rows.append(row)
        print(row, flush=True)
    return rows


def texts() -> Run:
    """Return texts of the embedded student, graded by the checkers."""
    setting = prepare(RunSpec(k=(1, 2, 3), n=100, seed=11))
    return evaluate(setting, load_models(setting), None).run


def misjudged(run: Run, random: np.random.RandomState, sens: float, spec: float) -> Run:
    """Return a run whose judge errs on each point by itself at these rates."""
    samples = []
    for sample in run.samples:
        if sample.text.status is not TextStatus.OK:
            samples.append(sample)
            continue
        limit = sample.gradings[0].verdicts[SENTENCE_LIMIT]
        verdicts = {}
        for item, met in truth(sample.question, sample.text.text).items():
            right = random.rand() < (sens if met else spec)
            verdicts[item] = Verdict(met == right)
        ordered = {i: (verdicts | {SENTENCE_LIMIT: limit})[i] for i in sample.question.items}
        grading = Grading(sample.question.id, sample.text.index, 0, "scripted", GradingStatus.OK, ordered)
        samples.append(
            Sample(sample.question, sample.text, (grading,), score(sample.question, sample.text, (grading,)))
        )
    return Run(run.spec, msgspec.structs.replace(run.info, judge="scripted"), tuple(samples))


def recovery() -> list[dict[str, object]]:
    """Return how often the intervals of `calibrate` hold the planted rates and the true full marks."""
    run = texts()
    true = float(np.mean([s.score.marks.full_marks for s in run.samples if s.score]))
    rows = []
    for sens, spec in JUDGES:
        hits = dict.fromkeys(("sensitivity", "specificity", "corrected", "judge"), 0)
        values: dict[str, list[float]] = {name: [] for name in hits}
        random = np.random.RandomState(round(1000 * sens))
        for _ in range(REPEATS):
            judged = misjudged(run, random, sens, spec)
            found = draw_from(judged.samples, "scripted", 150)
            chosen = [key(s) for s in drawn(judged.samples, found)]
            by_key = {key(s): s for s in judged.samples}
            known = {k: truth(by_key[k].question, by_key[k].text.text) for k in chosen}
            figures = calibrated(judged, msgspec.structs.replace(found, truth=known))
            skills = next(e for e in figures.errors if e.what == "Skills")
            overall = next(c for c in figures.corrected if c.metric == "full_marks" and c.k is None)
            for name, estimate, aim in (
                ("sensitivity", skills.sensitivity, sens),
                ("specificity", skills.specificity, spec),
                ("corrected", overall.corrected, true),
                ("judge", overall.raw, true),
            ):
                hits[name] += estimate.low <= aim <= estimate.high
                values[name].append(float(estimate.value))
        row: dict[str, object] = {"planted": {"sensitivity": sens, "specificity": spec, "full_marks": true}}
        for name in hits:
            row[name] = {"mean": float(np.mean(values[name])), "coverage": hits[name] / REPEATS}
        rows.append(row)
        print(row, flush=True)
    return rows


def main() -> None:
    """Run both parts and write the results."""
    found = {"runs": RUNS, "repeats": REPEATS, "simulated": coverage(), "devices": recovery()}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "calibration.json").write_text(json.dumps(found, indent=1) + "\n")
    (OUT / "calibration.md").write_text("\n".join(report(found)) + "\n")


def report(found: dict) -> list[str]:
    """Return both tables as Markdown."""
    lines = [
        "# Judge errors: simulation and recovery",
        "",
        "Written by `experiments/judge_calibration.py`.",
        "",
        f"## Does the 95 % interval hold the true share of full marks? ({found['runs']:,} simulated runs each)",
        "",
        "Cells: coverage / mean width. Likelier: how many times likelier a text that the judge failed is labelled.",
        "",
        "| Truth | Sensitivity | Specificity | Judged | Labelled | Likelier | By the judge | Corrected | Rogan-Gladen |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in found["simulated"]:
        cells = [r[n] for n in ("full_marks", "sensitivity", "specificity", "judged", "labelled", "likelier")]
        cells += [
            f"{r[n]['coverage']:.3f} / {r[n]['width']:.3f}" for n in ("judge", "corrected", "rogan_gladen")
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        f"## Planted error rates on texts of the embedded student ({found['repeats']} repeats, 300 texts, about 150 labelled)",
        "",
        "Cells: mean estimate (share of intervals that hold the planted value, or for the last two the true full marks).",
        "Intervals are for new questions; they hold the share among these very texts more often than 95 %.",
        "",
        "| Planted sensitivity, specificity | Sensitivity | Specificity | True full marks | By the judge | Corrected |",
        "|---|---|---|---|---|---|",
    ]
    for r in found["devices"]:
        p = r["planted"]
        cell = {
            n: f"{r[n]['mean']:.3f} ({r[n]['coverage']:.1%})"
            for n in ("sensitivity", "specificity", "judge", "corrected")
        }
        lines.append(
            f"| {p['sensitivity']}, {p['specificity']} | {cell['sensitivity']} | {cell['specificity']} | "
            f"{p['full_marks']:.3f} | {cell['judge']} | {cell['corrected']} |"
        )
    return lines


if __name__ == "__main__":
    main()
