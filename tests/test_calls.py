"""A model call: kept under a key of all that can change it, repeated where it helps, paid within a budget."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.backends._local import weights
from skillmix_eval.calls import call_key, without_thoughts
from skillmix_eval.errors import BudgetError
from skillmix_eval.prices import Budget, Price, price_of, read_prices
from skillmix_eval.records import Message, Reply, Request, Usage
from skillmix_eval.spec import ModelSpec

from .server import JUDGE, STUDENT, Call, Server, one_sentence, run_files, run_options, skillmix

REQUEST = Request(
    (Message("user", "Write."),), temperature=0.5, top_p=0.9, max_tokens=9, seed=1, schema={"a": 1}
)
IDENTITY = {"backend": "openai", "model": "x", "endpoint": "http://a/v1", "revision": "1"}


@pytest.mark.parametrize("field", [f for f in Request.__struct_fields__ if f != "question"])
def test_another_request_has_another_key(field: str) -> None:
    """Whatever of a request can change the reply is part of its key."""
    other: Any = {"messages": (Message("user", "Write!"),), "draw": "1", "schema": {"a": 2}}.get(field, 0.25)
    changed = msgspec.structs.replace(REQUEST, **{field: other})
    assert call_key(IDENTITY, changed) != call_key(IDENTITY, REQUEST)


@pytest.mark.parametrize("field", IDENTITY)
def test_another_model_has_another_key(field: str) -> None:
    """Whatever of a model can change the reply is part of the key, so no model gets another's answer."""
    assert call_key({**IDENTITY, field: "other"}, REQUEST) != call_key(IDENTITY, REQUEST)


@pytest.mark.parametrize("name", ["config.json", "merges.txt", "vocab.txt", "code.py", "w.gguf", "w.pth"])
def test_other_weights_have_another_key(tmp_path: Path, name: str) -> None:
    """Whatever file of a model can change its replies is in its hash, and a file can be a model."""
    for file in ("config.json", name):
        (tmp_path / file).write_text("{}")
    before = weights(str(tmp_path)), weights(str(tmp_path / name))
    (tmp_path / name).write_text("{ }")
    after = weights(str(tmp_path)), weights(str(tmp_path / name))
    assert not set(before) & set(after)


def test_files_that_change_no_reply(tmp_path: Path) -> None:
    """Files that a loader leaves aside do not count: notes, other weights beside safetensors."""
    (tmp_path / "model.safetensors").write_text("w")
    (tmp_path / "tokenizer.json").write_text("{}")
    before = weights(str(tmp_path))
    for name in ("README.md", "merges.txt", "consolidated.pth"):
        (tmp_path / name).write_text("x")
    assert weights(str(tmp_path)) == before


def test_a_fifth_of_faults_leaves_no_trace(tmp_path: Path) -> None:
    """With a fifth of all calls failing in every way that can heal, the report equals that without faults."""
    kinds = ["429", "500", "503", "hang-up", "malformed", "html"]

    def fault(call: Call) -> str | None:
        return kinds[int(call.key, 16) % 6] if call.attempt == 0 and int(call.key[:4], 16) % 5 == 0 else None

    files = []
    with Server() as server:
        lists = run_options(server, tmp_path)
        for name, rule in (("clean", lambda _: None), ("faulty", fault)):
            server.fault = rule
            done = skillmix(
                "run", *lists, "-k", "1,2", "-n", 20, "--out", name, "--store", f"{name}.sqlite", cwd=tmp_path
            )
            assert done.code == 0, done.err
            files.append(run_files(tmp_path / name))
        repeats = sum(c.attempt > 0 for c in server.calls)
    assert files[0] == files[1]
    assert repeats >= 20


def test_too_many_failures(tmp_path: Path) -> None:
    """A run whose texts mostly fail is written, says that it does not stand, and exits with 3."""
    with Server(fault=lambda _: "400") as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 4, "--out", "run"]
        done = skillmix("run", *options, cwd=tmp_path)
        assert done.code == 3
        assert "4 of 4 texts could not be had or graded, more than --max-failed 5%" in done.err
        assert "(most often, 4 times: http" in done.err
        assert skillmix("run", *options, "--max-failed", "100%", cwd=tmp_path).code == 0


