"""Texts of known grade are graded along: they show how far a judge can be trusted, and are in no figure."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.anchors import Anchor, anchors, read_anchors
from skillmix_eval.attacks import attacked, suite
from skillmix_eval.evaluate import load_models, prepare
from skillmix_eval.figures import Anchors
from skillmix_eval.gate import fixed
from skillmix_eval.known_texts import devices, far_miss, good_text, is_good, near_miss, questions, truth
from skillmix_eval.pairing import caveats, changed_judge
from skillmix_eval.records import ON_TOPIC, Sample
from skillmix_eval.runs import read_run
from skillmix_eval.spec import ModelSpec, RunSpec
from skillmix_eval.statistics.judging import proportion
from skillmix_eval.verdict import make_policy

from .makers import make_grading, make_sample
from .scripted import ScriptedJudge
from .server import JUDGE, STUDENT, Server, run_options, skillmix

MANY = 30


def sample(anchor: Anchor, points: str | None) -> Sample:
    """Return an anchor's text with a grading of these points, all items alike; None is unreadable."""
    question = anchor.job.question
    found = make_sample(question, points and points * len(question.items))
    assert anchor.job.text is not None
    return Sample(question, anchor.job.text, (make_grading(question, None),), found.score)


def read(good: str | None = "1", bad: str | None = "0", attacked: str | None = "0") -> Anchors:
    """Return what anchors say of a judge that gives each kind these points."""
    known = anchors(RunSpec(), MANY)
    said = {"good": good, "bad": bad, "attacked": attacked}
    return read_anchors(known, [sample(a, said[a.kind]) for a in known])


def test_anchors_are_what_they_are_said_to_be() -> None:
    """By the checkers, each good anchor has full marks and no bad or attacked one could have."""
    for anchor in anchors(RunSpec(), 60):
        question, text = anchor.job.question, anchor.job.text
        assert text is not None
        assert is_good(question, text.text) == (anchor.kind == "good")
        if anchor.kind == "bad":
            assert not all(truth(question, text.text).values())


def test_misses_near_and_far() -> None:
    """A near miss lacks little and is on the topic; a far miss has neither topic nor skills."""
    for n, question in enumerate(questions((2, 3, 4), 9, 1)):
        near, far = truth(question, near_miss(question, n)), truth(question, far_miss(question, n))
        assert near[ON_TOPIC]
        assert 0 < sum(not met for met in near.values()) < len(near)
        assert not far[ON_TOPIC]
        assert not any(met for item, met in far.items() if item.startswith("skill:"))
        assert all(truth(question, good_text(question, n)).values())


def test_anchors_are_the_same_in_each_run_but_asked_anew() -> None:
    """The texts depend on k alone; the draw, and so the call, also on the student."""
    first, other = (anchors(RunSpec(student=ModelSpec(model=m)), MANY) for m in ("openai/a", "openai/b"))
    assert [a.job.text.text for a in first] == [a.job.text.text for a in other]  # type: ignore[union-attr]
    assert not {a.job.index for a in first} & {a.job.index for a in other}
    assert anchors(RunSpec(n=7), MANY) == anchors(RunSpec(), MANY)


def test_shares_have_bounds() -> None:
    """A judge that no anchor fools is bounded by how many there were."""
    found = read()
    assert (found.bad.value, found.bad.n, found.attacked.n, found.good.n) == (0.0, 10, 10, 10)
    assert found.bad.high == pytest.approx(1 - 0.025 ** (1 / 10))
    assert found.faults == ()


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ({"good": "1", "bad": "1", "attacked": "1"}, "known to be bad"),
        ({"attacked": "1"}, "10 of 20 texts known to be bad"),
        ({"good": "0"}, "10 of 10 texts known to be good"),
        ({"good": None, "bad": None}, "20 of 30 anchors could not be graded"),
    ],
)
def test_a_judge_that_fails_makes_the_run_invalid(judge: dict[str, str | None], words: str) -> None:
    """A judge that surely passes bad texts, denies good ones or cannot be read is no judge."""
    assert any(words in fault for fault in read(**judge).faults)


@pytest.mark.parametrize(("count", "n", "high"), [(0, 30, 0.095), (0, 60, 0.049), (0, 120, 0.025)])
def test_upper_bounds(count: int, n: int, high: float) -> None:
    """The one-sided 95 % bound when none is fooled is the published one."""
    assert proportion(count, n, 0.9).high == pytest.approx(high, abs=0.0006)


def scripted(**error: float) -> Server:
    """Return a server whose judge knows the truth of `devices` and errs at these rates."""
    judge = ScriptedJudge(**error)
    return Server(fault=lambda call: f"say:{judge(call.prompt)}" if call.role == "judge" else None)


