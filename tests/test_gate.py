"""The gate: passes, stops, cannot tell, or says that nothing can rest on these runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
import yaml

from skillmix_eval.baseline import read_baseline, write_accepted
from skillmix_eval.board_page import files
from skillmix_eval.cli.main import cli
from skillmix_eval.errors import BadInputError
from skillmix_eval.gate import Limits, fixed, replay, unpaired
from skillmix_eval.leaderboard import leaderboard
from skillmix_eval.runs import Run
from skillmix_eval.verdict import Outcome, Policy, junit, make_policy, markdown, sentences

from .pairs import Cli, make_run, make_samples, pair_of, written
from .server import one_sentence

ROOT = Path(__file__).parents[1]
OLDER, NEWER = "embedded/" + str(ROOT / "results/devices/checkpoints/1000"), "embedded"
SAME, WORSE, UNSURE = (4, 4, 300), (40, 4, 300), (2, 2, 20)


def policy(**settings: object) -> Policy:
    """Return a policy."""
    return make_policy(settings, "the test")


def outcome(numbers: tuple[int, int, int], **settings: object) -> Outcome:
    """Return the outcome of a fixed gate on so many regressions and improvements of n questions."""
    return fixed(*pair_of(*numbers), policy(**settings)).outcome


def read(xml: bytes) -> ElementTree.Element:
    """Return the root of XML that we wrote."""
    return ElementTree.fromstring(xml)  # noqa: S314


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [(SAME, "pass"), ((4, 40, 300), "pass"), (WORSE, "regression"), (UNSURE, "inconclusive")],
)
def test_outcomes(numbers: tuple[int, int, int], expected: str) -> None:
    """Equal and better models pass, worse ones do not, and few questions tell nothing."""
    assert outcome(numbers) == expected
    assert replay(*pair_of(*numbers), policy()).outcome == expected


def test_a_sure_but_small_drop_passes() -> None:
    """A drop that is sure, but surely smaller than the allowed one, passes."""
    assert outcome((40, 10, 1000), drop=0.1) == "pass"
    assert outcome((40, 10, 1000), drop=0.02) == "regression"


def test_no_difference_is_no_pass() -> None:
    """A gate that cannot rule the drop out does not pass, however small the difference it sees."""
    assert outcome((3, 3, 60), drop=0.05) == "inconclusive"


def test_coverage() -> None:
    """Too many unscored texts on either side make the verdict invalid, whatever the scores say."""
    old, new = pair_of(*SAME)
    holes = make_run("m/new", [*new.samples[:-20], *make_samples([None] * 20, first=280)])
    for one, other in ((old, holes), (holes, new)):
        found = fixed(one, other, policy())
        assert (found.outcome, found.exit_code) == ("invalid", 12)
        assert "93.3%" in " ".join(sentences(found))
    assert fixed(old, holes, policy(min_coverage=0.9)).outcome == "pass"


def test_several_checks() -> None:
    """Each required check has to pass, one that is worse stops, one that is only shown decides nothing."""
    old, new = pair_of(*SAME)
    more_old, more_new = pair_of(*WORSE, k=3)
    old, new = (
        msgspec.structs.replace(a, samples=a.samples + b.samples)
        for a, b in ((old, more_old), (new, more_new))
    )
    k2, k3 = {"k": [2]}, {"k": [3]}
    for gate in (fixed, replay):
        assert gate(old, new, policy(checks=[k2])).outcome == "pass"
        both = gate(old, new, policy(checks=[k2, k3]))
        assert [c.outcome for c in both.checks] == ["pass", "regression"]
        assert both.outcome == "regression"
        assert gate(old, new, policy(checks=[k2, {**k3, "required": False}])).outcome == "pass"


def test_error_over_several_checks() -> None:
    """Two checks are corrected for: an alarm that one check alone would raise may be left out."""
    old, new = pair_of(12, 4, 200)
    alone = fixed(old, new, policy(checks=[{"metric": "full_marks"}])).checks[0]
    both = fixed(old, new, policy(checks=[{"metric": "full_marks"}, {"metric": "all_skills"}])).checks[0]
    assert both.against_no_drop == pytest.approx(2 * alone.against_no_drop)
    assert both.against_drop == alone.against_drop


def test_replay_stops_early() -> None:
    """A finished run judged sequentially needs part of its questions, in an order that a seed fixes."""
    runs = pair_of(100, 5, 300)
    found = replay(*runs, policy())
    assert found.questions < 120
    assert found.available == 300
    few = replay(*runs, policy(), Limits(most=3))
    assert (few.outcome, few.questions, few.available) == ("inconclusive", 3, 300)
    assert replay(*runs, policy()) == found
    assert replay(*runs, policy(), Limits(seed=1)) != found
    checked = found.checks[0]
    assert checked.low <= checked.change <= checked.high
    assert checked.against_no_drop >= 20


def test_replay_order_is_not_that_of_the_run() -> None:
    """Regressions at the run's beginning are spread over the order of asking."""
    found = replay(*pair_of(30, 0, 3000), policy())
    assert found.checks[0].outcome == "pass"


