"""A judge is measured against the truth, and figures are corrected for its errors, in a run's own folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from skillmix_eval.calibrate import start
from skillmix_eval.calibrated import corrected_difference, doubtful, drawn, graded, key
from skillmix_eval.calibration import Calibration, draw, majority
from skillmix_eval.errors import BadInputError
from skillmix_eval.labels import Label
from skillmix_eval.runs import read_run

from .scripted import ScriptedJudge
from .server import JUDGE, Server, one_sentence, skillmix

SENSITIVITY, SPECIFICITY = 0.92, 0.75


def judged(folder: Path, name: str, judge: ScriptedJudge, *options: object) -> Path:
    """Run the embedded student on `devices`, graded over HTTP by a judge of known error."""
    with Server(fault=lambda call: f"say:{judge(call.prompt)}") as server:
        models = ["--judge", f"openai/{JUDGE}", "--judge-base-url", server.url, "--judge-revision", "1"]
        given = [*models, "-k", "1,2", "-n", 70, "--anchors", 0, "--out", name, *options]
        done = skillmix("run", *given, cwd=folder)
    assert done.code == 0, done.err
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the run `r` of a judge of known error."""
    found = tmp_path_factory.mktemp("calibrate")
    judged(found, "r", ScriptedJudge(SENSITIVITY, SPECIFICITY))
    return found


def held(estimate: dict[str, Any], truth: float) -> bool:
    """Tell whether an interval holds a value."""
    return bool(estimate["low"] <= truth <= estimate["high"])


def test_planted_errors_are_recovered(folder: Path) -> None:
    """On `devices` the checkers know the truth: planted error rates lie in their intervals."""
    done = skillmix("calibrate", "r", "-n", 120, "--json", cwd=folder)
    assert done.code == 0, done.err
    rows = {row["what"]: row for row in done.json["errors"]}
    assert held(rows["Skills"]["sensitivity"], SENSITIVITY)
    assert held(rows["Skills"]["specificity"], SPECIFICITY)
    assert rows["Skills"]["specificity"]["n"] > 30
    assert set(rows) >= {
        "On topic",
        "Makes sense",
        "Full marks",
        "Full marks at k = 1",
        "Full marks at k = 2",
    }
    assert rows["Skills"]["ac1"]["value"] < 0.95
    assert done.json["source"] == "the checkers of devices"


def test_corrected_figures_hold_the_truth(folder: Path) -> None:
    """The corrected full marks hold what the checkers find on all texts; the judge's own may not."""
    skillmix("calibrate", "r", "-n", 120, cwd=folder)
    run = read_run(folder / "r")
    report = json.loads((folder / "r" / "scores.json").read_text())
    by_code = skillmix("grade", "r", "--judge", "rules", "--json", "--out", "truth", cwd=folder)
    assert by_code.code == 0, by_code.err
    rows = report["figures"]["calibrated"]["corrected"]
    overall = {row["metric"]: row for row in rows if row["k"] is None}
    true = [row["metrics"]["full_marks"]["estimate"]["value"] for row in by_code.json["figures"]["by_k"]]
    assert held(overall["full_marks"]["corrected"], sum(true) / 2)
    assert overall["full_marks"]["raw"]["value"] != pytest.approx(sum(true) / 2, abs=0.02)
    assert overall["skill_fraction"]["rogan_gladen"] is None
    assert "Figures corrected for the judge's errors" in (folder / "r" / "report.md").read_text()
    assert len(drawn(run.samples, run.calibration)) == pytest.approx(120, abs=30)  # type: ignore[arg-type]


def test_doubtful_texts_are_drawn_more_often(folder: Path) -> None:
    """Texts that the judge failed have twice the chance, and chances are kept with the labels."""
    samples = graded(read_run(folder / "r").samples)
    found = draw("j", {key(s): doubtful(s) for s in samples}, 60)
    assert found.doubtful == pytest.approx(2 * found.sure)
    expected = sum(found.chance(doubtful(s)) for s in samples)
    assert expected == pytest.approx(60)
    assert len(drawn(samples, found)) == pytest.approx(60, abs=20)


@pytest.mark.parametrize(
    ("few", "many", "n"), [(10, 5, 100), (90, 10, 50), (0, 30, 10), (30, 0, 10), (5, 95, 60)]
)
def test_chances(few: int, many: int, n: int) -> None:
    """Chances add up to the texts wanted, or all are taken."""
    keys = {f"{i:032x}": i < many for i in range(few + many)}
    found = draw("j", keys, n)
    assert few * found.sure + many * found.doubtful == pytest.approx(min(n, few + many))
    assert 0 < found.sure <= 1
    assert found.sure <= found.doubtful <= 1


