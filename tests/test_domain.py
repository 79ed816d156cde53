"""Domains: every fault of a list is one sentence that names the file and the row."""

from __future__ import annotations

from pathlib import Path

import pytest

from skillmix_eval.domain import load_domain, names, read_skills, read_topics, slug
from skillmix_eval.errors import BadInputError

HEADER = "category,name,definition,example\n"
GOOD = HEADER + "literary,metaphor,A likeness.,He is a lion.\n"
SECRETS = ("Zeugma of Doom", "yokes two nouns", "lost his hat", "Antarctic bakeries")


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fault_of_skills(folder: Path, content: str | bytes, categories: tuple[str, ...] = ()) -> str:
    """Return the one-line error that a list of skills causes, less the folder's name."""
    with pytest.raises(BadInputError) as error:
        read_skills(write(folder / "s.csv", content), categories)
    said = str(error.value)
    assert "\n" not in said
    return said.replace(f"{folder}/", "")


@pytest.fixture
def private(tmp_path: Path) -> tuple[Path, Path]:
    """Return files with one secret skill (among public ones) and one secret topic."""
    rows = GOOD + f"literary,{SECRETS[0]},It {SECRETS[1]}.,She {SECRETS[2]}.\n"
    topics = "\n".join([SECRETS[3], *(f"topic {i}" for i in range(19))])
    return write(tmp_path / "mine.csv", rows), write(tmp_path / "mine.txt", topics)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "literary,metaphor,A.,B.\nliterary,Metaphor,C.,D.\n",
            "s.csv line 3: the skill 'Metaphor' stands there",
        ),
        ("literary,metaphor, ,B.\n", "s.csv line 2: the definition is empty"),
        ("literary,,A.,B.\n", "s.csv line 2: the name is empty"),
        (",metaphor,A.,B.\n", "s.csv line 2: the category is empty"),
        ("literary,metaphor,A.,B.,C.\n", "s.csv line 2 has not as many cells as the header"),
        ("literary,metaphor,A.,B.\nliterary,simile\n", "s.csv line 3 has not as many cells"),
        ('literary,"meta"phor,A.,B.\n', "s.csv is not a CSV file that can be read"),
        ("", "s.csv holds no skills"),
    ],
)
def test_fault_in_a_row(tmp_path: Path, rows: str, said: str) -> None:
    """A broken row of a list of skills is named by file and row."""
    assert fault_of_skills(tmp_path, HEADER + rows).startswith(said)


def test_unknown_category(tmp_path: Path) -> None:
    """An unknown category is named with its row and the nearest category that exists."""
    said = fault_of_skills(tmp_path, HEADER + "litrary,metaphor,A.,B.\n", ("literary", "logical"))
    assert "s.csv line 2" in said
    assert "Did you mean 'literary'?" in said


@pytest.mark.parametrize("column", ["category", "name", "definition", "example"])
def test_missing_column(tmp_path: Path, column: str) -> None:
    """A list of skills without a column it needs says which."""
    said = fault_of_skills(tmp_path, HEADER.replace(column, "other") + "a,b,c,d\n")
    assert said.startswith(f"s.csv has no column '{column}")


def test_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding is named, with what is wrong with it."""
    assert fault_of_skills(tmp_path, b"category,\xff\xfe\n") == "s.csv cannot be read: it is not UTF-8 text."


def test_missing_file(tmp_path: Path) -> None:
    """A list that is not there is named."""
    with pytest.raises(BadInputError, match=r"none\.csv cannot be read: No such file"):
        read_skills(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", "Sewing\n\nKnots\nsewing\n", "topic 3 'sewing' stands there twice"),
        ("t.txt", "\n \n", "holds no topics"),
        ("t.csv", "topic,words\n,a b\n", "topic 1 is empty"),
        ("t.csv", "name,words\nSewing,thread\n", "has no column 'topic'"),
    ],
)
def test_fault_in_topics(tmp_path: Path, name: str, content: str, said: str) -> None:
    """A broken list of topics is named with what is wrong."""
    with pytest.raises(BadInputError, match=said):
        read_topics(write(tmp_path / name, content))


def test_topics_with_words(tmp_path: Path) -> None:
    """A CSV of topics gives each topic its word family."""
    (topic,) = read_topics(write(tmp_path / "t.csv", "topic,words\nSewing,thread needle\n"))
    assert (topic.id, topic.words) == ("sewing", ("thread", "needle"))


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark, as spreadsheets write it, is no part of the first column's name."""
    assert read_skills(write(tmp_path / "s.csv", "\ufeff" + GOOD))[0].category == "literary"


def test_public_layout(tmp_path: Path) -> None:
    """The public repository's columns are read, and skills it marks as not released are left out."""
    rows = ["theory of the mind,empathy,A.,B.,,,me"]
    rows += [
        f"literary,skill {i},A.,B.,,{mark},me" for i, mark in enumerate(("remove", "in review", "maybe "))
    ]
    header = "category,skill,definition,example,comments,status,added by"
    (skill,) = read_skills(write(tmp_path / "s.csv", "\n".join([header, *rows])))
    assert (skill.name, skill.category) == ("empathy", "theory of mind")


