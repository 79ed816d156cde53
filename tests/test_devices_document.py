"""How the domain `devices` cuts texts, folds words and hears them."""

import pytest

from skillmix_eval.domains.devices.checkers.document import Document, Span
from skillmix_eval.domains.devices.checkers.lexicon import stem
from skillmix_eval.domains.devices.checkers.pronunciation import known, onsets, rhymes


def cut(doc: Document, spans: list[Span]) -> list[str]:
    """Return the words of each span as one string."""
    return [" ".join(doc.words[slice(*span)]) for span in spans]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One, two; three: four.", ["one", "two", "three", "four"]),
        ("One—two – three -- four - five", ["one", "two", "three", "four", "five"]),
        ("It’s well-known, isn't it?", ["it's well-known", "isn't it"]),
        ("It cost 3.50 or 1,000 coins.", ["it cost 3.50 or 1,000 coins"]),
        ("Dr. Ito left at 3 p.m. sharp.", ["dr ito left at 3 p m sharp"]),
        ("“Go,” she said (twice).", ["go", "she said", "twice"]),
        ("One,two", ["one", "two"]),
        ("A line\nof verse", ["a line", "of verse"]),
        ("Wait… what?! Yes", ["wait", "what", "yes"]),
        ("", []),
    ],
)
def test_parts_end_at_commas_and_stronger_marks(text: str, parts: list[str]) -> None:
    """A part ends at a comma or stronger mark, not inside a word, figure or abbreviation."""
    doc = Document(text)
    assert cut(doc, doc.parts) == parts


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("One, two; three.", ["one two", "three"]),
        ("“Who goes?” he asked. Nobody.", ["who goes", "he asked", "nobody"]),
        ("“We left. We ran,” he said.", ["we left", "we ran he said"]),
        ("Dr. Ito left.", ["dr ito left"]),
    ],
)
def test_sections_end_at_semicolons_and_sentences(text: str, sections: list[str]) -> None:
    """A section ends at a semicolon and where a sentence ends, a quoted one's too."""
    doc = Document(text)
    assert cut(doc, doc.sections) == sections


def test_letters_of_all_scripts_make_words() -> None:
    """Accents, composed or not, and full-width letters stay inside their words."""
    assert Document("Cafe\u0301 ÉCOLE ｆｕｌｌ straße").words == ["café", "école", "full", "strasse"]


@pytest.mark.parametrize(
    "forms",
    [
        "rise rises rising rose risen",
        "stop stops stopped stopping",
        "hive hives hive's",
        "bakery bakeries",
        "catch catches caught catching",
        "leaf leaves",
        "fold folds folded folding",
        "box boxes",
        "freeze froze frozen freezing",
    ],
)
def test_forms_of_one_word_share_a_stem(forms: str) -> None:
    """Number, tense and possessive are folded, regular or not."""
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize("pair", ["glass glas", "spring spr", "bus bu", "bed b", "this thi"])
def test_stems_keep_what_is_no_ending(pair: str) -> None:
    """Letters that only look like an ending stay."""
    word, cropped = pair.split()
    assert stem(word) != cropped


@pytest.mark.parametrize(
    "pair", ["light night", "sheet feet", "said red", "way day", "glazes mazes", "rough stuff"]
)
def test_words_rhyme_by_sound(pair: str) -> None:
    """Words rhyme by sound, however they are spelled."""
    assert rhymes(*pair.split())


@pytest.mark.parametrize(
    "pair",
    [
        "rough through",
        "light light",
        "asleep sleep",
        "night knight",
        "move love",
        "honey bee",
        "glaze glazes",
    ],
)
def test_spelling_alone_makes_no_rhyme(pair: str) -> None:
    """Words that look alike, or sound the same, do not rhyme."""
    assert not rhymes(*pair.split())


def test_unknown_words_fall_back_on_spelling() -> None:
    """A word that the dictionary lacks begins and rhymes as it is written."""
    assert not known("phlorvation")
    assert onsets("phlorvation") == {"F"}
    assert rhymes("glorft", "vlorft")
    assert onsets("well-known") == {"W"}


@pytest.mark.parametrize(("word", "sound"), [("knight", "N"), ("phone", "F"), ("city", "S"), ("keeper", "K")])
def test_words_begin_as_they_sound(word: str, sound: str) -> None:
    """Silent and shared letters do not count, the first consonant sound does."""
    assert onsets(word) == {sound}


@pytest.mark.parametrize("word", ["honest", "hour", "apple"])
def test_words_that_begin_with_a_vowel_have_no_consonant_onset(word: str) -> None:
    """A word that begins with a vowel sound alliterates with nothing."""
    assert not onsets(word)
