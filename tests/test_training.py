"""The trainer, rounds and the loop, on the real early checkpoint of the embedded student."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skillmix_eval.adapt import Example, read_pool
from skillmix_eval.domain import load_domain
from skillmix_eval.errors import BackendError, BadInputError
from skillmix_eval.lessons import CHECKS, split
from skillmix_eval.mixing import Item
from skillmix_eval.rounds import Setup, claim, train_rounds
from skillmix_eval.training.pool import taught, write_taught
from skillmix_eval.training.progress import progress_svg
from skillmix_eval.training.trainer import Course, batches, rate_at

START = Path(__file__).parent.parent / "results" / "devices" / "checkpoints" / "400"
DEVICES = load_domain("devices")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Some texts by the teacher."""
    file = write_taught(tmp_path_factory.mktemp("pool") / "pool.jsonl", DEVICES, {1: 150, 2: 60}, 3)
    return read_pool(file, DEVICES)


@pytest.fixture
def torch() -> Any:
    """Return torch on one thread; skips where the extra `train` is missing."""
    pytest.importorskip("transformers")
    found = pytest.importorskip("torch")
    found.set_num_threads(1)
    return found


def test_the_teacher_writes_the_same_texts_again_and_none_of_held_out_skills() -> None:
    """A seed decides the texts, and the split what they show."""
    first, again = (list(taught(DEVICES, {1: 20, 2: 5}, 7)) for _ in range(2))
    assert first == again
    held_out = {s.id for s in DEVICES.skills if DEVICES.held_out(s)}
    assert not held_out & {s for row in first for s in row.skills}


def test_a_domain_without_a_teacher_says_so() -> None:
    """The error names what to give instead."""
    with pytest.raises(BadInputError, match=r"no teacher.*--pool"):
        list(taught(load_domain("language"), {1: 1}, 0))


def test_every_example_is_in_one_batch_and_the_order_is_repeatable() -> None:
    """Nothing planned is left out or seen twice."""
    lengths = [i % 7 + 1 for i in range(103)]
    found = batches(lengths, 8, 5)
    assert sorted(i for batch in found for i in batch) == list(range(103))
    assert found == batches(lengths, 8, 5)
    assert found != batches(lengths, 8, 6)


def test_the_rate_rises_and_falls_to_nothing() -> None:
    """A short rise, then a line down."""
    rates = [rate_at(step, 100, Course(rate=1.0, warm_up=10)) for step in range(100)]
    assert rates[0] < rates[9] > rates[50] > rates[99] > 0
    assert max(rates) <= 1.0


def test_texts_kept_apart_cover_each_skill_and_are_never_trained_on(pool: list[Example]) -> None:
    """Losses are measured on texts that the student does not train on."""
    skills = [s.id for s in DEVICES.part("train")[0]]
    data = split(pool, skills, 0)
    assert not {e.item.id for e in data.pool} & {e.item.id for e in data.checks}
    assert len(data.pool) + len(data.checks) == len(pool)
    there = {s for e in data.checks for s in e.item.skills}
    assert there == {s for e in pool for s in e.item.skills}
    with pytest.raises(BadInputError, match=f"too few to keep {CHECKS}"):
        split(pool[:3], skills, 0)


def test_a_text_that_stands_twice_in_a_pool_is_kept_apart_with_its_copy(pool: list[Example]) -> None:
    """Texts are compared by what they say, so a repeated one is never both trained on and measured."""
    copies = [msgspec.structs.replace(e, item=Item(f"copy {n}", e.item.skills)) for n, e in enumerate(pool)]
    data = split([*pool, *copies], [*(s.id for s in DEVICES.part("train")[0]), "irony"], 0)
    assert not {e.messages for e in data.pool} & {e.messages for e in data.checks}
    assert len({e.messages for e in data.checks}) == len(data.checks)
    assert "irony" not in data.skills


def test_a_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    """Rounds of two trainings never mix."""
    setup = Setup(start="a", domain="devices", method="uniform_items")
    claim(tmp_path, setup, ["a pool"])
    claim(tmp_path, setup, ["a pool"])
    with pytest.raises(BadInputError, match="other settings"):
        claim(tmp_path, Setup(start="b", domain="devices", method="uniform_items"), ["a pool"])
    with pytest.raises(BadInputError, match="or data"):
        claim(tmp_path, setup, ["another"])


