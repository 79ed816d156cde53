"""A student's reply becomes a text with a status."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.errors import CallFailedError
from skillmix_eval.records import Message, Reply, Request, Text, TextStatus, Usage
from skillmix_eval.stages.generate import extract, generate, read_text, refine

from .makers import make_question, make_request, make_text

PROMPT = "Write one short and natural piece of text about sewing that shows all of these skills at once."


def read(reply: str, form: str = "text", stop: str = "stop", prompt: str = "") -> Text:
    """Read a reply to a prompt."""
    request = Request((Message("user", prompt),), question=make_question())
    return read_text(request, 0, Reply(reply, stop), form)


async def failing(request: Request) -> Reply:
    """Fail every call."""
    raise CallFailedError("the server is on fire")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Answer: A hem.\nExplanation: Why not.", "A hem."),
        ("Answer: first\nAnswer: second", "second"),
        ("**Answer:** A hem.\n\n**Explanation:** x", "A hem."),
        ("**Answer**: A hem.", "A hem."),
        ("Answer:\nA hem.  \n", "A hem."),
        ("Explanation: early. Answer: A hem.", "A hem."),
        ("No marker at all.", "No marker at all."),
        ("A text. Explanation: x", "A text."),
        ("Answer: Explanation: x", ""),
        (
            "Answer: He had no explanation, and gave no answer: none.",
            "He had no explanation, and gave no answer: none.",
        ),
        ('Answer: "A hem."', "A hem."),
    ],
)
def test_extract_answer(reply: str, text: str) -> None:
    """The form `answer` takes what follows the last 'Answer:', up to 'Explanation', or the whole reply."""
    assert extract(reply, "answer") == text


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (" A hem. ", "A hem."),
        ("“A hem.”", "A hem."),
        ('"One," she said, "two."', '"One," she said, "two."'),
        ("**A hem.**", "A hem."),
        ("Answer: A hem. Explanation: x", "Answer: A hem. Explanation: x"),
        ('"', '"'),
    ],
)
def test_extract_whole(reply: str, text: str) -> None:
    """The form `text` takes the whole reply, without quotation marks or bold print around all of it."""
    assert extract(reply, "text") == text


@given(st.text(max_size=60), st.sampled_from(["text", "answer"]))
def test_extract_takes_only_what_is_there(reply: str, form: str) -> None:
    """What is extracted stands in the reply, with no white space around it."""
    found = extract(reply, form)
    assert found in reply
    assert found == found.strip()


@pytest.mark.parametrize(
    ("reply", "stop", "status"),
    [
        ("A hem is a promise.", "stop", TextStatus.OK),
        ("A hem is a", "length", TextStatus.TRUNCATED),
        ("", "stop", TextStatus.EMPTY),
        (" ...\n", "stop", TextStatus.EMPTY),
        (PROMPT, "stop", TextStatus.ECHOED),
        ("A hem.", "refusal", TextStatus.REFUSED),
        ("I'm sorry, but I can't assist with that request.", "stop", TextStatus.REFUSED),
        ("", "length", TextStatus.TRUNCATED),
    ],
)
def test_status(reply: str, stop: str, status: TextStatus) -> None:
    """Every reply is a text, or has the status that says why it is none."""
    text = read(reply, stop=stop, prompt=PROMPT)
    assert text.status is status
    assert bool(text.why) == (status is not TextStatus.OK)


@pytest.mark.parametrize(
    "reply",
    [
        "I cannot fulfill this request.",
        "I can’t help with that.",
        "Sorry, but I can't assist.",
        "As an AI language model, I cannot create such content.",
        "I'm unable to provide a text on this; it would be harmful content.",
        "I apologize, but I cannot fulfill your request, since it is odd.",
        "Unfortunately, I am not able to complete this task.",
        "I will not write this piece of text.",
    ],
)
def test_refusals(reply: str) -> None:
    """A reply that declines the task is a refusal."""
    assert read(reply).status is TextStatus.REFUSED


@pytest.mark.parametrize(
    "reply",
    [
        "I can't help but smile when the needle sings.",
        "I can't help smiling.",
        "I can't help it, said the knot, I was tied this way.",
        "I can't do that. The bees need me.",
        "I cannot create beauty from nothing, said the loom.",
        "I won't do that again, he swore to the thimble.",
        "Sorry, I can't complete the quilt without you.",
        "I'm sorry, I can't help with the harvest this year.",
        "I can't write a text message without crying.",
        "I won't continue down this path, she told the hive.",
        "Unfortunately, I am a button.",
        "Sorry is the hardest word to stitch.",
        "He said: I'm sorry, but I can't assist with that request.",
    ],
)
def test_no_refusals(reply: str) -> None:
    """Ordinary sentences in the first person are texts, however unwilling they sound."""
    assert read(reply).status is TextStatus.OK


def test_failed_call() -> None:
    """A call that fails is a failed text with the reason, not an exception."""
    text, reply = asyncio.run(generate(make_request(), 2, failing, "text"))
    assert (text.status, text.why, text.index, reply) == (TextStatus.FAILED, "the server is on fire", 2, "")


def test_refine_keeps_the_draft() -> None:
    """The refined text comes with its draft and the tokens of both turns."""

    async def ask(request: Request) -> Reply:
        return Reply("A better hem.", usage=Usage(5, 7))

    draft = Text("q", 1, "A hem.", TextStatus.OK, usage=Usage(1, 2))
    text = asyncio.run(refine(make_request(), draft, ask, "text"))
    assert (text.text, text.draft, text.index, text.usage) == ("A better hem.", "A hem.", 1, Usage(6, 9))


def test_own_draft_is_no_echo() -> None:
    """A student that keeps its draft copies itself, even where the prompt quotes the draft."""
    draft = make_text(make_question(), "Each stitch my mother made is a small quiet word of praise.")

    async def ask(request: Request) -> Reply:
        return Reply(draft.text)

    request = Request((Message("user", f"Improve this text: {draft.text}"),), question=make_question())
    assert asyncio.run(refine(request, draft, ask, "text")).status is TextStatus.OK


def test_released_replies(released: Path) -> None:
    """From all released replies we extract the text that the public repository extracted."""
    for path in (released / "records").glob("*/*/records.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for turn in "01":
                    reply = row.get(f"assistant_{turn}") or row[f"[/INST]_{turn}"]
                    expected = row[f"text_{turn}"].strip()
                    assert extract(reply, "answer") in (expected, expected[1:-1])


def test_a_reply_cut_off_in_its_explanation_holds_a_whole_text() -> None:
    """A limit that cuts only the explanation off leaves the text ok; one that cuts the text truncates it."""
    request = make_request()
    for text, status in (("Answer: A hem holds. Explanation: it", "ok"), ("Answer: A hem", "truncated")):
        assert read_text(request, 0, Reply(text, "length"), "answer").status == status