def test_replay_counts_questions_of_all_checks() -> None:
    """With several checks, the questions looked at are those that any check still needed."""
    old, new = pair_of(*SAME)
    found = replay(old, new, policy(checks=[{"metric": "full_marks"}, {"metric": "all_skills"}]))
    assert found.questions == max(c.n for c in found.checks)


def test_unknown_k() -> None:
    """A check of a k that was not asked is refused."""
    with pytest.raises(BadInputError, match="needs k=5, which the baseline was not asked"):
        fixed(*pair_of(*SAME), policy(checks=[{"k": 5}]))


# --- policies


def test_policy_file_forms() -> None:
    """k may be a number, a list, a range or all; what is left out has its default."""
    found = policy(checks=[{"k": 2}, {"k": [2, 3]}, {"k": "1-3"}, {"k": "all"}])
    assert [c.k for c in found.checks] == [(2,), (2, 3), (1, 2, 3), None]
    assert (found.drop, found.alpha, found.beta, found.min_coverage) == (0.05, 0.05, 0.05, 0.95)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"drops": 0.1}, "Did you mean 'drop'"),
        ({"drop": 3}, "drop"),
        ({"alpha": "much"}, "alpha"),
        ({"checks": []}, "must be a list"),
        ({"checks": [{"metric": "full_mark"}]}, "Did you mean 'full_marks'"),
        ({"checks": [{"ks": 2}]}, "No setting named 'ks'"),
        ({"checks": [{"k": "x"}]}, "-k takes a number"),
        ({"checks": [{"required": False}]}, "nothing could fail"),
        ({"checks": [{"k": 2}, {"k": [2]}]}, "stands there twice"),
    ],
)
def test_wrong_policy(settings: dict[str, object], words: str) -> None:
    """A wrong policy is one sentence that names the setting."""
    with pytest.raises(BadInputError) as error:
        policy(**settings)
    assert words in str(error.value)
    assert str(error.value).count(". ") <= 1


# --- baselines


def test_baseline_of_figures(tmp_path: Path) -> None:
    """Of a run's scores.json or a leaderboard's row, the figures alone are compared, which sees less."""
    old, new = pair_of(*WORSE)
    board = tmp_path / "leaderboard.json"
    board.write_bytes(files(leaderboard([old, new]))["leaderboard.json"])
    accepted = read_baseline(f"{board}#m/old", like=new.info)
    assert not isinstance(accepted, Run)
    found = unpaired(accepted, new, policy())
    assert (found.mode, found.outcome, found.checks[0].n) == ("unpaired", "regression", 300)
    assert any("only the figures" in note for note in found.notes)
    small = unpaired(accepted, make_run("m/new", new.samples[150:]), policy())
    assert small.checks[0].high - small.checks[0].low > found.checks[0].high - found.checks[0].low


def test_leaderboard_row_of_the_right_table(tmp_path: Path) -> None:
    """Of a model's rows in several tables, the one like the candidate's run is taken; others are refused."""
    old, new = pair_of(*SAME)
    other = msgspec.structs.replace(old, info=msgspec.structs.replace(old.info, judge="j", domain="a"))
    path = tmp_path / "leaderboard.json"
    path.write_bytes(files(leaderboard([old, other]))["leaderboard.json"])
    found = read_baseline(f"{path}#m/old", like=new.info)
    assert found.info.judge == "rules/made"
    with pytest.raises(BadInputError, match="has 2 rows"):
        read_baseline(f"{path}#m/old", like=msgspec.structs.replace(new.info, judge="k"))
    with pytest.raises(BadInputError, match="Did you mean 'm/old'"):
        read_baseline(f"{path}#m/odl")
    with pytest.raises(BadInputError, match=r"no leaderboard\.json"):
        read_baseline(f"{tmp_path}/none.json#m/old")


def test_another_split_is_refused_without_shared_questions(tmp_path: Path) -> None:
    """Where questions are not paired, runs of different splits are refused."""
    old, new = pair_of(*SAME)
    path = tmp_path / "leaderboard.json"
    path.write_bytes(files(leaderboard([old]))["leaderboard.json"])
    accepted = read_baseline(f"{path}#m/old")
    train = make_run("m/new", new.samples, split="train")
    with pytest.raises(BadInputError, match="split differs"):
        unpaired(accepted, train, policy())  # type: ignore[arg-type]