def test_the_picture_shows_each_figure_and_escapes_names() -> None:
    """A name from a file is text, never markup."""
    drawing = progress_svg({"a": "<b>A</b>"}, ["start", "round 1"], [{"a": 0.25, "z": 1.0}, {"a": 0.5}])
    assert "&lt;b&gt;A&lt;/b&gt;" in drawing
    assert drawing.index("0.25") < drawing.index("0.50") < drawing.index("1.00")


def test_a_killed_training_goes_on_with_the_same_next_step(
    torch: Any, pool: list[Example], tmp_path: Path
) -> None:
    """Interrupted after four steps and gone on, it writes the very weights of one in one go."""
    trainer = importlib.import_module("skillmix_eval.training.trainer")
    student = importlib.import_module("skillmix_eval.training.student")
    course = Course(batch=4, save_every=2, warm_up=2)
    seen: list[int] = []

    def killed(step: Any) -> None:
        seen.append(step.step)
        if step.step == 5:
            raise KeyboardInterrupt

    def go(folder: Path, on_step: Any) -> Any:
        own = student.Student(START, "cpu")
        return trainer.train(own, own.examples([e.messages for e in pool[:32]]), folder, course, on_step)

    whole = go(tmp_path / "whole", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "cut", killed)
    assert not (tmp_path / "cut").exists()
    rest = go(tmp_path / "cut", lambda step: seen.append(step.step))
    assert seen == [1, 2, 3, 4, 5, 5, 6, 7, 8]
    assert rest == whole
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_state_of_another_training_is_refused(torch: Any, pool: list[Example], tmp_path: Path) -> None:
    """Other examples are another training."""
    trainer = importlib.import_module("skillmix_eval.training.trainer")
    own = importlib.import_module("skillmix_eval.training.student").Student(START, "cpu")
    seen = own.examples([e.messages for e in pool[:8]])
    torch.save({"of": "something else"}, tmp_path / "1.state.pt")
    with pytest.raises(BadInputError, match="of another training"):
        trainer.train(own, seen, tmp_path / "1", Course(batch=4))


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_data(
    torch: Any, pool: list[Example], tmp_path: Path
) -> None:
    """A model with a broken weight is not trained further, and nothing is written."""
    trainer = importlib.import_module("skillmix_eval.training.trainer")
    own = importlib.import_module("skillmix_eval.training.student").Student(START, "cpu")
    with torch.no_grad():
        own.model.get_input_embeddings().weight.fill_(float("nan"))
    seen = own.examples([e.messages for e in pool[:8]])
    with pytest.raises(
        trainer.Diverged, match="step 1 is nan; lower the rate, or look at the texts"
    ) as error:
        trainer.train(own, seen, tmp_path / "1", Course(batch=4))
    assert any(repr(e.messages[-1].content[-30:])[1:-1] in str(error.value) for e in pool[:8])
    assert not (tmp_path / "1").exists()


def test_a_last_step_that_ruins_the_weights_writes_no_checkpoint(
    torch: Any, pool: list[Example], tmp_path: Path
) -> None:
    """The loss before the last step says nothing of the weights after it, so these are looked at."""
    trainer = importlib.import_module("skillmix_eval.training.trainer")
    own = importlib.import_module("skillmix_eval.training.student").Student(START, "cpu")
    seen = own.examples([e.messages for e in pool[:4]])
    with pytest.raises(trainer.Diverged, match="is not written"):
        trainer.train(own, seen, tmp_path / "1", Course(batch=4, rate=1e30, warm_up=0))
    assert not (tmp_path / "1").exists()


