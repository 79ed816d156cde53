"""Figures -> the tables people read, and their Markdown. Pure; the terminal shows the same tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..figures import (
    METRICS,
    POINTS,
    Ability,
    Agreement,
    Assumed,
    Beyond,
    Calibrated,
    Composition,
    Figure,
    Figures,
    GroupRow,
    KRow,
)
from ..records import Record
from ..stats import Estimate


class Table(Record, frozen=True, gc=False):
    """A titled table of text; `brief` ones are shown in the terminal too."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    brief: bool = True


def tables(figures: Figures, population: str = "list") -> list[Table]:
    """Return all tables of a report, most important first; empty ones are left out.

    `population` is "list" or "skills": whether the interval for new skills is shown in brief too.
    """
    with_naming = any(row.named for row in figures.by_k)
    found = [
        _metrics("Scores by number of skills k", figures.by_k, lambda r: r.metrics),
        _metrics(
            "The same without the deduction for naming a skill",
            figures.by_k if with_naming else (),
            lambda r: r.metrics_naming_allowed,
        ),
        _populations(figures.by_k, brief=population == "skills"),
        _points(figures.by_k),
        _texts(figures.by_k),
        _groups("Where points are lost", "Rubric item", figures.by_item),
        _groups("Held-out and train categories", "Skills of", figures.by_part),
        _groups("Categories, weakest first", "Category", figures.by_category),
        _groups("Weakest skills", "Skill", figures.by_skill[:5]),
        _groups("All skills, weakest first", "Skill", figures.by_skill, brief=False),
        _groups("Topics, lowest first", "Topic", figures.by_topic, "Full marks", brief=False),
        _abilities("Skill profile, weakest first", "Skill", figures.profile.skills),
        _abilities("Category profile, weakest first", "Category", figures.profile.categories),
        _composition(figures.profile.composition),
        _beyond(figures.beyond),
        _assumed(figures.assumed),
        _agreement(figures.agreement),
        _anchors(figures),
        *(calibrated_tables(figures.calibrated) if figures.calibrated else ()),
    ]
    return [table for table in found if table.rows]


def sentences(figures: Figures, reduce: str) -> list[str]:
    """Return what has to be said about the figures in words."""
    said = [*figures.reasons]
    if figures.second_calls:
        said.append(
            f"{figures.second_calls:,} gradings took a second call, since the first reply was no verdict."
        )
    said += [*(measured(figures.calibrated) if figures.calibrated else ())]
    point = figures.saturation
    if point:
        sure = "the whole interval is below" if point.certain else "though its interval reaches above"
        said.append(
            f"Saturation point: k = {point.k}, the first with full marks under 0.05 "
            f"({interval(point.full_marks)}, n = {point.full_marks.n}; {sure} 0.05)."
        )
    elif any(row.coverage >= 0.5 for row in figures.by_k):
        said.append(f"Saturation point: not reached up to k = {figures.by_k[-1].k}.")
    next_k = figures.profile.prediction
    if next_k:
        said.append(
            f"Foreseen at k = {next_k.k}: {next_k.value:.2f} [{next_k.low:.2f}, {next_k.high:.2f}] full "
            f"marks (conjunctive model of the single points, n = {next_k.questions:,} questions; the "
            "interval is given the model)."
        )
    said += [row.sentence for row in figures.beyond if row.sentence]
    if reduce == "max" and any(row.texts > row.questions for row in figures.by_k):
        said.append("Metrics are the best of several texts per question, as published: not for comparing.")
    for role, usage in figures.usage.items():
        if usage.input or usage.output:
            said.append(f"Tokens of the {role}: {usage.input:,} in, {usage.output:,} out.")
    return said


def markdown(title: str, header: Sequence[str], figures: Figures, reduce: str) -> str:
    """Return the report as Markdown."""
    return markdown_of(title, header, tables(figures), sentences(figures, reduce))


def markdown_of(title: str, header: Sequence[str], shown: Sequence[Table], said: Sequence[str]) -> str:
    """Return any tables as Markdown, with a title, lines above them and sentences below."""
    lines = [f"# {_cell(title)}", "", *(f"- {_cell(line)}" for line in header), ""]
    for table in shown:
        lines += markdown_table(table)
    return "\n".join([*lines, *(f"{_line(s)}\n" for s in said)])


def markdown_table(table: Table, header: Sequence[str] = ()) -> list[str]:
    """Return a table's lines of Markdown, with its heading and lines of header above and its note below."""
    lines = [
        f"## {_cell(table.title)}",
        "",
        *(f"- {_cell(line)}" for line in header),
        *([""] if header else []),
    ]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in (table.columns,)]
    lines += ["|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in table.rows]
    return [*lines, "", *([table.note, ""] if table.note else [])]


def interval(estimate: Estimate) -> str:
    """Return '0.40 [0.12, 0.77]': a value and its 95 % interval."""
    if estimate.value is None:
        return "no data"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f} (too few for an interval)"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _metrics(title: str, rows: Sequence[KRow], metrics: Callable[[KRow], dict[str, Figure]]) -> Table:
    cells = []
    for row in rows:
        found = metrics(row)
        n = f"{found['full_marks'].estimate.n}" + (
            f" of {row.questions}" if found["full_marks"].estimate.n < row.questions else ""
        )
        cells.append((str(row.k), n, *(_figure(found[m]) for m in METRICS), f"{row.coverage:.0%}"))
    note = "Mean ± standard error and 95 % interval; n is questions, coverage the share of texts scored."
    if any(row.coverage < 1 for row in rows):
        note += " In parentheses: what the mean would be if all unscored texts were 0, and if all were 1."
    return Table(title, ("k", "n", *METRICS.values(), "Coverage"), tuple(cells), note)