def test_accepted_file(tmp_path: Path) -> None:
    """The accepted file leads to its run, and without that to its figures."""
    old, _ = pair_of(*SAME)
    (folder,) = written(tmp_path, old)
    write_accepted(tmp_path / "accepted", folder, old)
    assert read_baseline("last", tmp_path / "accepted") == old
    folder.rename(tmp_path / "elsewhere")
    kept = read_baseline("last", tmp_path / "accepted")
    assert not isinstance(kept, Run)
    assert kept.figures["full_marks"][2].n == 300
    assert unpaired(kept, pair_of(100, 0, 300)[1], policy()).outcome == "regression"


@pytest.mark.parametrize("content", [None, "- 1", "run: x", "run: [", "\x00"])
def test_broken_accepted_file(tmp_path: Path, content: str | None) -> None:
    """An accepted file that is missing or broken is named in one sentence."""
    path = tmp_path / "accepted"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInputError, match="accepted"):
        read_baseline("last", path)


# --- what is written


def test_junit() -> None:
    """JUnit XML has a case per check: a failure where worse, an error where unsure or invalid."""
    checks = [{"metric": "full_marks"}, {"metric": "all_skills", "required": False}]
    suite = read(junit(fixed(*pair_of(*WORSE), policy(checks=checks))))
    assert [suite.get(n) for n in ("tests", "failures", "errors", "skipped")] == ["2", "1", "0", "1"]
    case = suite.find("testcase")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert "n = 300" in (failure.get("message") or "")
    for numbers, settings in ((UNSURE, {}), (SAME, {"min_coverage": 1.0})):
        old, new = pair_of(*numbers)
        new = make_run("m/new", [*new.samples[:-1], *make_samples([None], first=numbers[2] - 1)])
        suite = read(junit(fixed(old, new, policy(**settings))))
        assert [suite.get(n) for n in ("failures", "errors")] == ["0", "1"]


def test_hostile_names() -> None:
    """A student's name can break neither the XML nor the Markdown."""
    old, new = pair_of(*WORSE)
    odd = make_run("m/<a> | \x00\x1b[31m\ud800`", new.samples)
    found = fixed(old, odd, policy())
    read(junit(found))
    shown = markdown(found).encode().decode()
    assert "<a>" not in shown.replace(r"\<", "")
    assert "\x1b" not in shown


def test_every_form_names_judge_and_protocol() -> None:
    """Text, Markdown, XML and JSON all name judge and protocol beside n and interval."""
    found = fixed(*pair_of(*SAME), policy())
    for form in (markdown(found), junit(found).decode(), msgspec.json.encode(found).decode()):
        assert "rules/made" in form
        assert "draft" in form
    assert "| 300 |" in markdown(found)


# --- the command


@pytest.mark.parametrize(
    ("numbers", "code"), [(SAME, 0), (WORSE, 10), (UNSURE, 11)], ids=["pass", "worse", "unsure"]
)
@pytest.mark.parametrize("mode", [[], ["--sequential"]], ids=["fixed", "sequential"])
def test_exit_codes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    numbers: tuple[int, int, int],
    code: int,
    mode: list[str],
) -> None:
    """The exit code is 0, 10 or 11, and the JSON says the same."""
    old, new = written(tmp_path, *pair_of(*numbers))
    done = Cli(capsys)("gate", "--baseline", old, "--candidate", new, "--json", *mode)
    assert done.code == code, done.err
    assert json.loads(done.out)["exit_code"] == code


