"""What a report is made of: every figure with its n, interval and coverage. Records only."""

from __future__ import annotations

from .records import MAKES_SENSE, ON_TOPIC, SENTENCE_LIMIT, Record, Usage
from .stats import Estimate

METRICS = {
    "full_marks": "Full marks",
    "all_skills": "All skills",
    "skill_fraction": "Skill fraction",
}
POINTS = {
    "points": "Points of k + 3",
    "skill_points": "Skill points of k",
    "rescaled_points": "Rescaled points",
}
ITEMS = {ON_TOPIC: "On topic", MAKES_SENSE: "Makes sense", SENTENCE_LIMIT: "Sentence limit"}
SATURATED = 0.05  # the public leaderboard runs no larger k once full marks fall below this


class Figure(Record, frozen=True, gc=False):
    """An estimate over the scored questions, and the range it could take if the unscored texts were known."""

    estimate: Estimate
    lowest: float | None  # every unscored text counted as 0
    highest: float | None  # every unscored text counted as 1
    new_skills: Estimate | None = None  # the same mean, with the interval for skills not on this list


class KRow(Record, frozen=True, gc=False):
    """All figures of one k. Metrics are after the deduction for naming a skill; also without it."""

    k: int
    questions: int
    texts: int
    scored_texts: int
    metrics: dict[str, Figure]
    metrics_naming_allowed: dict[str, Figure]
    points: dict[str, Figure]  # POINTS: sums, in points; and the share of all points to the power k + 3
    statuses: dict[str, int]  # texts by status
    gradings: dict[str, int]  # gradings by status
    ties: int  # rubric items whose votes tied
    named: int  # scored texts that name one of their skills
    mean_words: float | None  # of texts that are texts
    mean_sentences: float | None

    @property
    def coverage(self) -> float:
        """Share of texts that have a score."""
        return self.scored_texts / self.texts if self.texts else 0.0


class GroupRow(Record, frozen=True, gc=False):
    """The share of points earned in one group: a skill, a category, a topic, a rubric item."""

    id: str
    label: str
    estimate: Estimate


class Saturation(Record, frozen=True, gc=False):
    """The smallest k whose full marks are below 0.05, and whether the whole interval is."""

    k: int
    full_marks: Estimate
    certain: bool


class Ability(Record, frozen=True, gc=False):
    """How often a skill (or a category's skills) is shown where it is asked for, shrunk towards the mean.

    `asked` and `missing` count texts (for a category, a text's skills); value and 95 % interval are of the
    posterior; `weakest` is the chance of being among the weakest tenth, at least one.
    """

    id: str
    label: str
    questions: int
    asked: int
    missing: int
    value: float
    low: float
    high: float
    weakest: float


class Composition(Record, frozen=True, gc=False):
    """Full marks at one k against what skills would give if combining them cost nothing.

    `product` multiplies each question's skill rates, and the rate of the other three points, as measured at
    `base_k`. `ratio` is observed over product: below 1 is a composition gap.
    """

    k: int
    base_k: int
    observed: Estimate
    product: float
    ratio: float
    low: float
    high: float


class Prediction(Record, frozen=True, gc=False):
    """Full marks that the conjunctive model foresees at the next k, with a 95 % interval given the model."""

    k: int
    value: float
    low: float
    high: float
    questions: int  # of all k that it rests on
    slope: float  # change of a point's log-odds when k grows by one
    together: float  # standard deviation of what the points of one text have in common, in log-odds


class Profile(Record, frozen=True, gc=False):
    """What a student can and cannot do: what training methods read. Weakest first."""

    skills: tuple[Ability, ...] = ()
    categories: tuple[Ability, ...] = ()
    composition: tuple[Composition, ...] = ()
    prediction: Prediction | None = None


class Assumed(Record, frozen=True, gc=False):
    """What is assumed of a training corpus, and why."""

    name: str
    corpus_texts: float
    topic_frequency: float
    skill_frequency: float
    own_frequencies: int  # skills and topics with a frequency of their own
    why: str


