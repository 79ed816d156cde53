"""What holds of the checkers of `devices` for any text at all."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmix_eval.domains.devices import rules
from skillmix_eval.records import MAKES_SENSE, Question, Topic

LINE = """bee hive the a and or so if then either not was had would even let alone as like does who
could it that most probably is more longer but never little did do in read unlock it's who'd they'd per cent
, ; . ! ? ( ) - -- — … “ ” \" ' ’ don't honey é 3 90% 😀 ß"""
WORDS = [*LINE.split(), "\n", "\n\n"]
DRAWN = st.lists(st.sampled_from(WORDS), max_size=40)
ENGLISHLIKE = DRAWN.map(" ".join)
BROKEN = st.text(st.characters(codec=None, categories=("Cs", "Lu", "Ll", "Po", "Zs", "Cc")), max_size=60)
TEXTS = st.one_of(st.text(max_size=200), ENGLISHLIKE, DRAWN.map("".join), BROKEN)
ODD = [
    unit * 3000
    for unit in (
        *(
            "so if either or ",
            "if a had would ",
            "either a or b not so ",
            "most a are b so likely ",
            "even let ",
        ),
        *(
            "((",
            "-- ",
            "(a - ",
            '"',
            '"a b" ran ',
            "(a) b. ",
            "a b ",
            "bee, ",
            "x. ",
            "a; ",
            "x, and ",
            "bee bee hive ",
        ),
        *("not but ", "the more, ", "it was the that ", "like a ", "as a as a ", "never is ", "who would? "),
    )
]
QUESTION = Question(id="q", skills=(), topic=Topic("beekeeping", "beekeeping", ("bee", "hive")))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_spans_lie_in_the_text_and_equal_the_quote(text: str) -> None:
    """No text crashes a checker, and each point is backed by words of the text."""
    for verdict in (*rules.check(text).values(), *rules.verdicts(QUESTION, text).values()):
        assert verdict.reason
        assert verdict.met == (verdict.span is not None)
        if verdict.span:
            start, end = verdict.span
            assert 0 <= start < end <= len(text)
            assert text[start:end] == verdict.quote


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_the_same_text_gets_the_same_verdicts(text: str) -> None:
    """Checkers keep no state between texts."""
    before = rules.check(text)
    rules.check("Another text, of course, comes between.")
    assert rules.check(text) == before


@settings(max_examples=150, deadline=None)
@given(ENGLISHLIKE, st.sampled_from([" ", "\n", "  \n", "\t"]))
def test_trailing_space_changes_nothing(text: str, space: str) -> None:
    """White space after a text changes no verdict."""
    assert rules.check(text + space) == rules.check(text)
    assert rules.verdicts(QUESTION, text + space) == rules.verdicts(QUESTION, text)


@settings(max_examples=100, deadline=None)
@given(ENGLISHLIKE)
def test_curly_apostrophes_are_plain_ones(text: str) -> None:
    """A typographic apostrophe inside a word changes no verdict's point."""
    plain = {skill: verdict.met for skill, verdict in rules.check(text.replace("’", "")).items()}
    curly = rules.check(text.replace("’", "").replace("don't", "don’t"))
    assert {skill: verdict.met for skill, verdict in curly.items()} == plain


GOOD = [
    "The keeper of the hive knows that a calm queen is the heart of the colony so she moves with care.",
    "A tired sailor saw the lamp of the old tower and turned his small boat toward the shore.",
    "My grandmother baked a dark loaf every Sunday and gave the first slice to the birds.",
    "When the tide goes out the children look for crabs under the wet stones.",
    "He lost his queen in the opening but won the game with two pawns and a knight.",
    "The astronomer waited all night for a comet that nobody else believed in.",
    "Clay remembers the hand that shaped it even after the fire has made it hard.",
    "We walked along the canal until the lock keeper waved us through the gate.",
    "If you fold the paper with patience it will stand on its own feet.",
    "The young skater fell twice on the ice and laughed at herself both times.",
]


def test_shuffled_sentences_make_no_sense() -> None:
    """Fewer than a tenth of the shuffles of good English pass the proxy for sense, with edges mended."""
    rng = random.Random(7)  # noqa: S311
    passed = []
    for good in GOOD:
        assert rules.verdicts(QUESTION, good)[MAKES_SENSE].met
        words = good.lower().strip(".").split()
        shuffles = (" ".join(rng.sample(words, len(words))).capitalize() + "." for _ in range(100))
        passed.append(sum(rules.verdicts(QUESTION, text)[MAKES_SENSE].met for text in shuffles))
    assert sum(passed) < 100
    assert max(passed) < 30


@pytest.mark.parametrize("text", ODD, ids=lambda text: text[:20])
def test_odd_texts_get_their_verdicts(text: str) -> None:
    """Thousands of connectives, brackets or repeated words end in verdicts, without a hang."""
    assert set(rules.check(text)) == set(rules.CHECKERS)
    assert not rules.verdicts(QUESTION, text)[MAKES_SENSE].met