def test_invalid_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Too little coverage is exit code 12."""
    old, new = pair_of(*SAME)
    holes = make_run("m/new", [*new.samples[:-20], *make_samples([None] * 20, first=280)])
    first, second = written(tmp_path, old, holes)
    done = Cli(capsys)("gate", "--baseline", first, "--candidate", second)
    assert done.code == 12
    assert "INVALID" in done.out


def test_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One command reads a policy, prints for people, writes XML, and appends to GitHub's summary."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "summary.md").write_text("# Before\n")
    (tmp_path / "policy.yaml").write_text("drop: 0.1\nchecks:\n  - metric: all_skills\n    k: 2\n")
    old, new = written(tmp_path, *pair_of(*SAME))
    options = ("--policy", "policy.yaml", "--junit", "made/gate.xml", "--accept")
    done = Cli(capsys)("gate", "--baseline", old, "--candidate", new, *options)
    assert done.code == 0, done.err
    assert "Verdict: PASS" in done.out
    assert "all_skills at k=2" in read((tmp_path / "made/gate.xml").read_bytes())[0].get("name", "")
    assert (tmp_path / "summary.md").read_text().startswith("# Before\n# Gate: pass")
    again = Cli(capsys)("gate", "--baseline", "last", "--candidate", new, "--drop", "0.2", "--json")
    assert again.code == 0
    assert (again.json["baseline"], again.json["policy"]["drop"]) == ("m/new", 0.2)


def test_a_failed_gate_accepts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a pass is noted as the last accepted run."""
    old, new = written(tmp_path, *pair_of(*WORSE))
    note = tmp_path / "note"
    done = Cli(capsys)("gate", "--baseline", old, "--candidate", new, "--accept", "--baseline-file", note)
    assert done.code == 10
    assert not note.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--baseline", "OLD"], "Give --candidate"),
        (["--baseline", "OLD", "--candidate", "NEW", "--student", "embedded"], "not both"),
        (["--baseline", "OLD", "--student", "embedded"], "--sequential"),
        (["--baseline", "OLD", "--candidate", "NEW", "--max", "9"], "add --sequential"),
        (["--baseline", "none", "--candidate", "NEW"], "There is no run folder none"),
        (["--baseline", "last", "--baseline-file", "none", "--candidate", "NEW"], "accept a first run"),
        (["--baseline", "OLD", "--candidate", "NEW", "--drop", "2"], "drop"),
        (["--baseline", "OLD", "--candidate", "NEW", "--policy", "none.yaml"], "none.yaml"),
        (["--baseline", "OLD", "--sequential", "--student", "embedded", "--accept"], "--accept"),
        (["--baseline", "OLD", "--sequential", "--student", "embedded", "--html", "x"], "--html"),
    ],
)
def test_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    """Wrong use is one sentence and exit code 2, before anything is asked."""
    old, new = written(tmp_path, *pair_of(1, 1, 4))
    named = {"OLD": str(old), "NEW": str(new)}
    done = Cli(capsys)("gate", *(named.get(o, o) for o in options))
    assert done.code == 2
    one_sentence(done, words)


# --- real students


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the runs of an older checkpoint and of the packaged one, and their answers."""
    folder = tmp_path_factory.mktemp("trained")
    from skillmix_eval.cli.main import _run  # the command line, with its exit code

    common = ["-k", "1,2", "-n", "40", "--split", "train", "--store", str(folder / "store.sqlite")]
    for name, student in (("older", OLDER), ("newer", NEWER)):
        assert _run(["run", "--student", student, *common, "--out", str(folder / name)]) == 0
    return folder


@pytest.mark.parametrize(
    ("baseline", "student", "more", "code"),
    [
        ("older", NEWER, [], 0),
        ("newer", OLDER, [], 10),
        ("newer", OLDER, ["--max", "4"], 11),
    ],
    ids=["newer passes", "older is stopped", "four questions tell nothing"],
)
def test_checkpoints(
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    baseline: str,
    student: str,
    more: list[str],
    code: int,
) -> None:
    """In one command each: a newer checkpoint passes, an older is stopped, four questions tell nothing."""
    where = ["--baseline", trained / baseline, "--store", trained / "store.sqlite"]
    done = Cli(capsys)("gate", *where, "--sequential", "--student", student, *more, "--json")
    assert done.code == code, done.err + done.out
    assert done.json["questions"] <= 80
    assert done.json["spend"]["student"]["paid_calls"] == 0  # all answers were in the store


def test_finished_checkpoints(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Finished runs of the checkpoints are told apart at a fixed size as well."""
    older, newer = trained / "older", trained / "newer"
    run = Cli(capsys)
    assert run("gate", "--baseline", older, "--candidate", newer).code == 0
    assert run("gate", "--baseline", newer, "--candidate", older).code == 10


# --- the guide


def test_documented_policy_and_workflow() -> None:
    """The guide's policy is one, and its commands have only options that there are."""
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    policy_file, workflow = (yaml.safe_load(b) for b in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL))
    assert len(make_policy(policy_file, "the guide").checks) == 3
    assert [s for s in workflow["jobs"]["gate"]["steps"] if "skillmix gate" in s.get("run", "")]
    for command, options in re.findall(r"skillmix (\w+)((?: +(?:\\\n +)?[^\s`#]+)*)", guide):
        found = cli.commands.get(command)
        assert found, command
        known = {o for p in found.params for o in p.opts}
        assert {o for o in options.split() if o.startswith("--")} <= known, options
