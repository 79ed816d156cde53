"""Texts of `skillmix adapt` in Hugging Face's Trainer, with a mixture that moves, and in TRL's SFTTrainer."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skillmix_eval.domain import load_domain
from skillmix_eval.errors import BadInputError
from skillmix_eval.training.pool import write_taught

from .server import ROOT, skillmix

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'skillmix-eval[train]'")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("accelerate", reason="accelerate, which the Trainer needs, is not installed")

from skillmix_eval.adapt import Graph  # noqa: E402
from skillmix_eval.streams import LOG, SHARE, MixtureCallback, MixtureStream  # noqa: E402

CHECKPOINT = ROOT / "results" / "devices" / "checkpoints" / "400"
GRAPH = Graph(("anaphora", "rhyme"), ((1.0, 0.0), (0.0, 1.0)))
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `skillmix adapt` writes."""
    folder = tmp_path_factory.mktemp("streams")
    write_taught(folder / "pool.jsonl", load_domain("devices"), {1: 500}, 3)
    options = ["--pool", "pool.jsonl", "-n", 400, "--out", "next"]
    done = skillmix("adapt", "uniform_skills", *options, cwd=folder)
    assert done.code == 0, done.err
    return folder / "next"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The student's tokenizer."""
    return transformers.AutoTokenizer.from_pretrained(CHECKPOINT)


def of(text: dict[str, Any], stream: MixtureStream) -> set[str]:
    """Return the skills that a drawn text may be of."""
    return {skill for skill, texts in stream.texts.items() if any(t is text for t in texts)}


def test_what_is_drawn_follows_the_mixture_as_it_is_now(texts: Path, tokenizer: Any) -> None:
    """A mixture that is set while the stream is read counts from the next text on; kept texts never come."""
    stream = MixtureStream(texts / "train.jsonl", tokenizer, apart=2)
    drawn = iter(stream)
    seen = Counter(s for t in itertools.islice(drawn, 300) for s in of(t, stream))
    assert len(seen) == len(stream.skills)
    stream.mixture = {"rhyme": 0.75, "anaphora": 0.25}
    later = [of(t, stream) for t in itertools.islice(drawn, 400)]
    assert set().union(*later) == {"anaphora", "rhyme"}
    assert 0.65 < sum("rhyme" in s for s in later) / 400 < 0.85
    held, drawable = (
        {str(t) for kept in group.values() for t in kept} for group in (stream.checks, stream.texts)
    )
    assert not held & drawable
    assert all(len({str(t) for t in kept}) == 2 for kept in stream.checks.values())


def test_labels_are_the_reply_alone(texts: Path, tokenizer: Any) -> None:
    """The prompt is no label; the token that ends the reply is one."""
    text = next(iter(MixtureStream(texts / "train.jsonl", tokenizer, apart=2)))
    wanted = [i for i, label in zip(text["input_ids"], text["labels"], strict=True) if label != -100]
    assert wanted[-1] == tokenizer.eos_token_id
    shown = tokenizer.decode(wanted[:-1])
    rows = [json.loads(line) for line in (texts / "train.jsonl").read_text().splitlines()]
    assert shown in {row["messages"][-1]["content"] for row in rows}


def trained(texts: Path, folder: Path, tokenizer: Any, steps: int, resume: bool = False) -> Any:
    """Train with Skill-It in the Trainer; return the stream, the callback and the trainer."""
    stream = MixtureStream(texts / "train.jsonl", tokenizer, apart=2)
    model = transformers.AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=4, save_steps=4, use_cpu=True,
        learning_rate=1e-3, report_to=[], disable_tqdm=True, ignore_data_skip=True,
    )  # fmt: skip
    collator = transformers.DataCollatorForSeq2Seq(tokenizer)
    trainer = transformers.Trainer(
        model, arguments, collator, train_dataset=stream, processing_class=tokenizer
    )
    callback = MixtureCallback(stream, GRAPH, every=2, eta=2.0)
    trainer.add_callback(callback)
    trainer.train(resume_from_checkpoint=resume)
    return stream, callback, trainer


