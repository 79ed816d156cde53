"""lm-eval's model `skillmix`: any of its models drafts and refines, with the figures of a run of our own."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'skillmix-eval[lm-eval]'")

from lm_eval.api.instance import Instance
from lm_eval.models.dummy import DummyLM
from lm_eval.models.openai_completions import LocalChatCompletion

from skillmix_eval.errors import BadInputError
from skillmix_eval.lm_eval_logs import import_lm_eval
from skillmix_eval.lm_eval_model import Refined, SkillMixLM
from skillmix_eval.lm_eval_settings import say_once

from .lm_eval_help import (
    Fixed,
    Serve,
    assert_same,
    chat,
    command,
    digest,
    harness,
    judge,
    our_figures,
    student,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's own and its dependencies'
TASK = "skillmix_language_k2"


def moody(prompt: str) -> str:
    """Write a text, a text after a thought, or a refusal; a second text depends on the first."""
    said = student(prompt)
    kinds = ("I'm sorry, I can't help with that.", f"<think>Hm.</think>\n{said}", said, said)
    return kinds[digest(prompt)[0] % 4]


def metadata(folder: Path, server: Any, **other: Any) -> dict[str, Any]:
    """Return settings with a judge."""
    judged = {"judge": "openai/j", "judge_base_url": server.url, "store": str(folder / "theirs.sqlite")}
    return {"n": 12, "seed": 3} | judged | other


def ours(folder: Path, writer: Any, grader: Any, **other: Any) -> Any:
    """Return the run of our own with the same settings, and its figures."""
    student = {"model": "openai/m", "base_url": writer.url}
    by = {"model": "openai/j", "base_url": grader.url}
    settings = {"domain": "language", "k": 2, "n": 12, "seed": 3, "anchors": 0}
    return our_figures(folder, settings | {"student": student, "judge": by} | other)


def wrapped(server: Any) -> dict[str, Any]:
    """Return the options of a wrapped model behind a server."""
    arguments = {"model": "m", "base_url": f"{server.url}/chat/completions", "num_concurrent": 8}
    return {"model": SkillMixLM("local-chat-completions", **arguments), "apply_chat_template": True}


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_refined_texts_have_the_figures_of_a_run(tmp_path: Path, serve: Serve, protocol: str) -> None:
    """Drafts, refusals, thoughts and second turns end in the texts and figures of `skillmix run`."""
    writer, grader = serve(moody), serve(judge)
    given = {"protocol": protocol, "judge_style": "json-items"}  # the one that this judge writes
    run, row = ours(tmp_path, writer, grader, **given)
    asked = writer.calls
    found = harness([TASK], metadata(tmp_path, grader, **given), **wrapped(writer))
    assert 0 < row.metrics["skill_fraction"].estimate.value < 1
    assert_same(found["results"][TASK], row, "judge")
    assert found["configs"][TASK]["metadata"]["protocol"].split(" ")[0] == protocol
    assert writer.calls == 2 * asked
    lines = [json.loads(line) for s in found["samples"][TASK] for line in s["filtered_resps"][0]]
    assert [line["status"] for line in lines] == [str(s.text.status) for s in run.samples]
    assert 0 < sum(line["draft"] is None for line in lines) < len(lines), "a refusal is not refined"


def test_refined_is_the_default_of_the_model_and_drafts_that_of_others(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Without `skillmix` tasks score drafts and say so; with it texts are refined unless told otherwise."""
    say_once.cache_clear()
    writer, grader = serve(student), serve(judge)
    draft = harness([TASK], metadata(tmp_path, grader), **chat(writer))
    assert "The skillmix tasks score drafts" in caplog.text
    assert "--model skillmix" in caplog.text
    refined = harness([TASK], metadata(tmp_path, grader), **wrapped(writer))
    chosen = harness([TASK], metadata(tmp_path, grader, protocol="draft"), **wrapped(writer))
    protocols = [f["configs"][TASK]["metadata"]["protocol"] for f in (draft, refined, chosen)]
    assert protocols == ["draft", "standard", "draft"]
    assert chosen["results"][TASK] == draft["results"][TASK]
    assert writer.calls == 12 * 4


