"""What code can tell about a text: sentences, a skill that is named, an echo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_eval.texts import count_sentences, echoed, named, sentences, storable, words

PROMPT = "Write one short text about sewing that shows all of these skills as naturally as you possibly can."


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("", 1),
        ("One. Two.", 2),
        ("One.\n\nTwo.", 1),
        ("One.  Two.", 1),
        ("One. two. 3 is more.", 1),
        ("“One.” “Two.”", 1),
        ("\"One.\" 'Two!'", 2),
        ("One (or so.) Two.", 1),
        ("J. R. R. Tolkien sews.", 4),
        ("e.g. The U.S. Army", 3),
        ("Mr. Hem, Mrs. Hem, Ms. Hem, Dr. Hem and Prof. Hem.", 1),
        ("She lives on Elm Dr. She sews.", 1),
        ("Mr.  Hem", 2),
    ],
)
def test_reference_counter(text: str, n: int) -> None:
    """The reference counter counts as the public repository does, with all its quirks."""
    assert count_sentences(text, "reference") == n


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("", 0),
        (" \n", 0),
        ("...", 0),
        ("One", 1),
        ("One. Two.", 2),
        ("One.\n\nTwo.", 2),
        ("One.  Two!", 2),
        ("“One.” “Two.”", 2),
        ("Mr. Hem met Dr. Seam in the U.S. today.", 1),
        ("It cost 3.50 dollars, i.e. too much.", 1),
        ("Is it? It is! Well…", 3),
    ],
)
def test_sentences(text: str, n: int) -> None:
    """The kept splitter counts what people call sentences, and nothing in a text without words."""
    assert count_sentences(text) == n


@given(st.text(max_size=80))
def test_sentences_of_anything(text: str) -> None:
    """Any text splits into sentences that stand in it, each with a letter or digit."""
    found = sentences(text)
    assert all(any(c.isalnum() for c in s) for s in found)
    assert len(found) == count_sentences(text)
    assert bool(found) == any(c.isalnum() for c in text)


def test_words() -> None:
    """Words are compared without case, typographic apostrophes or width of letters."""
    assert words("Don’t STOP, ｆｕｌｌ-width_x 42!") == ("don't", "stop", "full", "width", "x", "42")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metaphor", "What a METAPHOR!"),
        ("metaphor", "Two metaphors, no more."),
        ("metaphor", "The metaphor's end"),
        ("metaphor", "_metaphor_, **metaphor**"),
        ("red herring", "a red-herring"),
        ("red herring", "Red\nHerrings"),
        ("self serving bias", "a self-serving bias"),
        ("self-serving bias", "self serving biases"),
        ("folk physics (common knowledge physics)", "it is folk physics"),
        ("parody", "parodies"),
        ("synthesis", "syntheses"),
        ("devil's advocate", "the devil’s advocate"),
        ("accident (fallacy", "an accident"),
        ("metaphor", "a meta\u200bphor, a met\u00adaphor"),
    ],
)
def test_named(name: str, text: str) -> None:
    """A skill is named in any case, hyphenation or number, without what its name has in parentheses."""
    assert named(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metaphor", "a metaphorical hem"),
        ("accident (fallacy)", "a fallacy, accidentally"),
        ("red herring", "a red coat and a herring"),
        ("red herring", "herring red"),
        ("simile", "a facsimile, a smile"),
        ("(all of it)", "all of it"),
        ("metaphor", ""),
    ],
)
def test_not_named(name: str, text: str) -> None:
    """Words that only hold a skill's name, or hold its words apart, do not name it."""
    assert not named(name, text)


@given(st.from_regex(r"[a-z]{2,8}( [a-z]{2,8}){0,2}", fullmatch=True), st.text(max_size=20))
def test_a_name_between_other_words_is_found(name: str, around: str) -> None:
    """A name is found wherever it stands as words of its own."""
    assert named(name, f"{around} {name.upper()} {around}")


def test_echo() -> None:
    """A text is an echo when half of its words stand in runs of eight from the prompt."""
    copied = " ".join(words(PROMPT)[:10])
    own = "quiet needles hum under patient winter lamps while thread"
    assert echoed(PROMPT.upper(), PROMPT)
    assert echoed(f"{copied} {own}", PROMPT)
    assert not echoed(f"{copied} {own} {own}", PROMPT)
    assert not echoed(own, PROMPT)


@pytest.mark.parametrize("text", ["", "sewing", "one short text about sewing", "..."])
def test_no_echo(text: str) -> None:
    """Fewer than eight words in a row are anyone's."""
    assert not echoed(text, PROMPT)


def test_half_a_character_is_dropped() -> None:
    """Lone surrogates, which no file can hold, are dropped, and sentences are counted without them."""
    assert storable("A \ud800bee. \udcffB") == "A bee. B"
    assert count_sentences("\ud800 One. \udfff Two.") == 2
