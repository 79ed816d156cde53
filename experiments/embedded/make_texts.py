"""Write the student's training texts: what the teacher of `devices` says on questions of the train split.

    python experiments/embedded/make_texts.py --out experiments/embedded/out/texts.jsonl.gz

One JSON object a line: k, skill ids in prompt order, topic id, text. The same seed gives the same file on any
machine and any number of processes. Held-out categories and topics, and k above 3, never occur.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from functools import lru_cache
from multiprocessing import Pool
from pathlib import Path

from skillmix_eval.domain import Domain, load_domain
from skillmix_eval.domains.devices.teacher import compose
from skillmix_eval.errors import CallFailedError
from skillmix_eval.stages.sample import make_question

COUNTS = {1: 15_000, 2: 35_000, 3: 60_000}
SEED = 20_231_026


@lru_cache(maxsize=1)
def devices() -> Domain:
    """Return the domain, read once per process."""
    return load_domain("devices")


def line(job: tuple[int, int, int]) -> str | None:
    """Return text number `number` of those with k skills as a line of JSON, None where the teacher fails."""
    seed, k, number = job
    rng = random.Random(f"{seed}.{k}.{number}")
    skills, topics = devices().part("train")
    conflicts = devices().conflicts
    while True:
        chosen = rng.sample(skills, k)
        if not any(b.id in conflicts.get(a.id, ()) for a in chosen for b in chosen):
            break
    topic = rng.choice(topics)
    try:
        text = compose(make_question(tuple(chosen), topic), number)
    except CallFailedError:
        return None
    return json.dumps({"k": k, "skills": [s.id for s in chosen], "topic": topic.id, "text": text})


def main() -> None:
    """Write all texts with all processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "texts.jsonl.gz")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="write this share of all texts")
    options = parser.parse_args()
    jobs = [(options.seed, k, i) for k, n in COUNTS.items() for i in range(int(n * options.share))]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    part = options.out.with_suffix(".part")
    failed = 0
    with gzip.GzipFile(part, "wb", mtime=0) as out, Pool(options.processes) as pool:
        for found in pool.imap(line, jobs, chunksize=200):
            if found is None:
                failed += 1
            else:
                out.write(found.encode() + b"\n")
    part.rename(options.out)
    print(f"{len(jobs) - failed} texts in {options.out}, {failed} questions left out")


if __name__ == "__main__":
    main()