class Beyond(Record, frozen=True, gc=False):
    """Full marks at one k against the most that copying from a training corpus could give."""

    k: int
    assumptions: str
    bound: float
    full_marks: Estimate
    novel: float | None  # least share of the full marks that no copy explains, at the observed value
    novel_low: float | None  # the same at the lower end of the interval
    p: float  # chance of so many full marks if the bound were the truth
    p_holm: float  # the same, Holm-adjusted over all rows
    sentence: str  # how strong the evidence is; empty where a larger k says the same


class Agreement(Record, frozen=True, gc=False):
    """How far several votes on the same items agree, with intervals over questions.

    `effective` is how many independent votes they are worth at least, as all agreement beyond chance is taken
    for dependence; `skillmix calibrate` knows better.
    """

    who: str
    items: int
    votes: float  # per item
    same: Estimate  # share of pairs of votes that are equal
    alpha: Estimate  # Krippendorff
    ac1: Estimate  # Gwet
    effective: float | None


class Anchors(Record, frozen=True, gc=False):
    """What the judge made of texts whose grade is known; shares have Clopper-Pearson intervals.

    Full marks here are those points that the judge decides: all but the sentence limit and naming.
    """

    good: Estimate  # share of known-good texts that were denied full marks
    bad: Estimate  # share of known-bad texts that got full marks
    attacked: Estimate  # the same of bad texts with an attack on the judge in them
    unscored: int
    calls: int
    usage: Usage
    marks: dict[str, str]  # the judge's points for each anchor, one digit per item; empty where unscored
    faults: tuple[str, ...] = ()  # why the run is not valid


class JudgeError(Record, frozen=True, gc=False):
    """How a judge errs on one kind of verdict, by labels; each share has a 95 % interval over questions."""

    what: str
    sensitivity: Estimate  # share of what is there that the judge finds
    specificity: Estimate  # share of what is not there that the judge does not find
    same: Estimate  # agreement with the truth: share of equal verdicts, Krippendorff's alpha, Gwet's AC1
    alpha: Estimate
    ac1: Estimate


class Corrected(Record, frozen=True, gc=False):
    """A metric by the judge and without its errors, at one k or over all; n counts questions, then labels."""

    k: int | None
    metric: str
    raw: Estimate
    corrected: Estimate  # prediction-powered inference
    rogan_gladen: Estimate | None  # inverted error rates; of shares of texts only


class Calibrated(Record, frozen=True, gc=False):
    """A judge measured against labels. `stale`: the labels are of other texts or for another judge."""

    source: str
    texts: int
    labelled: int
    errors: tuple[JudgeError, ...] = ()
    corrected: tuple[Corrected, ...] = ()
    votes_worth: float | None = None  # independent votes that a text's gradings are worth
    stale: bool = False


class Figures(Record, frozen=True, gc=False):
    """Everything a report shows."""

    by_k: tuple[KRow, ...]
    by_item: tuple[GroupRow, ...]
    by_category: tuple[GroupRow, ...]
    by_part: tuple[GroupRow, ...]  # skills of train and of held-out categories
    by_skill: tuple[GroupRow, ...]
    by_topic: tuple[GroupRow, ...]
    saturation: Saturation | None
    usage: dict[str, Usage]  # tokens of student and judge behind these samples
    reasons: tuple[str, ...] = ()  # what most often kept texts from a score, in words
    profile: Profile = Profile()
    beyond: tuple[Beyond, ...] = ()
    assumed: tuple[Assumed, ...] = ()  # what `beyond` rests on
    agreement: tuple[Agreement, ...] = ()
    decoys: Estimate | None = None  # share of readable judge calls that found a decoy
    second_calls: int = 0  # gradings whose first reply was no verdict
    anchors: Anchors | None = None
    calibrated: Calibrated | None = None