def test_no_score_at_all(tmp_path: Path) -> None:
    """A run whose texts are all cut off, which is no fault of a server, does not stand either."""
    with Server(fault=lambda _: "length") as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 4, "--out", "run"]
        done = skillmix("run", *options, cwd=tmp_path)
        assert (done.code, "No text has a score" in done.err) == (3, True)


def test_a_price_that_is_not_reached(tmp_path: Path) -> None:
    """--max-cost stops a run before it is passed, and the same command with more goes on where it was."""
    price = ["--price", "100/100", "--judge-price", "100/100"]
    with Server() as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 5, "--out", "run", *price]
        options += ["--max-tokens", 50, "--judge-max-tokens", 300, "--anchors", 0]
        stopped = skillmix("run", *options, "--max-cost", "0.20", cwd=tmp_path)
        assert stopped.code == 3
        one_sentence(stopped, "--max-cost 0.2", "every answer is kept")
        paid = len(server.calls)
        assert paid > 0
        done = skillmix("run", *options, "--max-cost", "20", "--json", cwd=tmp_path)
        assert done.code == 0, done.err
    assert sum(role["stored_calls"] for role in done.json["spend"].values()) == paid


def test_a_price_must_be_known(tmp_path: Path) -> None:
    """--max-cost for a model without a known price is refused before anything is asked."""
    with Server() as server:
        options = run_options(server, tmp_path)
        done = skillmix("run", *options, "-k", 1, "-n", 1, "--max-cost", 1, "--out", "run", cwd=tmp_path)
        assert server.calls == []
    assert done.code == 2
    one_sentence(done, "--max-cost needs the price", "--price")


def test_calls_in_flight_count_at_their_worst() -> None:
    """A budget gives back what a try did not use, keeps what it may have used, and is never overdrawn."""

    async def spend(budget: Budget, *charges: Usage | None) -> None:
        for used in charges:
            async with budget.reserved(REQUEST) as charge:
                if used is not None:
                    charge(used)

    unknown, budget = Usage(), Budget(Price(0, 1e6), dollars=20.0)
    asyncio.run(spend(budget, Usage(3, 2), unknown, None, None, Usage(3, 8)))
    with pytest.raises(BudgetError, match="19"):
        asyncio.run(spend(budget, None))


def test_a_call_waits_for_what_others_may_give_back() -> None:
    """A call that the budget has no room for waits while others are in flight, and stops when none is."""
    budget, in_flight, most = Budget(Price(0, 1e6), dollars=20.0), 0, 0

    async def call() -> None:
        nonlocal in_flight, most
        async with budget.reserved(REQUEST) as charge:
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0)
            in_flight -= 1
            charge(Usage(3, 2))

    async def calls() -> list[BaseException | None]:
        return await asyncio.gather(*(call() for _ in range(9)), return_exceptions=True)

    ended = asyncio.run(calls())
    assert (most, ended.count(None)) == (2, 6)
    assert {type(e) for e in ended} == {type(None), BudgetError}


def test_long_replies_that_nobody_foresaw(tmp_path: Path) -> None:
    """Without a token limit --max-cost holds although every reply is long."""
    with Server(student_s=0.05, fault=lambda _: "20000 tokens") as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 30, "--price", "1/10", "--max-cost", 1]
        done = skillmix("run", *options, "--judge-price", "1/1", "--out", "run", cwd=tmp_path)
        assert done.code == 3, done.err
        one_sentence(done, "--max-cost 1")
        assert 3 <= len(server.of("student")) <= 5


@pytest.mark.parametrize("fault", ["no usage", "malformed"])
def test_calls_whose_tokens_nobody_tells(tmp_path: Path, fault: str) -> None:
    """Where a server does not say what a call took, or sends half an answer, --max-cost counts its worst."""
    with Server(fault=lambda _: fault) as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 20, "--price", "0/10", "--max-tokens", 100]
        options += ["--judge-price", "0/0", "--anchors", 0, "--max-cost", "0.0055"]
        done = skillmix("run", *options, "--out", "run", cwd=tmp_path)
        assert done.code == 3, done.err
        one_sentence(done, "--max-cost 0.0055")
        assert len(server.of("student")) == 5


