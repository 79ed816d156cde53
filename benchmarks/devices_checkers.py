"""Print how many texts the domain `devices` verifies per second of one core, five skills a text."""

from __future__ import annotations

import itertools
import time

from skillmix_eval.domains.devices import rules
from skillmix_eval.records import Question, Skill, Topic

TEXTS = [
    """If the smoke drifts low, the bees are calm; the smoke drifts low, so the bees are calm. Rarely does the
    keeper (always an early riser) hurry past the old apiary, and she waits, she listens, she counts.""",
    """\"Keep the glass turning,\" said the old blower. The furnace glowed like a sun, and the longer it
    burned, the brighter it grew. Even a master cannot rush the glass, let alone a cold beginner.""",
    """Who could forget the first loaf? Slowly, slowly, slowly the dough rose, and the baker trusts the
    starter, the starter lifts the loaf. It was not the oven but the patience that made good bread.""",
]
SECONDS = 3.0


def questions(k: int = 5) -> list[Question]:
    """Return questions of k skills that together ask every checker."""
    skills = [Skill(id=s, name=s, category="", definition="", example="") for s in rules.CHECKERS]
    topic = Topic(id="beekeeping", name="beekeeping", words=("bee", "hive", "honey", "apiary", "smoker"))
    return [
        Question(id=str(i), skills=tuple(skills[i : i + k]), topic=topic) for i in range(0, len(skills), k)
    ]


def main() -> None:
    """Verify texts for a few seconds and print the rate."""
    pairs = itertools.cycle(list(itertools.product(questions(), [" ".join(t.split()) for t in TEXTS])))
    rules.verdicts(*next(pairs))  # loads the pronunciations
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < SECONDS:
        rules.verdicts(*next(pairs))
        done += 1
    print(f"{done / spent:,.0f} texts/s, {1e6 * spent / done:.0f} us a text")  # noqa: T201


if __name__ == "__main__":
    main()