def test_skill_it_moves_the_mixture_in_the_trainer(texts: Path, tokenizer: Any, tmp_path: Path) -> None:
    """The mixture is Skill-It's of the losses in the log, and a resumed training has them all."""
    import numpy as np

    from skillmix_eval.methods import skill_it

    stream, callback, _ = trained(texts, tmp_path, tokenizer, 4)
    assert len(callback.losses) == 2
    stream, callback, trainer = trained(texts, tmp_path, tokenizer, 8, resume=True)
    logged = [[r[LOG + s] for s in GRAPH.skills] for r in trainer.state.log_history if LOG + "rhyme" in r]
    assert len(logged) == len(callback.losses) == 3  # before steps 0 and 2; resumed after 4, before step 6
    wanted = skill_it.mixture(np.asarray(GRAPH.rows), logged[1:], 2.0)
    drawn = [r for r in trainer.state.log_history if SHARE + "rhyme" in r]
    assert [r["step"] for r in drawn] == [0, 2, 6]
    assert [drawn[-1][SHARE + s] for s in GRAPH.skills] == pytest.approx(list(wanted))
    assert [stream.mixture[s] for s in GRAPH.skills] == pytest.approx(list(wanted), abs=1e-5)
    assert sum(stream.mixture.values()) == pytest.approx(1)
    assert trainer.model.training


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"messages": []', "line 1 is no row"),
        ('{"messages": [], "skills": []}', "names no skill"),
        (
            json.dumps({"messages": [{"role": "user", "content": "a"}] * 2, "skills": ["rhyme"]}),
            "too few texts of the skill 'rhyme'",
        ),
    ],
)
def test_files_that_make_no_stream(line: str, said: str, tokenizer: Any, tmp_path: Path) -> None:
    """Each fault is one sentence that names the file."""
    (tmp_path / "train.jsonl").write_text(line + "\n")
    with pytest.raises(BadInputError, match=said) as error:
        MixtureStream(tmp_path / "train.jsonl", tokenizer)
    assert "train.jsonl" in str(error.value)


def test_a_graph_of_other_skills_and_a_mixture_of_none(texts: Path, tokenizer: Any) -> None:
    """Neither is silently taken for something else."""
    stream = MixtureStream(texts / "train.jsonl", tokenizer, apart=2)
    with pytest.raises(BadInputError, match="No skill of the graph or target named 'irony'"):
        MixtureCallback(stream, Graph(("irony",), ((1.0,),)))
    with pytest.raises(BadInputError, match="'irony', which no text of the pool shows"):
        stream.mixture = {"irony": 0.2, "rhyme": 0.8}
    with pytest.raises(BadInputError, match="sums to 4"):
        stream.mixture = {"rhyme": 3.0, "anaphora": 1.0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"every": 0}, "every = 0"),
        ({"etta": 1.0}, "no option 'etta'; it has: eta"),
        ({"method": "skillit"}, "Did you mean 'skill-it'"),
        ({"graph": Graph(("anaphora", "rhyme"), ((1.0,),))}, "1 rows of 1 numbers"),
        ({"graph": Graph(("rhyme", "rhyme"), ((1.0, 0.0), (0.0, 1.0)))}, "'rhyme' twice"),
    ],
)
def test_a_callback_that_cannot_plan_is_refused_when_it_is_made(
    texts: Path, tokenizer: Any, settings: dict[str, Any], said: str
) -> None:
    """A slip is told before the training, not at its first update."""
    stream = MixtureStream(texts / "train.jsonl", tokenizer, apart=2)
    with pytest.raises(BadInputError, match=said):
        MixtureCallback(stream, **{"graph": GRAPH, **settings})


def example(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a Python example of docs/adaptive-training.md in a folder that has what it names; return its
    trainer."""
    page = (ROOT / "docs" / "adaptive-training.md").read_text()
    code = page.split("```python\n")[number].split("```")[0]
    (folder / "graph.json").write_text(msgspec.json.encode(GRAPH).decode())
    if not (folder / "results").exists():
        (folder / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  our own page
    return names["trainer"]


def test_the_example_of_a_moving_mixture_runs(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's code trains, and the mixture is no longer uniform."""
    trainer = example(2, texts.parent, monkeypatch)
    assert trainer.state.global_step == 6
    assert set(trainer.train_dataset.mixture.values()) != {1 / len(trainer.train_dataset.skills)}


@pytest.mark.slow
def test_the_example_of_trl_runs(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL takes the file as it is, and the loss falls."""
    pytest.importorskip("trl", reason="trl is not installed")
    pytest.importorskip("datasets", reason="datasets is not installed")
    trainer = example(1, texts.parent, monkeypatch)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert losses[-1] < losses[0]