def test_tokens_that_nobody_tells_are_told_of(tmp_path: Path) -> None:
    """A run whose server tells no tokens says of how many calls the cost is unknown."""
    with Server(fault=lambda call: "no usage" if call.role == "student" else None) as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 3, "--price", "1/1", "--judge-price", "1/1"]
        done = skillmix("run", *options, "--no-refine", "--out", "run", cwd=tmp_path)
    assert "Of 3 calls the server did not tell the tokens" in done.out


def test_whose_price_it_is() -> None:
    """An own price wins; the table holds at the maker's address only; an engine here costs nothing."""
    table = read_prices()
    assert table.date.startswith("20")
    assert price_of(ModelSpec(model="openai/gpt-4o", price="1/2"), table) == Price(1, 2)
    assert price_of(ModelSpec(model="openai/gpt-4o"), table) == table.models["gpt-4o"]
    assert price_of(ModelSpec(model="openai/gpt-4o", base_url="http://a/v1"), table) is None
    assert price_of(ModelSpec(model="embedded"), table) == Price(0, 0)


def test_a_users_own_prices(tmp_path: Path) -> None:
    """The names in a user's table hold at every address, and the page counts anchors with the same prices."""
    table = f"date: 2026-11-01\nmodels: {{{STUDENT}: 1000/1000, openai/{JUDGE}: 1000/1000}}\n"
    (tmp_path / "mine.yaml").write_text(table)
    with Server() as server:
        options = [*run_options(server, tmp_path), "-k", 2, "-n", 5, "--anchors", 6, "--out", "run", "--json"]
        done = skillmix("run", *options, "--prices", "mine.yaml", cwd=tmp_path)
    assert done.code in (0, 3), done.err
    paid = done.json["spend"]["judge"]["paid"]
    dollars = (paid["input"] + paid["output"]) / 1000
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"Cost of the judge at $1000/1000 a million: ${dollars:.2f}" in page
    assert "Cost of the student at $1000/1000 a million" in page


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("<think>Hm.</think>\n\nA hem.", "A hem."),
        ("So it is.</think>A hem.", "A hem."),
        ("A hem.", "A hem."),
        ("A <think> hem </think> here.", "A <think> hem </think> here."),
        ("<think>Hm.</think><think>So?</think>A hem.", "A hem."),
        ("<thinking>Hm.</thinking>A hem.", "A hem."),
        ("[THINK]Hm.[/THINK]A hem.", "A hem."),
        ("Okay. <think>Hm.</think>A hem.", "A hem."),
        ("Okay.\n<think>Hm.</think>\nA hem.", "A hem."),
        ("A hem.\n<think>Was it good?</think>", "A hem."),
        ("<think>Hm, a hem", ""),
        ('{"quote": "A </think> hem."}', '{"quote": "A </think> hem."}'),
    ],
)
def test_thoughts_are_split_off(written: str, answer: str) -> None:
    """What an open model thinks before its answer is no part of the answer, wherever its block began."""
    assert without_thoughts(Reply(written)).text == answer


def test_thoughts_without_an_end() -> None:
    """Thoughts that the token limit cut off leave no answer."""
    assert without_thoughts(Reply("<think>Hm, a hem", "length")) == Reply("", "length")


@given(st.text())
def test_any_reply_stays_one(text: str) -> None:
    """Splitting thoughts off never fails, never adds, and is the same the second time for plain answers."""
    answer = without_thoughts(Reply(text)).text
    assert answer in text


def test_a_damaged_store(tmp_path: Path) -> None:
    """An answer in the store that cannot be read is one sentence that names the store."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "-k", 1, "-n", 1, "--out", "run", "--store", "s.sqlite"]
        assert skillmix("run", *options, cwd=tmp_path).code == 0
        connection = sqlite3.connect(tmp_path / "s.sqlite")
        with connection:
            connection.execute("UPDATE calls SET value = X'00FF'")
        connection.close()
        for more in ([], ["--dry-run"]):
            done = skillmix("run", *options, *more, cwd=tmp_path)
            assert done.code == 1
            one_sentence(done, "s.sqlite", "cannot be read")
