"""What a graded text costs in tokens: the default judge style against the paper's protocol, on `devices`.

The paper's protocol grades each text three times, each time with a table and a free explanation, and takes the
majority per item. The default asks once, for one JSON object. Prompts and replies are real ones, over all styles
and numbers of skills; the judge is scripted, of known error per point, and writes the same sentence of reasons
for each point in both. How far three votes of one judge help depends on how much of its error they share, which
no scripted judge can tell: the table shows the range, from none to all.

Run from the repository's root, where `mistral_common` (for its tokenizer) can be imported:
    python experiments/judge_cost.py
Writes results/judge/cost.json and .md.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from skillmix_eval.evaluate import Models, evaluate, load_models, opened, prepare
from skillmix_eval.known_texts import truth
from skillmix_eval.pipeline import Job, run
from skillmix_eval.plugins import load_graders
from skillmix_eval.records import Reply, Request, Sample, Usage
from skillmix_eval.spec import ModelSpec, RunSpec
from tests.scripted import ScriptedJudge

OUT = Path("results/judge")
KS, N = (1, 2, 3, 4, 5), 60
PROTOCOLS = {
    "json-items, 1 grading (default)": ("json-items", 1),
    "paper-table, 3 gradings": ("paper-table", 3),
}
ERRORS = (0.92, 0.85)
SHARED = (0.0, 0.3, 0.6, 1.0)
REASON = "The words at the start of the text do what the definition asks for here."


def counter() -> Callable[[str], int]:
    """Return a function that counts tokens, of a tokenizer of 131,072 pieces in common use."""
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    tokenizer = MistralTokenizer.v3(is_tekken=True).instruct_tokenizer.tokenizer
    return lambda text: len(tokenizer.encode(text, bos=False, eos=False))


class Scripted:
    """A backend that a scripted judge answers for, with tokens counted."""

    identity = {"backend": "scripted"}  # noqa: RUF012
    limit = 1

    def __init__(self, judge: ScriptedJudge, count: Callable[[str], int]) -> None:
        self._judge, self._count = judge, count
        self._calls = 0

    async def complete(self, request: Request) -> Reply:
        """Return the judge's reply; each call has a chance of its own errors."""
        self._calls += 1
        prompt = request.messages[-1].content
        reply = self._judge(prompt, f"{request.draw}")
        return Reply(reply, usage=Usage(self._count(prompt), self._count(reply)))

    async def aclose(self) -> None:
        """Nothing to release."""


def graded(
    jobs: list[Job], style: str, gradings: int, judge: ScriptedJudge, count: Callable[[str], int]
) -> list[Sample]:
    """Grade texts by one protocol."""
    spec = RunSpec(
        judge=ModelSpec(model="openai/scripted", base_url="http://localhost:9/v1"),
        judge_style=style,
        gradings=gradings,
    )
    setting = prepare(spec, check_questions=False)
    models = Models(load_graders(spec, setting.domain, setting.protocol), None, (Scripted(judge, count),))

    async def ask() -> tuple[Sample, ...]:
        async with opened(setting, models, None) as plan:
            return await run(plan, jobs, lambda _: None)

    return list(asyncio.run(ask()))


def agreement(samples: list[Sample]) -> dict[str, float]:
    """Return how often a judge's majority is the truth: per point, and for all points of a text."""
    points, texts = [], []
    for s in samples:
        if s.score:
            true = truth(s.question, s.text.text)
            same = [s.score.points[i] == true[i] for i in s.question.judged_items]
            points += same
            texts.append(all(same) or (all(true.values()) == all(s.score.points[i] for i in true)))
    return {
        "points": sum(points) / len(points),
        "full_marks": sum(texts) / len(texts),
        "scored": len(texts),
        "of": len(samples),
    }


def main() -> None:
    """Measure and write."""
    count = counter()
    setting = prepare(RunSpec(k=KS, n=N, seed=5))
    texts = evaluate(setting, load_models(setting), None).run.samples
    jobs = [Job(s.question, s.text.index, s.text) for s in texts if s.text.status == "ok"]
    cost: dict[str, dict[int, list[Usage]]] = {name: defaultdict(list) for name in PROTOCOLS}
    agrees: dict[str, dict[str, dict[str, float]]] = {name: {} for name in PROTOCOLS}
    for name, (style, gradings) in PROTOCOLS.items():
        for shared in SHARED:
            judge = ScriptedJudge(*ERRORS, shared=shared, reason=REASON)
            samples = graded(jobs, style, gradings, judge, count)
            agrees[name][str(shared)] = agreement(samples)
            for s in samples if shared == 1.0 else ():
                cost[name][s.question.k].append(sum((g.usage for g in s.gradings), Usage()))
    tokens = {
        name: {
            str(k): [sum(u.input for u in us) / len(us), sum(u.output for u in us) / len(us)]
            for k, us in by_k.items()
        }
        for name, by_k in cost.items()
    }
    found = {"texts": len(jobs), "errors": ERRORS, "tokens": tokens, "agreement": agrees}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "cost.json").write_text(json.dumps(found, indent=1) + "\n")
    (OUT / "cost.md").write_text("\n".join(report(found)) + "\n")
    print("\n".join(report(found)))


def report(found: dict) -> list[str]:
    """Return both tables as Markdown."""
    ours, paper = PROTOCOLS
    lines = [
        "# Tokens per graded text",
        "",
        f"Written by `experiments/judge_cost.py`: {found['texts']} texts of the embedded student on `devices`, tokens of "
        "`mistral_common`'s tokenizer v3 (tekken), a scripted judge's replies.",
        "",
        f"| k | {ours}: in + out | {paper}: in + out | Share of the paper's tokens |",
        "|---|---|---|---|",
    ]
    for k in map(str, KS):
        a, b = found["tokens"][ours][k], found["tokens"][paper][k]
        lines.append(f"| {k} | {a[0]:.0f} + {a[1]:.0f} | {b[0]:.0f} + {b[1]:.0f} | {sum(a) / sum(b):.0%} |")
    sens, spec = found["errors"]
    lines += [
        "",
        f"Agreement with the checkers of a scripted judge (per point: sensitivity {sens}, specificity {spec}), by how",
        "much of its error all gradings of a text share. Cells: single points / full marks of the judged points;",
        f"n = {found['texts']} texts, so full marks are known to about 0.03 (95 %). One grading agrees less than three",
        "unless they err alike.",
        "",
        "| Shared part of the error | " + " | ".join(PROTOCOLS) + " |",
        "|---|---|---|",
    ]
    for shared in map(str, SHARED):
        cells = [found["agreement"][name][shared] for name in PROTOCOLS]
        lines.append(
            f"| {shared} | " + " | ".join(f"{c['points']:.3f} / {c['full_marks']:.3f}" for c in cells) + " |"
        )
    return lines


if __name__ == "__main__":
    main()
