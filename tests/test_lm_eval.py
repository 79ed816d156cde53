"""lm-eval with our tasks: real lm-eval, real HTTP servers, the same figures as a run of our own."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'skillmix-eval[lm-eval]'")

from lm_eval.tasks import TaskManager
from lm_eval.utils import handle_non_serializable, make_table

from skillmix_eval.cli.harness import asks_only_ours, complete, refuse_keys
from skillmix_eval.domains.devices.teacher import compose
from skillmix_eval.errors import BadInputError
from skillmix_eval.evaluate import evaluate, load_models, prepare, run_figures
from skillmix_eval.lm_eval_model import SkillMixLM
from skillmix_eval.lm_eval_plugin import SkillMixTask
from skillmix_eval.lm_eval_settings import task_spec
from skillmix_eval.pipeline import Job
from skillmix_eval.records import Reply
from skillmix_eval.spec import make_spec
from skillmix_eval.stages.generate import read_text
from skillmix_eval.stages.prompt import draft_request
from skillmix_eval.store import Store

from .lm_eval_help import (
    SECRET,
    TASKS,
    Fixed,
    Serve,
    assert_same,
    chat,
    command,
    digest,
    harness,
    ids,
    judge,
    our_figures,
    student,
    tiny_model,
)
from .server import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's own and its dependencies'


def test_devices_have_the_figures_of_a_run(tmp_path: Path, serve: Serve) -> None:
    """The same texts give lm-eval the questions, points, means and errors of `skillmix run`."""
    settings = {"domain": "devices", "k": 2, "n": 24, "seed": 7, "split": "train", "protocol": "draft"}
    setting = prepare(make_spec(settings))
    texts = {}
    for number, question in enumerate(setting.questions()):
        prompt = draft_request(question, 0, setting.draft, setting.spec.student).messages[-1].content
        texts[prompt] = compose(question, 0) if number % 3 else ("", student(prompt))[number % 2]
    server = serve(texts.__getitem__)
    run, row = our_figures(tmp_path, settings | {"student": {"model": "openai/m", "base_url": server.url}})
    metadata = {"n": 24, "seed": 7, "split": "train"}
    found = harness(["skillmix_devices_k2"], metadata, **chat(server))
    assert 0 < row.metrics["full_marks"].estimate.value < 1
    assert_same(found["results"]["skillmix_devices_k2"], row, "rules")
    assert ids(found, "skillmix_devices_k2") == [s.question.id for s in run.samples]
    points = [
        json.loads(s["filtered_resps"][0][0])["points"] for s in found["samples"]["skillmix_devices_k2"]
    ]
    assert points == [s.score.points for s in run.samples]


def test_language_has_the_figures_of_a_run(tmp_path: Path, serve: Serve) -> None:
    """With a judge the figures are those of `skillmix run`, and a second run asks the judge nothing."""
    writer, grader = serve(student), serve(judge)
    model = {"model": "openai/m", "base_url": writer.url}
    by = {"model": "openai/j", "base_url": grader.url}
    settings = {"domain": "language", "k": 3, "n": 20, "seed": 1, "protocol": "draft", "anchors": 0}
    _, row = our_figures(tmp_path, settings | {"student": model, "judge": by})
    ours = grader.calls
    metadata = {"n": 20, "seed": 1, "store": str(tmp_path / "theirs.sqlite")}
    metadata |= {"judge": "openai/j", "judge_base_url": grader.url}
    first = harness(["skillmix_language_k3"], metadata, **chat(writer))
    asked = grader.calls
    second = harness(["skillmix_language_k3"], metadata, **chat(writer))
    assert 0 < row.metrics["skill_fraction"].estimate.value < 1
    for found in (first, second):
        assert_same(found["results"]["skillmix_language_k3"], row, "judge")
    assert asked == 2 * ours >= 40
    assert grader.calls == asked


def test_unreadable_verdicts_are_no_zeros(tmp_path: Path, serve: Serve) -> None:
    """A text without a readable verdict lowers coverage and enters no mean."""
    writer = serve(student)
    grader = serve(lambda prompt: judge(prompt) if digest(prompt)[0] % 2 else "I would rather not say.")
    settings = {"domain": "language", "k": 2, "n": 16, "protocol": "draft"}
    settings |= {"student": {"model": "openai/m", "base_url": writer.url}}
    _, row = our_figures(tmp_path, settings | {"judge": {"model": "openai/j", "base_url": grader.url}})
    metadata = {
        "n": 16,
        "judge": "openai/j",
        "judge_base_url": grader.url,
        "store": str(tmp_path / "s.sqlite"),
    }
    found = harness(["skillmix_language_k2"], metadata, **chat(writer))
    assert 0 < row.coverage < 1
    assert_same(found["results"]["skillmix_language_k2"], row, "judge")


def test_a_judge_that_is_down_loses_no_texts(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A judge that refuses every call leaves a finished run with coverage 0 and one sentence."""
    grader = serve(lambda _: 401)
    metadata = {
        "n": 5,
        "judge": "openai/j",
        "judge_base_url": grader.url,
        "store": str(tmp_path / "s.sqlite"),
    }
    found = harness(["skillmix_language_k2"], metadata, Fixed(lambda prompt, _: student(prompt)))
    result = found["results"]["skillmix_language_k2"]
    assert result["coverage,judge"] == 0
    assert math.isnan(result["full_marks,judge"])
    assert result["full_marks_stderr,judge"] == "N/A"
    assert [s["resps"][0][0][:6] for s in found["samples"]["skillmix_language_k2"]] == ["By lot"] * 5
    said = [r.getMessage() for r in caplog.records if "not graded" in r.getMessage()]
    assert len(said) == 1
    assert "5 of 5 texts are not graded" in said[0]
    assert "401" in said[0]
    assert re.search(r"full_marks +\|↑ +\| +NaN\|", make_table(found))


