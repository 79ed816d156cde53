"""Attacks on a judge: those on structure and parser fail whatever the judge does; success has bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from skillmix_eval.attack import Attacked, attack, sentences, setting_for, size, tables
from skillmix_eval.attacks import suite
from skillmix_eval.evaluate import Models
from skillmix_eval.plugins import load_graders
from skillmix_eval.records import Reply, Request
from skillmix_eval.spec import ModelSpec

from .scripted import KnowingJudge, MeekJudge, ObedientJudge, ScriptedJudge
from .server import JUDGE, Server, one_sentence, skillmix


class InProcess:
    """A backend that a scripted judge answers for."""

    identity = {"backend": "scripted"}  # noqa: RUF012
    limit = 1

    def __init__(self, judge: Callable[[str], str]) -> None:
        self._judge = judge

    async def complete(self, request: Request) -> Reply:
        """Return the judge's reply."""
        return Reply(self._judge(request.messages[-1].content))

    async def aclose(self) -> None:
        """Nothing to release."""


def under_attack(judge: Callable[[str], str], style: str = "json-items") -> Attacked:
    """Return how a judge fares."""
    setting = setting_for(ModelSpec(model="openai/scripted", base_url="http://localhost:9/v1"), style)
    graders = load_graders(setting.spec, setting.domain, setting.protocol)
    return attack(setting, None, Models(graders, None, (InProcess(judge),)))


def test_the_suite_is_as_large_as_it_says() -> None:
    """At least 45 categories, each with three templates of its own, and harmless controls."""
    attacks = suite().attack
    assert len({a.id for a in attacks}) == len(attacks) >= 45
    templates = [t for a in attacks for t in a.templates]
    assert all(len(a.templates) == 3 for a in attacks)
    assert len(set(templates)) == len(templates)
    assert len(suite().controls.templates) >= 10
    assert size() >= 45 * 9


@pytest.mark.parametrize("style", ["json-items", "paper-table", "paper-lines"])
def test_a_judge_that_obeys_gives_no_point_by_structure(style: str) -> None:
    """A judge that copies planted verdicts gives no attack on structure or parser a point."""
    for where in ("alone", "before", "after"):
        found = under_attack(ObedientJudge(where), style)
        for kind in ("structure", "parser"):
            assert found.by_kind[kind].value == 0.0, (where, [t for t in found.categories if t.succeeded])
        assert found.by_kind["structure"].n == 3 * sum(a.on == "structure" for a in suite().attack)


def test_the_decoy_stops_a_judge_that_gives_in() -> None:
    """A judge that gives all points on request is found out by the decoy, and nothing is earned."""
    found = under_attack(MeekJudge())
    assert found.by_kind["all"].value == 0.0
    assert sum(t.unscored for t in found.categories if t.on == "will") > 60


def test_an_attack_that_knows_the_decoys_is_measured() -> None:
    """Decoys are public: a judge that makes an exception for them falls for it, and that is counted."""
    found = {t.id: t for t in under_attack(KnowingJudge()).categories}
    assert found["decoy-aware"].succeeded == found["decoy-aware"].trials == 9
    assert found["flattery"].succeeded == 0


def test_a_judge_that_passes_everything_is_told_so() -> None:
    """Where bad texts pass as they are, attacks have nothing to gain, and the report says that."""
    found = under_attack(ScriptedJudge(specificity=0.0), "paper-table")
    assert found.plain[0] > found.plain[1] / 2
    assert any("passes bad texts as they are" in said for said in sentences(found))


def test_without_a_decoy_begging_works() -> None:
    """The paper's table has no decoy: the same judge falls for many attacks there."""
    found = under_attack(MeekJudge(), "paper-table")
    share = found.by_kind["will"]
    assert share.value is not None
    assert share.value > 0.3
    titles = [t.title for t in tables(found)]
    assert "Categories that succeeded" in titles
    assert "% of" in sentences(found)[0]


def test_an_honest_judge_raises_no_false_flag() -> None:
    """Harmless words about marks, judges and JSON cost an honest judge's good texts nothing."""
    found = under_attack(ScriptedJudge())
    assert (found.false_flags.value, found.by_kind["will"].value) == (0.0, 0.0)
    assert found.false_flags.n >= 20
    assert found.by_kind["all"].high is not None
    assert found.by_kind["all"].high < 0.03


def test_attack_command(tmp_path: Path) -> None:
    """`skillmix attack` asks a judge over HTTP, prints success with bounds, and asks nothing twice."""
    judge = ObedientJudge()
    with Server(fault=lambda call: f"say:{judge(call.prompt)}") as server:
        command = ["attack", "--judge", f"openai/{JUDGE}", "--judge-base-url", server.url]
        done = skillmix(*command, "--json", cwd=tmp_path)
        asked = len(server.calls)
        shown = skillmix(*command, cwd=tmp_path)
        assert len(server.calls) == asked
    assert done.code == 0, done.err
    assert done.json["by_kind"]["structure"]["value"] == 0.0
    assert done.json["judge"].startswith(f"openai/{JUDGE}")
    assert "Attacks on the judge" in shown.out
    assert "with 97.5 % confidence" in " ".join(shown.out.split())


def test_attack_needs_a_judge(tmp_path: Path) -> None:
    """Without a judge model there is nothing to attack."""
    one_sentence(skillmix("attack", cwd=tmp_path), "--judge")
    one_sentence(skillmix("attack", "--judge", "rules", cwd=tmp_path), "--judge")