def test_a_primer_that_was_killed_goes_on(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call trains the rest of the primer from the same blank student."""
    lessons = importlib.import_module("skillmix_eval.lessons")
    monkeypatch.setattr(lessons.exercise("lego"), "PRIMED", 52 * lessons._PRIMING.batch)
    seen: list[int] = []

    def killed(step: Any) -> None:
        seen.append(step.step)
        if len(seen) == 51:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lessons.first_student("lego", tmp_path, 0, killed)
    assert (tmp_path / "blank").is_dir()
    assert lessons.first_student("lego", tmp_path, 0, lambda step: seen.append(step.step)) == tmp_path / "0"
    assert seen == [*range(1, 52), 51, 52]
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_a_model_that_does_not_fit_its_tokenizer_or_texts_is_named(
    torch: Any, pool: list[Example], tmp_path: Path
) -> None:
    """Too few embeddings, or too few positions, are told before anything is computed."""
    student = importlib.import_module("skillmix_eval.training.student")
    transformers = importlib.import_module("transformers")
    for name, said in (("vocab_size", "do not belong together"), ("n_positions", "has places for 8")):
        size = {"n_embd": 8, "n_layer": 1, "n_head": 1, "vocab_size": 2048, name: 8}
        transformers.GPT2LMHeadModel(transformers.GPT2Config(**size)).save_pretrained(tmp_path / name)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(START / file, tmp_path / name / file)
        with pytest.raises(BadInputError, match=said):
            student.Student(tmp_path / name, "cpu").examples([pool[0].messages])


def test_a_folder_that_is_no_checkpoint_says_what_it_lacks(torch: Any, tmp_path: Path) -> None:
    """A checkpoint needs settings, weights and a tokenizer that all fit."""
    student = importlib.import_module("skillmix_eval.training.student")
    with pytest.raises(BadInputError, match="is no checkpoint"):
        student.Student(tmp_path)
    shutil.copytree(START, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text('{"model_type": "no-such-architecture"}')
    with pytest.raises(BackendError, match="cannot be loaded"):
        student.Student(tmp_path / "other")
    transformers = importlib.import_module("transformers")
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    transformers.BertForMaskedLM(transformers.BertConfig(**size)).save_pretrained(tmp_path / "bert")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(START / name, tmp_path / "bert" / name)
    with pytest.raises(BadInputError, match="is a BertLMHeadModel, which writes no text"):
        student.Student(tmp_path / "bert")


def test_rounds_lower_the_loss_and_are_read_back(torch: Any, pool: list[Example], tmp_path: Path) -> None:
    """A second round starts from the first; the same call again trains nothing, and returns the same."""
    setup = Setup(
        start=str(START),
        domain="devices",
        method="skill_it",
        settings={"control": "identity"},
        budget=120,
        rounds=2,
        course=Course(rate=3e-4, batch=10),
    )
    steps: list[int] = []
    data = split(pool, [s.id for s in DEVICES.part("train")[0]], 0)
    first = train_rounds(setup, data, tmp_path, on_step=lambda number, _: steps.append(number))
    assert steps == [1] * 12 + [2] * 12
    means = [sum(t.losses.values()) / len(t.losses) for t in first]
    assert means[1] < means[0]
    assert sum(first[0].mixture.values()) == pytest.approx(1)
    assert means[1] == pytest.approx(sum(first[0].losses_after.values()) / len(first[0].losses), rel=1e-3)
    assert train_rounds(setup, data, tmp_path, on_step=lambda *_: steps.append(0)) == first
    assert 0 not in steps
    assert (tmp_path / "2" / "ct2" / "model.bin").is_file()


def test_a_checkpoint_loads_in_every_engine_at_hand(torch: Any, pool: list[Example], tmp_path: Path) -> None:
    """The embedded engine and transformers write the same texts from what the trainer saved."""
    from skillmix_eval.evaluate import run

    student = importlib.import_module("skillmix_eval.training.student")
    own = student.Student(START, "cpu")
    own.save(tmp_path / "saved")
    student.convert(tmp_path / "saved")
    texts = [
        [s.text.text for s in run(student={"model": f"{kind}/{tmp_path}/saved"}, k=(1,), n=6).samples]
        for kind in ("embedded", "hf")
    ]
    assert sum(a == b for a, b in zip(*texts, strict=True)) >= 4  # int8 against float32


@pytest.mark.slow
def test_a_loop_writes_its_report_and_goes_on(torch: Any, pool: list[Example], tmp_path: Path) -> None:
    """One small loop: what was trained, what the gate said; again from the store, it is the same."""
    from skillmix_eval.loop import Asked, Loop

    setup = Setup(start=f"embedded/{START}", domain="devices", method="stat_sel", budget=32)
    asked = Asked(k=(1,), n=8)
    first = Loop(setup, asked, tmp_path).go(pool, None, lambda *_: None)
    assert first.turns[0].verdict.checks[0].n == 8
    assert "| 1 | 32 |" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "progress.svg").read_text().startswith("<svg")
    assert Loop(setup, asked, tmp_path).go(pool, None, lambda *_: None) == first
    with pytest.raises(BadInputError, match="cannot be trained"):
        Loop(Setup(start="openai/x", domain="devices", method="stat_sel"), asked, tmp_path)


def test_the_teacher_of_strings_is_always_right() -> None:
    """Its texts earn full marks at any depth, so they can be trained on."""
    from skillmix_eval.evaluate import run, run_figures

    done = run(student={"model": "teacher/strings"}, domain="strings", k=(1, 3), n=20)
    assert [r.metrics["full_marks"].estimate.value for r in run_figures(done).by_k] == [1.0, 1.0]
