"""Measure the teacher of the domain `devices`: how often it succeeds, how varied it is, what it shows.

Writes results/devices/teacher.json and results/devices/cross_matrix.csv. Runs in about a minute on one core.
"""

from __future__ import annotations

import csv
import json
import random
import statistics
import time
import tomllib
from pathlib import Path
from typing import Any

from skillmix_eval.domains.devices import rules
from skillmix_eval.domains.devices.teacher import accepted, compose
from skillmix_eval.errors import CallFailedError
from skillmix_eval.records import Question, Skill, Topic
from skillmix_eval.texts import words

ROOT = Path(__file__).parent.parent
DOMAIN = ROOT / "skillmix_eval" / "domains" / "devices"
RESULTS = ROOT / "results" / "devices"
QUESTIONS, SEED = 300, 20231026  # questions per k; the seed of their sampling
ALONE = 200  # texts per skill for the matrix
OUTLIER = 0.2


def catalogue() -> tuple[list[Skill], list[Topic], list[frozenset[str]]]:
    """Return the domain's skills, topics and excluded sets of skills."""
    with (DOMAIN / "skills.csv").open(encoding="utf-8", newline="") as file:
        skills = [Skill(**row) for row in csv.DictReader(file)]
    with (DOMAIN / "topics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    topics = [Topic(id=row["topic"], name=row["topic"], words=tuple(row["words"].split())) for row in rows]
    domain = tomllib.loads((DOMAIN / "domain.toml").read_text(encoding="utf-8"))
    return skills, topics, [frozenset(entry["skills"]) for entry in domain.get("exclusions", [])]


def questions(k: int, count: int) -> list[Question]:
    """Return random questions of k skills without excluded sets."""
    skills, topics, excluded = catalogue()
    rng = random.Random(SEED + k)  # noqa: S311
    drawn: list[Question] = []
    while len(drawn) < count:
        chosen = rng.sample(skills, k)
        if any(out <= {s.id for s in chosen} for out in excluded):
            continue
        drawn.append(Question(id=f"{k}-{len(drawn)}", skills=tuple(chosen), topic=rng.choice(topics)))
    return drawn


def distinct(texts: list[str], n: int) -> float:
    """Return the share of different n-grams among all n-grams of words."""
    grams = [tuple(run) for text in texts for run in zip(*(words(text)[i:] for i in range(n)), strict=False)]
    return round(len(set(grams)) / max(1, len(grams)), 4)


def measure(k: int) -> dict[str, Any]:
    """Compose a text for each question of k skills and return the figures."""
    texts, times, failures = [], [], []
    for number, question in enumerate(questions(k, QUESTIONS)):
        start = time.perf_counter()
        try:
            text = compose(question, number)
        except CallFailedError as error:
            failures.append(str(error))
            text = ""
        times.append(time.perf_counter() - start)
        if text and accepted(question, text):
            texts.append(text)
    return {
        "n": QUESTIONS,
        "full_marks": round(len(texts) / QUESTIONS, 4),
        "distinct_texts": len(set(texts)),
        "distinct_ngrams": {str(n): distinct(texts, n) for n in (1, 2, 3, 4)},
        "mean_words": round(statistics.mean(len(words(text)) for text in texts), 1),
        "median_ms": round(1000 * statistics.median(times), 2),
        "mean_ms": round(1000 * statistics.mean(times), 2),
        "failures": failures,
    }


def cross_matrix() -> dict[str, dict[str, float]]:
    """Return, for each skill, the share of texts written for it alone that meet each skill."""
    skills, topics, _ = catalogue()
    matrix: dict[str, dict[str, float]] = {}
    for skill in skills:
        met = dict.fromkeys(rules.CHECKERS, 0)
        for number in range(ALONE):
            question = Question(id=skill.id, skills=(skill,), topic=topics[number % len(topics)])
            for other, verdict in rules.check(compose(question, number)).items():
                met[other] += verdict.met
        matrix[skill.id] = {other: count / ALONE for other, count in met.items()}
    return matrix


def main() -> None:
    """Measure, print and write."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    figures = {f"k={k}": measure(k) for k in range(1, 7)}
    matrix = cross_matrix()
    outliers = [
        f"{a} shows {b} in {share:.0%} of texts"
        for a, row in matrix.items()
        for b, share in row.items()
        if a != b and share > OUTLIER
    ]
    report = {"per_k": figures, "seed": SEED, "texts_per_skill": ALONE, "off_diagonal_above_0.2": outliers}
    text = json.dumps(report, indent=2, sort_keys=True)
    (RESULTS / "teacher.json").write_text(text + "\n", encoding="utf-8")
    with (RESULTS / "cross_matrix.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["written for", *matrix])
        table.writerows([a, *(f"{row[b]:.3f}" for b in matrix)] for a, row in matrix.items())
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