def test_a_system_instruction_stays_in_the_second_turn(tmp_path: Path, serve: Serve) -> None:
    """Both turns begin with lm-eval's --system_instruction."""
    heard: list[str] = []

    def listening(prompt: str) -> str:
        heard.append(prompt)
        return student(prompt)

    given = wrapped(serve(listening)) | {"system_instruction": "Be brief."}
    harness(["skillmix_devices_k1"], {"n": 3}, **given)
    assert len(heard) == 6
    assert all(prompt.startswith("Be brief.\n") for prompt in heard)


def test_the_command_takes_the_inner_model_and_its_arguments(tmp_path: Path, serve: Serve) -> None:
    """`skillmix lm-eval --model skillmix` needs only inner= more than the inner model; its log is a run."""
    writer, grader = serve(moody), serve(judge)
    run, _ = ours(tmp_path, writer, grader)
    address = f"inner=local-chat-completions,model=m,base_url={writer.url}/chat/completions,num_concurrent=8"
    done = command(
        tmp_path, "skillmix_eval.cli", "lm-eval", "--model", "skillmix", "--model_args", address,
        "--tasks", TASK, "--output_path", "out", "--log_samples",
        "--metadata", json.dumps(metadata(tmp_path, grader)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "score drafts" not in done.stderr
    ((_, logged),) = import_lm_eval(tmp_path / "out", {})
    read = {s.question.id: s for s in logged.samples}
    assert logged.info.protocol == "standard"
    assert logged.info.prompts == run.info.prompts
    for sample in run.samples:
        other = read[sample.question.id]
        assert (other.text.text, other.text.draft) == (sample.text.text, sample.text.draft)
        assert other.score == sample.score


def test_other_tasks_go_through_as_they_are() -> None:
    """Requests of other tasks, and what the inner model says of itself, are the inner model's own."""
    inner = DummyLM()
    model = SkillMixLM(inner=inner)
    requests = [Instance("generate_until", {}, ("Say.", {"until": []}), 0)]
    assert model.generate_until(requests) == inner.generate_until(requests)
    assert len(model.loglikelihood([Instance("loglikelihood", {}, ("a", "b"), 0)])) == 1
    assert (model.rank, model.world_size, model.device) == (inner.rank, inner.world_size, inner.device)
    assert not hasattr(model, "get_model_info")
    served = SkillMixLM(LocalChatCompletion(model="m", base_url="http://localhost:1/v1"))
    assert served.apply_chat_template([{"role": "user", "content": "Hm."}]).prompt.startswith("[{")
    assert served.model == "m"


@pytest.mark.parametrize("inner", [None, "", "skillmix"])
def test_without_an_inner_model_it_says_how(inner: str | None) -> None:
    """Without a model to ask, one sentence says how to name it."""
    with pytest.raises(BadInputError, match="inner=hf,pretrained=MODEL"):
        SkillMixLM.create_from_arg_obj({"inner": inner}, {"device": "cpu"})


def test_plain_prompts_have_no_second_turn() -> None:
    """Without a chat template nothing is asked: the sentence says what to add."""
    with pytest.raises(BadInputError, match="--apply_chat_template"):
        harness(["skillmix_devices_k1"], {"n": 2}, SkillMixLM(Fixed(lambda prompt, _: student(prompt))))


def test_a_cache_mixes_no_turns(tmp_path: Path, serve: Serve) -> None:
    """With --use_cache, refined texts come back as such, and another run's drafts are not scored as such."""
    writer = serve(student)
    options = {"use_cache": str(tmp_path / "cache")}
    first = harness(["skillmix_devices_k1"], {"n": 4}, **wrapped(writer), **options)
    asked = writer.calls
    second = harness(["skillmix_devices_k1"], {"n": 4}, **wrapped(writer), **options)
    drafts = harness(["skillmix_devices_k1"], {"n": 4}, **chat(writer), **options)
    assert writer.calls == asked == 8
    assert first["samples"] == second["samples"]
    said = [json.loads(s["filtered_resps"][0][0])["status"] for s in drafts["samples"]["skillmix_devices_k1"]]
    assert said == ["ok"] * 4
    other = {"use_cache": str(tmp_path / "other")}
    harness(["skillmix_devices_k1"], {"n": 4}, **chat(writer), **other)
    mixed = harness(["skillmix_devices_k1"], {"n": 4}, **wrapped(writer), **other)
    assert mixed["results"]["skillmix_devices_k1"]["coverage,rules"] == 0
    again = pickle.loads(pickle.dumps(Refined("a", "b")))  # noqa: S301  as the cache does
    assert (again, again.draft) == ("a", "b")