def test_released_lists(released: Path) -> None:
    """The public repository's own lists load with their ten skills and ten topics."""
    domain = load_domain("language", released / "skills.csv", released / "topics.txt", public=True)
    assert (len(domain.skills), len(domain.topics)) == (10, 10)
    assert "modus ponens" in domain.labels().values()


def test_private_words_are_nowhere(private: tuple[Path, Path]) -> None:
    """Neither ids nor labels of private lists hold a word of a name, a definition or an example."""
    domain = load_domain("language", *private)
    ids = [s.id for s in domain.skills] + [t.id for t in domain.topics]
    shown = " ".join([*ids, *domain.labels(), *domain.labels().values()]).casefold()
    hidden = {word for secret in (*SECRETS, "metaphor") for word in secret.casefold().split()}
    assert [word for word in hidden if len(word) > 3 and word in shown] == []


def test_private_words_on_request(private: tuple[Path, Path]) -> None:
    """Private names are labels when they are asked for, or when the lists are said to be public."""
    for labels in (
        load_domain("language", *private).labels(show_private=True),
        load_domain("language", *private, public=True).labels(),
    ):
        assert {SECRETS[0], SECRETS[3]} <= set(labels.values())


@pytest.mark.parametrize("public", [False, True])
def test_split_of_own_topics(private: tuple[Path, Path], public: bool) -> None:
    """A user's topics fall into two halves, the same whether or not the list is public."""
    domain = load_domain("language", topics=private[1], public=public)
    train, held_out = ({t.name for t in domain.part(s)[1]} for s in ("train", "held-out"))
    assert (len(train), len(held_out), train & held_out) == (9, 11, set())  # near halves, by hash


def test_own_skills_keep_the_split_of_topics(private: tuple[Path, Path]) -> None:
    """With a user's skills alone, the domain's own topics keep the domain's own split."""
    mine, whole = load_domain("language", private[0]), load_domain("language")
    assert mine.part("train")[1] == whole.part("train")[1]


def test_empty_split(private: tuple[Path, Path]) -> None:
    """A split without skills is an error that says what to use instead."""
    with pytest.raises(BadInputError, match=r"holds 0 skills and 11 topics.*use --split all"):
        load_domain("language", *private).part("held-out")


@pytest.mark.parametrize("name", names())
def test_splits_are_disjoint(name: str) -> None:
    """Train and held-out share no category, and no topic where the domain holds topics out."""
    domain = load_domain(name)
    (skills, topics), (other_skills, other_topics) = domain.part("train"), domain.part("held-out")
    assert {s.category for s in skills}.isdisjoint(s.category for s in other_skills)
    assert {*skills, *other_skills} == set(domain.skills)
    assert {*topics, *other_topics} == set(domain.topics)
    assert not domain.about.held_out_topics or set(topics).isdisjoint(other_topics)


def folder_with(folder: Path, about: str) -> str:
    """Write a domain folder and return its path."""
    write(folder / "domain.toml", about)
    write(folder / "skills.csv", GOOD)
    write(folder / "topics.txt", "Sewing\n")
    return str(folder)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("title = ", r"domain\.toml cannot be read"),
        ('title = "T"', "missing required field `grading`"),
        ('title = "T"\ngrading = "magic"', "magic"),
        ('title = "T"\ngrading = "judge"\nskils = 1', "unknown field `skils`"),
        ('title = "T"\ngrading = "judge"\nheld_out_topics = ["Sowing"]', "Did you mean 'Sewing'"),
        ('title = "T"\ngrading = "judge"\nheld_out_categories = ["literal"]', "Did you mean 'literary'"),
        (
            'title = "T"\ngrading = "judge"\n[[exclusions]]\nskills = ["metaphors"]\nwhy = "x"',
            "Did you mean 'metaphor'",
        ),
    ],
)
def test_fault_in_domain_file(tmp_path: Path, about: str, said: str) -> None:
    """A domain.toml that is broken, or speaks of what is not there, is one sentence that names it."""
    with pytest.raises(BadInputError, match=said) as error:
        load_domain(folder_with(tmp_path, about))
    assert "domain.toml" in str(error.value)


def test_domain_folder(tmp_path: Path) -> None:
    """A folder with a domain.toml is a domain."""
    domain = load_domain(folder_with(tmp_path, 'title = "T"\ngrading = "judge"'))
    assert [s.name for s in domain.skills] == ["metaphor"]
    assert not domain.private


def test_unknown_domain() -> None:
    """An unknown domain is named with the nearest one there is."""
    with pytest.raises(BadInputError, match=r"No domain named 'langage'.*Did you mean 'language'"):
        load_domain("langage")


def test_fingerprint_follows_the_lists(tmp_path: Path) -> None:
    """The fingerprint changes with any word of a list, and with nothing else."""
    one = load_domain("language", write(tmp_path / "a.csv", GOOD))
    same = load_domain("language", write(tmp_path / "b.csv", GOOD))
    other = load_domain("language", write(tmp_path / "c.csv", GOOD.replace("lion", "lynx")))
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Devil's advocate", "devils-advocate"), ("a  (b) c", "a-b-c"), ("Zoë", "zoë")],
)
def test_slug(name: str, expected: str) -> None:
    """An id is the name in lower case with hyphens and without apostrophes."""
    assert slug(name) == expected


def test_slug_of_signs() -> None:
    """A name without letters still gets an id of its own."""
    assert slug("???") != slug("!!!")