def _populations(rows: Sequence[KRow], brief: bool) -> Table:
    cells = []
    for row in rows:
        for metric, label in METRICS.items():
            found = row.metrics[metric]
            new = found.new_skills or found.estimate
            cells.append((str(row.k), label, str(new.n), interval(found.estimate), interval(new)))
    note = (
        "The first interval is for new questions on this list of skills; the second for other skills of the "
        "same kind, of which this list is a sample: questions that share a skill are alike."
    )
    columns = ("k", "Metric", "n", "This list", "New skills")
    return Table("Intervals by population", columns, tuple(cells), note, brief)


def _points(rows: Sequence[KRow]) -> Table:
    cells = tuple(
        (str(row.k), str(row.points["points"].estimate.n), *(_figure(row.points[p]) for p in POINTS))
        for row in rows
    )
    note = (
        "Sums per text, for differences that full marks hide. Rescaled: the share of all k + 3 points, to "
        "the power k + 3."
    )
    return Table("Points", ("k", "n", *POINTS.values()), cells, note)


def _figure(figure: Figure) -> str:
    found = figure.estimate
    if found.value is None:
        return "no data"
    se = "" if found.se is None else f" ± {found.se:.3f}"
    shown = f"{found.value:.2f}{se} [{found.low:.2f}, {found.high:.2f}]"
    if figure.lowest != figure.highest:
        shown += f" ({figure.lowest:.2f} to {figure.highest:.2f})"
    return shown


def _texts(rows: Sequence[KRow]) -> Table:
    statuses = [s for s in (rows[0].statuses if rows else {}) if any(r.statuses[s] for r in rows)]
    gradings = [
        s for s in (rows[0].gradings if rows else {}) if s != "ok" and any(r.gradings[s] for r in rows)
    ]
    columns = ["k", "Texts", *statuses, *(f"gradings {g}" for g in gradings)]
    columns += ["Words", "Sentences", "Name a skill"]
    cells = []
    for row in rows:
        counts = [str(row.statuses[s]) for s in statuses] + [str(row.gradings[g]) for g in gradings]
        means = ["–" if m is None else f"{m:.1f}" for m in (row.mean_words, row.mean_sentences)]
        cells.append((str(row.k), str(row.texts), *counts, *means, str(row.named)))
    ties = sum(row.ties for row in rows)
    note = f"{ties} rubric items had tied votes; a tie earns no point." if ties else ""
    return Table("Texts", tuple(columns), tuple(cells), note)


def _groups(
    title: str, what: str, rows: Sequence[GroupRow], value: str = "Points earned", brief: bool = True
) -> Table:
    cells = tuple((row.label, str(row.estimate.n), interval(row.estimate)) for row in rows)
    return Table(title, (what, "n", value), cells, brief=brief)


def _abilities(title: str, what: str, rows: Sequence[Ability]) -> Table:
    cells = tuple(
        (
            row.label,
            str(row.questions),
            f"{row.missing} of {row.asked}",
            f"{row.missing / row.asked:.2f}",
            f"{row.value:.2f} [{row.low:.2f}, {row.high:.2f}]",
            f"{row.weakest:.0%}",
        )
        for row in rows
    )
    note = (
        "Ability is the rate of points shrunk towards the mean (empirical Bayes), with its 95 % interval; "
        "missing counts texts; the last column is the chance of being in the weakest tenth."
    )
    columns = (what, "n", "Missing", "Missing rate", "Ability", "Weakest tenth")
    return Table(title, columns, cells, note, brief=False)


def _composition(rows: Sequence[Composition]) -> Table:
    cells = tuple(
        (
            str(row.k),
            str(row.observed.n),
            interval(row.observed),
            f"{row.product:.2f}",
            f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}]",
        )
        for row in rows
    )
    note = ""
    if rows:
        note = (
            f"Product: the rates of each question's skills as measured at k = {rows[0].base_k}, multiplied. "
            "A ratio below 1 is what combining costs."
        )
        if rows[0].k == rows[0].base_k:
            note += " With one k only, the ratio says no more than whether a text's points come together."
    columns = ("k", "n", "Full marks", "Product of skill rates", "Ratio")
    return Table("Composition gap", columns, cells, note)


