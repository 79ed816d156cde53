"""Reads a domain: a folder of data (domain.toml, skills.csv, topics) or a user's own lists.

Every fault is one sentence that names the file and the row. Nothing here samples, prompts or grades.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from .errors import BadInputError, unknown
from .records import Skill, Topic

BUILT_IN = Path(__file__).parent / "domains"
_NOT_RELEASED = {"remove", "in review", "maybe"}  # the public repository's marks for skills to leave out
_ALIASES = {"theory of the mind": "theory of mind"}


class Exclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Skills that are never sampled together, and why."""

    skills: tuple[str, ...]
    why: str


class DomainFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of a domain.toml."""

    title: str
    grading: Literal["judge", "rules"]
    rules: int | None = None  # version of the checkers in code; runs of different versions are never compared
    protocol: str = "standard"
    categories: tuple[str, ...] = ()
    held_out_categories: tuple[str, ...] = ()
    held_out_topics: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()


class Domain(msgspec.Struct, frozen=True):
    """Skills, topics, their splits, and how texts are graded."""

    name: str
    about: DomainFile
    skills: tuple[Skill, ...]
    topics: tuple[Topic, ...]
    folder: Path
    private: bool = False  # a user's own lists: their words are kept out of everything that is written

    @property
    def fingerprint(self) -> str:
        """Hash of all skills and topics: two runs are comparable only on the same lists."""
        return _hash(msgspec.json.encode((self.skills, self.topics)))

    def held_out(self, skill: Skill) -> bool:
        """Tell whether a skill belongs to the held-out categories (skill composition from examples)."""
        return skill.category in self.about.held_out_categories

    def part(self, split: str) -> tuple[tuple[Skill, ...], tuple[Topic, ...]]:
        """Return the skills and topics of a split: train, held-out (categories and topics both), or all.

        A domain that holds no topics out shares them among its splits.
        """
        if split == "all":
            return self.skills, self.topics
        want = split == "held-out"
        skills = tuple(s for s in self.skills if self.held_out(s) == want)
        held_out = self.about.held_out_topics
        topics = tuple(t for t in self.topics if not held_out or (t.name in held_out) == want)
        if not skills or not topics:
            raise BadInputError(
                f"The split '{split}' of these lists holds {len(skills)} skills and {len(topics)} topics, so "
                "there is nothing to ask; use --split all, or name other categories in domain.toml."
            )
        return skills, topics

    @property
    def conflicts(self) -> dict[str, set[str]]:
        """For each skill id, the ids it is never sampled with."""
        pairs: dict[str, set[str]] = {}
        for exclusion in self.about.exclusions:
            for one in exclusion.skills:
                pairs.setdefault(one, set()).update(set(exclusion.skills) - {one})
        return pairs

    def labels(self, show_private: bool = False) -> dict[str, str]:
        """Names to print for skill and topic ids; of private lists only the ids, unless asked."""
        hidden = self.private and not show_private
        pairs = [(s.id, s.name) for s in self.skills] + [(t.id, t.name) for t in self.topics]
        return {identity: identity if hidden else name for identity, name in pairs}


def names() -> list[str]:
    """Return the names of the built-in domains."""
    return sorted(p.parent.name for p in BUILT_IN.glob("*/domain.toml"))


def load_domain(
    name: str, skills: Path | None = None, topics: Path | None = None, public: bool = False
) -> Domain:
    """Read a built-in domain by name or a domain folder by path, with the user's own lists in place of its.

    Raises BadInputError with the file, the row and what to do. `public` marks the user's lists as not secret.
    """
    folder = BUILT_IN / name if (BUILT_IN / name / "domain.toml").is_file() else Path(name)
    if not (folder / "domain.toml").is_file():
        raise unknown("domain", name, names())
    about = _read_about(folder / "domain.toml")
    private = bool(skills or topics) and not public
    found_skills = read_skills(skills or folder / "skills.csv", about.categories, private and bool(skills))
    found_topics = read_topics(topics or _topics_file(folder), private and bool(topics))
    if skills:  # exclusions speak of the domain's own skills
        about = msgspec.structs.replace(about, exclusions=())
    if topics:  # a user's topics have no split of their own: they fall into halves by their hash
        held_out = tuple(t.name for t in found_topics if int(_hash(t.name.casefold().encode()), 16) % 2)
        about = msgspec.structs.replace(about, held_out_topics=held_out)
    domain = Domain(name, about, found_skills, found_topics, folder, private)
    if not skills:
        _check_references(domain, folder / "domain.toml")
    return domain


def read_skills(path: Path, categories: tuple[str, ...] = (), opaque_ids: bool = False) -> tuple[Skill, ...]:
    """Read a list of skills: columns category, name (or skill, as the public repository has it), definition,
    example, and optionally id and status.
    """
    rows = _rows(path)
    columns = next(iter(rows.values()), {}).keys()
    name_column = "name" if "name" in columns else "skill"
    for column in ("category", name_column, "definition", "example"):
        if rows and column not in columns:
            raise BadInputError(
                f"{path} has no column '{'name (or skill)' if column == name_column else column}'; "
                "a list of skills needs category, name, definition and example."
            )
    found: dict[str, Skill] = {}
    for number, row in rows.items():
        if (row.get("status") or "").strip().casefold() in _NOT_RELEASED:
            continue
        skill = _skill(path, number, row, name_column, categories, opaque_ids)
        if skill.id in found:
            raise BadInputError(
                f"{path} line {number}: the skill '{row[name_column]}' stands there twice (id {skill.id}); "
                "remove one or give it another id."
            )
        found[skill.id] = skill
    if not found:
        raise BadInputError(f"{path} holds no skills; it needs a header line and one skill a row.")
    return tuple(found.values())


def _skill(
    path: Path, number: int, row: dict[str, str], name_column: str, categories: tuple[str, ...], opaque: bool
) -> Skill:
    cells = {c: (row.get(c) or "").strip() for c in ("id", "category", name_column, "definition", "example")}
    for column in ("category", name_column, "definition"):
        if not cells[column]:
            raise BadInputError(f"{path} line {number}: the {column} is empty; write one or remove the row.")
    category = _ALIASES.get(cells["category"].casefold(), cells["category"].casefold())
    if categories and category not in categories:
        raise BadInputError(f"{path} line {number}: {unknown('category', cells['category'], categories)}")
    name = cells[name_column]
    identity = _opaque("skill", name) if opaque else (cells["id"] or slug(name))
    return Skill(identity, name, category, cells["definition"], cells["example"])


def read_topics(path: Path, opaque_ids: bool = False) -> tuple[Topic, ...]:
    """Read topics: a text file with one a line, or a CSV file with the columns topic and words."""
    if path.suffix == ".csv":
        rows = _rows(path)
        if rows and "topic" not in next(iter(rows.values())):
            raise BadInputError(
                f"{path} has no column 'topic'; a list of topics needs topic and may have words."
            )
        pairs = [(row["topic"], row.get("words") or "") for row in rows.values()]
    else:
        pairs = [(line, "") for line in _read(path).splitlines() if line.strip()]
    found: dict[str, Topic] = {}
    for number, (name, words) in enumerate(pairs, start=1):
        name = name.strip()
        topic = Topic(_opaque("topic", name) if opaque_ids else slug(name), name, tuple(words.split()))
        if not name or topic.id in found:
            fault = "is empty" if not name else f"'{name}' stands there twice"
            raise BadInputError(f"{path}: topic {number} {fault}; remove it.")
        found[topic.id] = topic
    if not found:
        raise BadInputError(f"{path} holds no topics; write one a line.")
    return tuple(found.values())


def slug(name: str) -> str:
    """Return the id of a name: lower case, words joined by hyphens."""
    return re.sub(r"[^\w]+", "-", re.sub("['’]", "", name.casefold())).strip("-") or _opaque("item", name)


def _opaque(kind: str, name: str) -> str:
    return f"{kind}-{_hash(name.casefold().encode())[:8]}"


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _topics_file(folder: Path) -> Path:
    return folder / "topics.csv" if (folder / "topics.csv").is_file() else folder / "topics.txt"


def _read_about(path: Path) -> DomainFile:
    try:
        return msgspec.convert(tomllib.loads(_read(path)), DomainFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.") from None


def _check_references(domain: Domain, path: Path) -> None:
    skills, topics = {s.id for s in domain.skills}, {t.name for t in domain.topics}
    categories = {s.category for s in domain.skills}
    wanted = [
        ("skill", skills, [i for e in domain.about.exclusions for i in e.skills]),
        ("category", categories, domain.about.held_out_categories),
        ("topic", topics, domain.about.held_out_topics),
    ]
    for what, there, given in wanted:
        for name in given:
            if name not in there:
                raise BadInputError(f"{path}: {unknown(what, name, there)}")


def _rows(path: Path) -> dict[int, dict[str, Any]]:
    """Return the rows of a CSV file by the line on which each ends."""
    reader = csv.DictReader(io.StringIO(_read(path)), strict=True)
    try:
        rows = dict((reader.line_num, row) for row in reader)  # noqa: C402  the number changes with the row
    except csv.Error as error:
        raise BadInputError(f"{path} is not a CSV file that can be read: {error}.") from None
    for number, row in rows.items():
        if None in row or any(v is None for v in row.values()):
            raise BadInputError(
                f"{path} line {number} has not as many cells as the header; quote cells that hold commas."
            )
    return rows


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInputError(f"{path} cannot be read: {why}.") from None