def test_a_judge_that_asks_to_wait_is_heard(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the judge's endpoint turns calls away, one line says that grading waits, and none is lost."""
    turned_away: list[str] = []

    def busy(prompt: str) -> str | int:
        if len(turned_away) < 3:
            turned_away.append(prompt)
            return 429
        return judge(prompt)

    metadata = {"n": 4, "judge": "openai/j", "judge_base_url": serve(busy).url, "store": str(tmp_path / "s")}
    found = harness(["skillmix_language_k2"], metadata, Fixed(lambda prompt, _: student(prompt)))
    assert found["results"]["skillmix_language_k2"]["coverage,judge"] == 1
    assert len([r for r in caplog.records if "asks to wait" in r.getMessage()]) == 1


def test_several_texts_per_question(tmp_path: Path, serve: Serve) -> None:
    """With `texts`, each question has several texts and the figures are those of our own reduction."""

    def write(prompt: str, number: int) -> str:
        return student(f"{prompt}{number}")

    grader = serve(judge)
    by = {"model": "openai/j", "base_url": grader.url}
    settings = {"domain": "language", "k": 2, "n": 8, "protocol": "draft", "judge": by}
    for reduce in ("mean", "max"):
        given = {"texts": 3, "reduce": reduce}
        setting = prepare(make_spec(settings | given))
        jobs = []
        for question in setting.questions():
            request = draft_request(question, 0, setting.draft, setting.spec.student)
            for index in range(3):
                reply = Reply(write(request.messages[-1].content, index))
                jobs.append(Job(question, index, read_text(request, index, reply, "text")))
        store = Store(tmp_path / "ours.sqlite")
        (row,) = run_figures(
            evaluate(setting, load_models(setting, student=False), store, jobs=jobs).run
        ).by_k
        store.close()
        metadata = {"n": 8, **given, "judge": by, "store": str(tmp_path / "s.sqlite")}
        found = harness(["skillmix_language_k2"], metadata, Fixed(write))
        assert_same(found["results"]["skillmix_language_k2"], row, "judge")
        assert found["configs"]["skillmix_language_k2"]["metadata"]["protocol"].startswith("draft (")


def test_equal_texts_are_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    """Several texts per question that are all the same are warned of, since nothing was sampled."""
    harness(["skillmix_devices_k2"], {"n": 3, "texts": 2}, Fixed(lambda prompt, _: student(prompt)))
    assert "all 2 texts of each question are the same" in caplog.text


def test_nothing_secret_is_written(tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Keys among the model's arguments reach neither our configs, nor samples, nor what we say."""
    metadata = {"n": 3, "auth_token": SECRET, "base_url": f"http://{SECRET}", "api_key": SECRET}
    found = harness(["skillmix_devices"], metadata, **chat(serve(student), auth_token=SECRET))
    del found["config"]  # lm-eval's own part holds the model's arguments
    assert SECRET not in json.dumps(found, default=handle_non_serializable)
    assert not any(SECRET in r.getMessage() for r in caplog.records if r.name.startswith("skillmix_eval"))


@pytest.mark.parametrize("way", ["drafts", "refined", "texts alone", "a judge that quotes its prompt"])
def test_private_lists_stay_private(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    """Of a user's own lists no name, definition or example reaches results, samples or what we say."""
    rows = [f"literary,SECRETturn{i},Does the SECRETthing {i}.,SECRETsay {i}." for i in range(6)]
    skills, topics = tmp_path / "skills.csv", tmp_path / "topics.txt"
    skills.write_text("\n".join(["category,name,definition,example", *rows]))
    topics.write_text("SECRETplace\nSECRETwood\n")
    metadata = {"n": 4, "skills": str(skills), "topics": str(topics), "store": str(tmp_path / "s.sqlite")}

    def telling(prompt: str) -> str | tuple[int, str]:
        if way == "a judge that quotes its prompt":
            return 422, f"cannot read: {prompt}"
        return judge(prompt).replace('"So."', '"SECRETturn is shown."')

    metadata |= {"judge": "openai/j", "judge_base_url": serve(telling).url}
    options = chat(serve(student)) | {"predict_only": way == "texts alone"}
    if way == "refined":
        options["model"] = SkillMixLM(options["model"], **options.pop("model_args"))
    found = harness(["skillmix_language_k2"], metadata, **options)
    graded = way in ("drafts", "refined")
    assert found["results"]["skillmix_language_k2"].get("coverage,judge") in ((1,) if graded else (0, None))
    assert "SECRET" not in json.dumps(found, default=handle_non_serializable)
    assert not any("SECRET" in r.getMessage() for r in caplog.records if r.name.startswith("skillmix_eval"))


def test_no_key_is_written_by_the_command(tmp_path: Path, serve: Serve) -> None:
    """Keys in metadata and environment are in no file and no line; results without a score exit with 3."""

    def echoing(prompt: str) -> tuple[int, str]:
        return 401, f"wrong key: Bearer {SECRET}"

    for metadata in (
        {"judge_api_key": SECRET},
        {"judge": {"model": "openai/j", "key": SECRET}},
        {"token": SECRET},
    ):
        given = {"n": 2, "judge": "openai/j", "judge_base_url": serve(echoing).url} | metadata
        done = command(
            tmp_path, "skillmix_eval.cli", "lm-eval", "--model", "local-chat-completions",
            "--model_args", f"model=m,base_url={serve(student).url}/chat/completions",
            "--tasks", "skillmix_language_k2", "--metadata", json.dumps(given),
            "--output_path", "out", "--log_samples", OPENAI_API_KEY=SECRET, SKILLMIX_STORE="s.sqlite",
        )  # fmt: skip
        assert done.returncode == (3 if "token" in metadata else 2), done.stderr
        assert SECRET not in done.stdout + done.stderr
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.name.startswith("samples_") for p in written)
    assert not [p for p in written if SECRET.encode() in p.read_bytes()]


def test_a_running_event_loop_does_no_harm(tmp_path: Path, serve: Serve) -> None:
    """The judge can be asked from a notebook, where an event loop is running already."""
    metadata = {"n": 3, "judge": "openai/j", "judge_base_url": serve(judge).url, "store": str(tmp_path / "s")}

    async def cell() -> dict[str, Any]:
        return harness(["skillmix_language_k2"], metadata, Fixed(lambda prompt, _: student(prompt)))

    assert asyncio.run(cell())["results"]["skillmix_language_k2"]["coverage,judge"] == 1


def test_texts_alone_ask_no_judge() -> None:
    """With --predict_only lm-eval only collects texts, and no judge needs to be named."""
    found = harness(
        ["skillmix_language_k2"], {"n": 3}, Fixed(lambda prompt, _: student(prompt)), predict_only=True
    )
    assert len(found["samples"]["skillmix_language_k2"]) == 3


def test_ranks_share_the_judge(tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two ranks grades its own questions with half of the connections."""
    grader = serve(judge, 0.05)
    metadata = {"n": 24, "judge": "openai/j", "judge_base_url": grader.url, "judge_max_connections": 8}
    task = _task("skillmix_language_k2", metadata | {"store": str(tmp_path / "s")})
    task.build_all_requests(rank=1, world_size=2)
    _fill(task)
    task.apply_filters()
    assert grader.calls == 12
    assert 1 < grader.most <= 4
    monkeypatch.setenv("LOCAL_RANK", "1")
    second = _task("skillmix_language_k2", metadata | {"store": str(tmp_path / "t")})
    second.build_all_requests()
    _fill(second)
    second.apply_filters()
    assert grader.calls == 12, "a second process of a tensor-parallel model asks nothing"


def _task(name: str, metadata: dict[str, Any]) -> SkillMixTask:
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)
    task = manager.load([name])["tasks"][name]
    assert isinstance(task, SkillMixTask)
    return task


def _fill(task: SkillMixTask) -> None:
    for instance in task.instances:
        instance.resps = [student(instance.args[0])]


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"k": 3}, "The task has k=2"),
        ({"domain": "devices"}, "domain=language"),
        ({"judge_temprature": 1}, "Did you mean 'judge_temperature'?"),
        ({"n": 0}, "n"),
        ({"split": "test"}, "split"),
    ],
)
def test_wrong_metadata_is_one_sentence(metadata: dict[str, Any], said: str) -> None:
    """Metadata that contradicts the task or is misspelt is refused before a model is asked."""
    with pytest.raises(BadInputError, match=re.escape(said)):
        task_spec(metadata, {"domain": "language", "k": 2})


def test_settings_of_the_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata wins over a spec file, which wins over the environment; devices take no judge at all."""
    monkeypatch.setenv("SKILLMIX_JUDGE", "openai/from-environment")
    monkeypatch.setenv("SKILLMIX_JUDGE_BASE_URL", "http://localhost:1/v1")
    file = tmp_path / "spec.yaml"
    file.write_text("judge: {model: openai/from-file, temperature: 0}\nn: 30\nseed: 5\ndomain: language\n")
    language, devices = {"domain": "language", "k": 2}, {"domain": "devices", "k": 2, "judge": "rules"}
    spec = task_spec({}, language)
    assert spec.judge
    assert (spec.judge.model, spec.judge.base_url) == ("openai/from-environment", "http://localhost:1/v1")
    spec = task_spec({"spec": str(file), "seed": 6, "judge_max_tokens": 900}, language)
    assert spec.judge
    assert (spec.judge.model, spec.judge.max_tokens, spec.n, spec.seed) == ("openai/from-file", 900, 30, 6)
    spec = task_spec({"spec": str(file), "judge": "openai/given"}, language)
    assert spec.judge
    assert spec.judge.model == "openai/given"
    spec = task_spec({"spec": str(file), "judge": "openai/given"}, devices)
    assert spec.judge
    assert spec.judge.model == "rules"


def test_a_domain_of_ones_own_has_a_task(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`skillmix_custom` takes domain and k from metadata; the environment names no judge for code."""
    grader, write = serve(judge), Fixed(lambda prompt, _: student(prompt))
    monkeypatch.setenv("SKILLMIX_JUDGE", "openai/j")
    monkeypatch.setenv("SKILLMIX_JUDGE_BASE_URL", grader.url)
    shutil.copytree(ROOT / "skillmix_eval" / "domains" / "language", tmp_path / "own")
    metadata = {"n": 5, "seed": 2, "store": str(tmp_path / "s")}
    own = harness(["skillmix_custom"], metadata | {"k": 2, "domain": str(tmp_path / "own")}, write)
    shipped = harness(["skillmix_language_k2"], metadata, write)
    assert ids(own, "skillmix_custom") == ids(shipped, "skillmix_language_k2")
    asked = grader.calls
    code = harness(["skillmix_custom"], metadata | {"k": 2, "domain": "devices"}, write)
    assert code["results"]["skillmix_custom"]["coverage,rules"] == 1
    assert grader.calls == asked >= 5
    with pytest.raises(BadInputError, match='such as "k": 3'):
        task_spec({"domain": "devices"}, {})


def test_every_shipped_task_loads() -> None:
    """All tasks and groups are found, and every task of `devices` builds its documents."""
    names = [f"skillmix_devices_k{k}" for k in range(1, 7)] + [f"skillmix_language_k{k}" for k in range(2, 7)]
    names += [f"skillmix_strings_k{k}" for k in range(1, 5)]
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata={"n": 2})
    assert manager.all_subtasks == ["skillmix_custom", *names]
    assert manager.all_groups == ["skillmix", "skillmix_devices", "skillmix_language", "skillmix_strings"]
    for name, task in manager.load(["skillmix"])["tasks"].items():
        assert len(task.eval_docs) == 2, name
        assert task.config.generation_kwargs["until"] == []


def test_the_command_fills_in_what_is_missing() -> None:
    """The wrapper adds the folder and the chat template, and leaves what the user gave."""
    assert complete(["--tasks", "skillmix"], True) == [
        "run", "--tasks", "skillmix", "--include_path", str(TASKS), "--apply_chat_template",
    ]  # fmt: skip
    assert complete(["run", "--include_path", "x", "--apply_chat_template=t"], True)[1:] == [
        "--include_path", "x", "--apply_chat_template=t",
    ]  # fmt: skip
    assert "--apply_chat_template" not in complete(["--tasks", "x"], False)
    assert complete(["ls", "tasks"], True) == ["ls", "tasks"]
    assert asks_only_ours(["--tasks", "skillmix_devices,skillmix_language_k2", "--limit", "2"])
    assert asks_only_ours(["-t", "skillmix", "skillmix_devices_k2", "-M", "hf"])
    assert asks_only_ours(["--tasks=skillmix_devices"])
    assert not asks_only_ours(["--tasks", "skillmix_devices", "hellaswag"])
    assert not asks_only_ours(["--model", "skillmix"])


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["--model_args", "model=m,api_key=abc"], True),
        (["--model_args=pretrained=m,token=hf_abc"], True),
        (["-a", "model=m", "auth_token=abc"], True),
        (["--model_args", '{"model": "m", "header": {"Authorization": "Bearer abc"}}'], True),
        (["--model_args", "pretrained=m,token=True,add_bos_token=yes,eos_token=</s>"], False),
        (["--model_args", "model=m", "--gen_kwargs", "token=3"], False),
    ],
)
def test_keys_among_model_args_are_refused(arguments: list[str], refused: bool) -> None:
    """A key that lm-eval would write into its results is not let pass, and not repeated."""
    if not refused:
        refuse_keys(arguments)
        return
    with pytest.raises(BadInputError, match="environment variable") as caught:
        refuse_keys(arguments)
    assert "abc" not in str(caught.value)


def test_misspelt_metadata_is_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    """A name that is nearly a setting is warned of; the model's own arguments pass; numbers may be text."""
    model = {"pretrained": "m", "dtype": "auto", "max_length": 9, "temperature": 1, "num_concurrent": 8}
    spec = task_spec({"N": 8, "sede": 3, "n": "10", **model}, {"domain": "devices", "k": 2})
    assert spec.n == 10
    said = [r.getMessage() for r in caplog.records]
    assert [s.partition("'")[2].partition("'")[0] for s in said] == ["N", "sede"]
    with pytest.raises(BadInputError, match="n: Expected"):
        task_spec({"n": "ten"}, {"domain": "devices", "k": 2})


def test_the_command_runs_lm_eval(tmp_path: Path, serve: Serve) -> None:
    """`skillmix lm-eval` prints lm-eval's table with standard errors and writes samples without keys."""
    server = serve(student)
    address = f"model=m,base_url={server.url}/chat/completions"
    done = command(
        tmp_path, "skillmix_eval.cli", "lm-eval", "--model", "local-chat-completions",
        "--model_args", address, "--tasks", "skillmix_devices_k1,skillmix_devices_k2",
        "--metadata", '{"n": 6, "seed": 3}', "--output_path", "out", "--log_samples",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "full_marks" in line]
    assert len(rows) == 2
    assert all("±" in row and "N/A" not in row for row in rows)
    (results,) = tmp_path.glob("out/*/results_*.json")
    configs = json.loads(results.read_text())["configs"]
    assert configs["skillmix_devices_k1"]["metadata"]["seed"] == 3
    assert SECRET not in json.dumps(configs)
    samples = list(tmp_path.glob("out/*/samples_*.jsonl"))
    assert len(samples) == 2
    for path in samples:
        assert SECRET not in path.read_text()
        line = json.loads(path.read_text().splitlines()[0])
        assert json.loads(line["filtered_resps"][0][0])["status"] == "ok"
    assert not (tmp_path / "results").exists(), "grading by code opens no store"


def test_a_wrong_task_is_one_sentence(tmp_path: Path) -> None:
    """A task that does not exist, or a judge that is missing, ends in one sentence and code 2."""
    model = ("--model", "local-chat-completions", "--model_args", "model=m,base_url=http://localhost:1/v1")
    for task, said in (
        ("skillmix_devices_k9", "Tasks not found"),
        ("skillmix_language_k2", "SKILLMIX_JUDGE"),
    ):
        done = command(tmp_path, "skillmix_eval.cli", "lm-eval", *model, "--tasks", task)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_without_lm_eval_the_command_says_what_to_install() -> None:
    """Without the extra, the command is one sentence with the pip command."""
    code = "import sys; sys.modules['lm_eval'] = None\nfrom skillmix_eval.cli import main\nmain(['lm-eval'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: lm-eval is not installed; run: pip install 'skillmix-eval[lm-eval]'"
    ]


@pytest.mark.slow
def test_plain_lm_eval_finds_the_tasks(tmp_path: Path, serve: Serve) -> None:
    """`lm_eval --include_path "$(skillmix lm-eval-path)"` needs nothing else of ours."""
    path = command(tmp_path, "skillmix_eval.cli", "lm-eval-path").stdout.strip()
    address = f"model=m,base_url={serve(student).url}/chat/completions"
    done = command(
        tmp_path, "lm_eval", "--model", "local-chat-completions", "--model_args", address,
        "--include_path", path, "--tasks", "skillmix_devices", "--apply_chat_template", "--metadata", "n=3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "skillmix_devices_k6" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    not (importlib.util.find_spec("transformers") and importlib.util.find_spec("torch")),
    reason="lm-eval's hf model needs torch and transformers",
)
def test_a_model_without_a_chat_template_gets_plain_text(tmp_path: Path) -> None:
    """`--model hf` on CPU runs a model that has no chat template, and says that prompts are plain text."""
    tiny_model(tmp_path / "model")
    done = command(
        tmp_path, "skillmix_eval.cli", "lm-eval", "--model", "hf", "--model_args", "pretrained=model",
        "--device", "cpu", "--tasks", "skillmix_devices_k1", "--metadata", "n=2",
        "--gen_kwargs", "max_gen_toks=8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no chat template" in done.stderr
    assert re.search(r"coverage\s*\|↑\s*\|\s*1\|", done.stdout), done.stdout