def test_labels_by_people(folder: Path) -> None:
    """Where code does not know, a sheet is written; filled in, it is read back and corrects the figures."""
    judged(folder, "people", ScriptedJudge(SENSITIVITY, SPECIFICITY), "--store", "people.sqlite")
    spec = folder / "people" / "spec.yaml"
    lists = {
        n: Path(__file__).parents[1] / "skillmix_eval" / "domains" / "devices" / f"{n}.csv"
        for n in ("skills", "topics")
    }
    spec.write_text(spec.read_text() + f"skills: {lists['skills']}\ntopics: {lists['topics']}\n")
    first = skillmix("calibrate", "people", "-n", 60, cwd=folder)
    assert first.code == 0, first.err
    assert "to_label.csv" in " ".join(first.out.split())
    sheet = folder / "people" / "to_label.csv"
    rows = list(csv.DictReader(sheet.read_text(encoding="utf-8").splitlines()))
    assert {row["met"] for row in rows} == {""}
    assert "Does the text show" in rows[0]["question"]
    one_sentence(skillmix("calibrate", "people", "-n", 60, "--labels", sheet, cwd=folder), "label", "view")
    for row in rows:
        row["met"] = "no" if row["item"].startswith("skill:") else "yes"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = skillmix("calibrate", "people", "-n", 60, "--labels", sheet, "--json", cwd=folder)
    assert done.code == 0, done.err
    assert done.json["source"] == "labels by 1 rater"
    overall = next(r for r in done.json["corrected"] if r["metric"] == "full_marks" and r["k"] is None)
    assert held(overall["corrected"], 0.0)
    assert overall["corrected"]["value"] < 0.1 < overall["raw"]["value"]


def test_majority_of_raters() -> None:
    """Several raters vote; a tie or doubt is no truth."""
    said = [("a", True), ("b", True), ("c", False), ("d", None)]
    labels = [Label("t", "on_topic", met, rater, "") for rater, met in said]
    labels += [Label("t", "makes_sense", met, rater, "") for rater, met in (("a", True), ("b", False))]
    assert majority(labels) == {"t": {"on_topic": True}}


def test_labels_of_another_run_are_stale(folder: Path) -> None:
    """Labels drawn for another judge or other texts correct nothing, and the report says so."""
    run = read_run(folder / "r")
    stale = Calibration("another judge", "x", 0.5, 1.0, "someone", {"t": {"on_topic": True}})
    path = folder / "r" / "calibration.json"
    before = path.read_bytes() if path.is_file() else None
    path.write_bytes(json.dumps({n: getattr(stale, n) for n in stale.__struct_fields__}).encode())
    done = skillmix("report", "r", cwd=folder)
    path.unlink() if before is None else path.write_bytes(before)
    assert done.code == 0, done.err
    assert "for another judge and correct nothing" in " ".join(done.out.split())
    assert run.info.judge


@pytest.mark.slow
def test_a_judge_that_is_pleased(folder: Path) -> None:
    """A student that gains only in the judge's eyes gains nothing once corrected; compare shows both."""
    judged(folder, "strict", ScriptedJudge(0.9, 0.9), "--store", "strict.sqlite")
    judged(folder, "pleased", ScriptedJudge(0.9, 0.4), "--store", "pleased.sqlite")
    for name in ("strict", "pleased"):
        run = read_run(folder / name)
        catalogue = folder / name / "catalogue.json"
        catalogue.write_text(catalogue.read_text().replace(run.info.judge, "openai/one judge"))
        assert skillmix("calibrate", name, "-n", 130, cwd=folder).code == 0
    found = skillmix("compare", "strict", "pleased", "--json", cwd=folder)
    assert found.code == 0, found.err
    row = next(r for r in found.json["corrected"] if r["metric"] == "full_marks" and r["k"] is None)
    assert row["raw"]["low"] > 0.03
    assert held(row["corrected"], 0.0)
    gate = skillmix("gate", "--baseline", "strict", "--candidate", "pleased", cwd=folder)
    assert "Corrected for the judge's errors, full marks change by" in " ".join(gate.out.split())
    strict = read_run(folder / "strict")
    same = corrected_difference(strict, strict, "full_marks")
    assert same is not None
    assert (same.value, same.se) == (0.0, 0.0)


def test_code_needs_no_calibration(folder: Path) -> None:
    """A run that code graded has no judge to measure."""
    run = read_run(folder / "r")
    by_code = replace(run, info=replace(run.info, judge="rules/devices"))
    with pytest.raises(BadInputError, match="graded by code"):
        start(by_code, 10)