def test_anchors_in_a_run(tmp_path: Path) -> None:
    """By default a judge model grades 30 anchors along; they are reported apart, with their cost."""
    with scripted() as server:
        options = [o for o in run_options(server, tmp_path) if o not in ("--anchors", 0)]
        done = skillmix("run", *options, "-k", 2, "-n", 3, "--no-refine", "--out", "r", cwd=tmp_path)
        assert done.code == 0, done.err
        assert len(server.of("judge")) == 33
        again = skillmix("run", "r/spec.yaml", "--store", tmp_path / "store.sqlite", "--json", cwd=tmp_path)
        assert len(server.of("judge")) == 33
    assert "The 30 anchors took 30 judge calls" in " ".join(done.out.split())
    assert again.json["figures"]["by_k"][0]["texts"] == 3
    found = read_run(tmp_path / "r").info.anchors
    assert found is not None
    assert (found.good.value, found.bad.value, found.attacked.value, found.faults) == (0.0, 0.0, 0.0, ())


def test_a_lenient_judge_is_found_out(tmp_path: Path) -> None:
    """A judge that passes everything makes a run invalid, as the report and the gate (code 12) say."""
    with scripted(specificity=0.0) as server:
        options = [o for o in run_options(server, tmp_path) if o not in ("--anchors", 0)]
        done = skillmix("run", *options, "-k", 2, "-n", 3, "--no-refine", "--out", "r", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "INVALID RUN: the judge gave full marks to" in done.out
    gate = skillmix("gate", "--baseline", "r", "--candidate", "r", cwd=tmp_path)
    assert gate.code == 12
    assert "is invalid: the judge gave full marks" in " ".join(gate.out.split())


def test_a_sequential_gate_checks_its_judge(tmp_path: Path) -> None:
    """A gate that asks by itself has anchors graded too: a judge gone lenient makes it invalid."""
    with scripted(specificity=0.0) as server:
        options = [*run_options(server, tmp_path), "-k", 2, "-n", 4, "--no-refine", "--out", "r"]
        assert skillmix("run", *options, cwd=tmp_path).code == 0
        spec = tmp_path / "r" / "spec.yaml"
        spec.write_text(spec.read_text().replace("anchors: 0", "anchors: 30"))
        server.forget()
        asked = ["--student", f"openai/{STUDENT}", "--base-url", server.url, "--temperature", 0.5]
        command = ["gate", "--baseline", "r", "--sequential", *asked, "--store", "store.sqlite"]
        done = skillmix(*command, cwd=tmp_path)
    assert done.code == 12, done.err
    assert "the judge gave full marks" in " ".join(done.out.split())
    assert len(server.of("judge")) >= 30


def test_the_fingerprint_tells_endpoints_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge reached through an endpoint that only the environment names has a fingerprint of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    setting = prepare(RunSpec(judge=ModelSpec(model="openai/x")))
    found = []
    for url in ("https://api.openai.com/v1", "http://localhost:1/v1", "http://localhost:2/v1"):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        models = load_models(setting, student=False)
        found.append(models.graders[0].fingerprint)
        assert "localhost" not in found[-1]
    assert len(set(found)) == 3
    assert "endpoint" not in found[0]


def test_dry_run_counts_anchors(tmp_path: Path) -> None:
    """Before anything is paid for, it is said how many calls are for anchors."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "--anchors", 12]
        done = skillmix("run", *options, "-k", 2, "-n", 3, "--dry-run", "--json", cwd=tmp_path)
    assert (done.json["anchors"], done.json["judge_calls"]) == (12, 15)


def test_a_judge_that_changed_is_noticed(tmp_path: Path) -> None:
    """Anchors of two runs show that another judge answers to the same name, and no gate decides by it."""
    for n, specificity in enumerate((1.0, 0.3)):
        with scripted(specificity=specificity) as server:
            options = [*run_options(server, tmp_path), "--anchors", 30, "--store", f"store{n}.sqlite"]
            done = skillmix("run", *options, "-k", 2, "-n", 1, "--no-refine", "--out", f"r{n}", cwd=tmp_path)
        assert done.code == 0, done.err
    old, new = (read_run(tmp_path / f"r{n}") for n in (0, 1))
    new = msgspec.structs.replace(new, info=msgspec.structs.replace(new.info, judge=old.info.judge))
    infos = [old.info, new.info]
    assert any("may have changed behind its name" in note for note in caveats(*infos))
    assert not any("anchors" in note for note in caveats(infos[0], infos[0]))
    verdict = fixed(old, new, make_policy({}, "the test"))
    assert verdict.exit_code == 12
    assert any("changed behind its name" in why for why in verdict.invalid)


@given(st.lists(st.tuples(st.text("01", min_size=5, max_size=5), st.text("01", min_size=5, max_size=5))))
def test_a_noisy_judge_has_not_changed(pairs: list[tuple[str, str]]) -> None:
    """Points that move both ways alike are noise."""
    mirrored = [*pairs, *((b, a) for a, b in pairs)]
    marks = ({str(i): p[side] for i, p in enumerate(mirrored)} for side in (0, 1))
    old, new = (msgspec.structs.replace(read(), marks=m) for m in marks)
    assert changed_judge(old, new) == []


def test_attacks_keep_the_text() -> None:
    """A template puts the bad text where it says, and leaves braces alone."""
    question = questions((2,), 1, 3)[0]
    assert (
        attacked("<{text}> {{ receipt }} {0}", question, "a {text} b {json}")
        == "<a {text} b {json}> {{ receipt }} {0}"
    )
    assert JUDGE
    assert len(suite().attack) >= 45
    assert devices().name == "devices"