def _beyond(rows: Sequence[Beyond]) -> Table:
    cells = tuple(
        (
            row.assumptions,
            str(row.k),
            str(row.full_marks.n),
            interval(row.full_marks),
            f"{row.bound:.2g}",
            "–" if row.novel is None else f"{row.novel:.0%}",
            "–" if row.novel_low is None else f"{row.novel_low:.0%}",
            f"{row.p_holm:.2g}",
        )
        for row in rows
    )
    note = (
        "Bound: the most full marks that copying could give, (skill frequency)^k x topic frequency x corpus "
        "texts, under the assumptions named. p: exact binomial, Holm over all rows."
    )
    columns = ("Assumptions", "k", "n", "Full marks", "Bound", "New, at least", "at the low end", "p")
    return Table("Beyond imitation", columns, cells, note)


def _assumed(rows: Sequence[Assumed]) -> Table:
    cells = tuple(
        (
            row.name,
            f"{row.corpus_texts:.2g}",
            f"{row.topic_frequency:.2g}",
            f"{row.skill_frequency:.2g}",
            str(row.own_frequencies),
        )
        for row in rows
    )
    why = " ".join(f"{_line(row.name).capitalize()}: {_line(row.why)}" for row in rows)
    note = f"None of this is measured; own: skills and topics with a frequency of their own. {why}"
    columns = ("Assumptions", "Corpus texts", "Topic frequency", "Skill frequency", "Own")
    return Table("What is assumed of the corpus", columns, cells, note)


def _agreement(rows: Sequence[Agreement]) -> Table:
    cells = tuple(
        (
            row.who,
            str(row.same.n),
            f"{row.votes:.1f}",
            *(interval(measure) for measure in (row.same, row.alpha, row.ac1)),
            "–" if row.effective is None else f"{row.effective:.1f}",
        )
        for row in rows
    )
    note = (
        "Same: share of pairs of votes that are equal; Krippendorff's alpha and Gwet's AC1 correct it for "
        "chance, AC1 also where nearly all votes are yes. Intervals over questions (n). Worth: independent "
        "votes at least, if all agreement beyond chance is dependence."
    )
    return Table("Agreement of votes", ("Whose", "n", "Votes", "Same", "Alpha", "AC1", "Worth"), cells, note)


def _anchors(figures: Figures) -> Table:
    found = figures.anchors
    rows = [
        ("Known to be good", "denied full marks", found.good if found else None),
        ("Known to be bad", "given full marks", found.bad if found else None),
        ("Bad, with an attack", "given full marks", found.attacked if found else None),
        ("Decoys", "found, though absent", figures.decoys),
    ]
    cells = tuple((what, how, str(e.n), interval(e)) for what, how, e in rows if e)
    note = "Texts whose grade is known, and a skill per call that is not there; Clopper-Pearson intervals."
    if found:
        tokens = found.usage.input + found.usage.output
        note += (
            f" The {len(found.marks)} anchors took {found.calls:,} judge calls and {tokens:,} tokens and are "
            f"in no other figure; {found.unscored} of them could not be graded. --anchors 0 leaves them out."
        )
    return Table("Can the judge be trusted?", ("What", "How often", "n", "Share"), cells, note)


def calibrated_tables(found: Calibrated) -> list[Table]:
    """Return how the judge errs, and the figures without its errors."""
    errors = tuple(
        (row.what, *(f"{interval(e)} ({e.n})" for e in (row.sensitivity, row.specificity)), interval(row.ac1))
        for row in found.errors
    )
    corrected = tuple(
        (
            METRICS[row.metric],
            "all" if row.k is None else str(row.k),
            str(row.corrected.n),
            interval(row.raw),
            interval(row.corrected),
            interval(row.rogan_gladen) if row.rogan_gladen else "–",
        )
        for row in found.corrected
    )
    columns = ("Verdict", "Sensitivity (n)", "Specificity (n)", "AC1")
    note = "Sensitivity: share of what is there that the judge finds; specificity: of what is not there, not."
    how = (
        "Raw: by the judge. Corrected: prediction-powered inference (PPI++), right whatever the judge's "
        "errors are. Rogan-Gladen: inverted error rates. Mean over texts; n counts labelled texts."
    )
    headed = ("Metric", "k", "n", "Raw", "Corrected", "Rogan-Gladen")
    return [
        Table("The judge against the truth", columns, errors, note),
        Table("Figures corrected for the judge's errors", headed, corrected, how),
    ]


def measured(found: Calibrated) -> list[str]:
    """Return what has to be said about a calibration in words."""
    if found.stale:
        why = "The labels in calibration.json are of other texts or for another judge and correct nothing"
        return [f"{why}; run `skillmix calibrate` again."]
    said = [f"Truth: {found.source}, for {found.labelled:,} of {found.texts:,} graded texts."]
    if found.votes_worth is not None:
        said.append(
            f"By how their errors go together, the votes on an item are worth {found.votes_worth:.1f} "
            "independent ones."
        )
    return said


def _line(text: str) -> str:
    """Make a sentence harmless in Markdown; it may have code in it, such as a command to run."""
    return _cell(text).replace("\\`", "`")


def _cell(text: str) -> str:
    """Make a text harmless in a Markdown table or heading: one line, no markup of its own."""
    flat = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return "".join(f"\\{c}" if c in "\\|`*_<>#" else c for c in flat).replace("](", "]\\(")
