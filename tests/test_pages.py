"""The pages in a real browser: they show, filter and search what is there, and nothing in a text acts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from skillmix_eval.board_page import files
from skillmix_eval.browser import drawn
from skillmix_eval.compare import compare
from skillmix_eval.evaluate import report_page, run_figures
from skillmix_eval.leaderboard import leaderboard
from skillmix_eval.pair_page import compare_page, gate_page
from skillmix_eval.records import Sample, Verdict
from skillmix_eval.runs import Run, RunInfo
from skillmix_eval.shown import PLAIN, as_json, text_blocks
from skillmix_eval.spec import RunSpec
from skillmix_eval.verdict import Policy

from .browsing import Page
from .makers import make_question, make_sample

FULL, PART = "111111", "011111"
INFO = RunInfo("m/one", "judge", "draft", "mean", "made", "f00d", "all", 0, "balanced", {"d.j2": "1"}, "0")
HOSTILE = [
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "</p></details><img src=x onerror='window.hit=1'>",
    "<a href='javascript:window.hit=1'>press</a> javascript:window.hit=1",
    "<!-- <script> <!-- ]]> --!>",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    '"onmouseover="window.hit=1" \' &lt;b&gt; &#60;',
    "\u202eright to left\u202c \u2066and\u2069 \u200f back",
    "line\u2028separator\x00nul \ud7ff \U0001f600",
    "<style>*{display:none}</style><base href=//evil.example><meta http-equiv=refresh content=0>",
]


def make_run(texts: list[str], points: str = FULL, student: str = "m/one") -> Run:
    """Return a run with one text per topic t0, t1, ..."""
    samples = [make_sample(make_question(topic=f"t{i}"), points, text=t) for i, t in enumerate(texts)]
    return Run(RunSpec(), msgspec.structs.replace(INFO, student=student), tuple(samples))


def write(folder: Path, page: str) -> str:
    """Write a page and return its address."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    return (folder / "page.html").as_uri()


def run_page(run: Run) -> str:
    """Return a run's page."""
    return report_page(run, run_figures(run))


@pytest.fixture
def quiet(page: Page) -> Iterator[Page]:
    """Give the browser, and hold afterwards that no page complained or asked any host."""
    yield page
    assert page.js("return window.hit") is None
    assert page.complaints() == []
    assert page.hosts() <= {""}


def shown(page: Page) -> list[str]:
    """Return the topics of the listed texts."""
    return list(
        page.js("return [...document.querySelectorAll('.row bdi:nth-of-type(1)')].map(n => n.textContent)")
    )


def test_hostile_texts_are_inert(quiet: Page, tmp_path: Path) -> None:
    """Whatever a text or a reason holds, the page shows it letter by letter and runs nothing."""
    run = make_run(HOSTILE)
    samples = [_with_words(s, words) for s, words in zip(run.samples, HOSTILE, strict=True)]
    quiet.open(write(tmp_path, run_page(Run(run.spec, run.info, tuple(samples)))))
    quiet.wait("document.querySelectorAll('.row').length === arguments[0]", len(HOSTILE))
    quiet.js("for (const row of document.querySelectorAll('.row')) row.open = true")
    quiet.wait("document.querySelectorAll('.row p.text').length === arguments[0]", len(HOSTILE))
    texts = quiet.js(
        "return [...document.querySelectorAll('.row p.text')].map(n => n.firstChild.textContent)"
    )
    assert texts == HOSTILE
    made = ".row script, .row img, .row a:not([href^='#text=']), .row style, base"
    assert quiet.js("return document.querySelectorAll(arguments[0]).length", made) == 0


def _with_words(sample: Sample, words: str) -> Sample:
    grading = sample.gradings[0]
    verdicts = {i: Verdict(v.met, words, "") for i, v in grading.verdicts.items()}
    return msgspec.structs.replace(sample, gradings=(msgspec.structs.replace(grading, verdicts=verdicts),))


def test_hostile_names_are_inert(quiet: Page, tmp_path: Path) -> None:
    """Models, skills and topics named by an enemy do nothing in a leaderboard or a comparison."""
    bad = "</script><img src=x onerror='window.hit=1'>"
    question = make_question(bad, "s2", topic=bad)
    sides = []
    for name, points in ((f"a{bad}", "11111"), (f"b{bad}", "01111")):
        samples = [make_sample(question, points), make_sample(make_question("s3", "s4"), points)]
        sides.append(Run(RunSpec(), msgspec.structs.replace(INFO, student=name), tuple(samples)))
    board = files(leaderboard(sides), sides)["leaderboard.html"].decode()
    for page in (board, compare_page(compare(*sides), *sides)):
        quiet.open(write(tmp_path, page))
        quiet.wait("document.querySelectorAll('.row').length === 2")
        quiet.js("for (const row of document.querySelectorAll('.row')) row.open = true")
        quiet.wait("document.querySelectorAll('.pair').length === 2")
        assert quiet.js("return document.querySelectorAll('img').length") == 0
        assert bad in quiet.js("return document.body.innerText")


def test_long_word(quiet: Page, tmp_path: Path) -> None:
    """A text of one word of a million letters opens and does not widen the page."""
    quiet.open(write(tmp_path, run_page(make_run(["w" * 1_000_000]))))
    quiet.js("document.querySelector('.row').open = true")
    assert quiet.wait("document.querySelector('.row p.text')?.textContent.length") == 1_000_000
    assert quiet.js("return document.documentElement.scrollWidth <= innerWidth")


def test_filter_search_open(quiet: Page, tmp_path: Path) -> None:
    """Filters and search narrow the list together, and a text opens with each item's verdict."""
    good, bad = make_run(["A brook sings.", "A stone sings."]), make_run(["x", "y", "A brook sleeps."], PART)
    quiet.open(write(tmp_path, run_page(Run(good.spec, good.info, (*good.samples, bad.samples[2])))))
    assert quiet.wait("document.querySelectorAll('.row').length") == 3
    _fill(quiet, "words", "BROOK")
    quiet.wait("document.querySelectorAll('.row').length === 2")
    assert shown(quiet) == ["t0", "t2"]
    _fill(quiet, "full", "no")
    quiet.wait("document.querySelectorAll('.row').length === 1")
    quiet.js("document.querySelector('.row summary').click()")
    quiet.wait("document.querySelectorAll('.items li').length === 6")
    items = quiet.js("return [...document.querySelectorAll('.items li')].map(n => n.textContent)")
    assert items[0].startswith("✗metaphor not met")
    assert items[1].startswith("✓red herring met")
    link = quiet.js("return document.querySelector('.row a').href")
    _fill(quiet, "words", "nowhere")
    quiet.wait("document.querySelector('output').value.startsWith('0')")
    quiet.open(link)  # a link to one text opens it
    quiet.wait("document.querySelectorAll('.row[open] .items li').length === 6")
    assert shown(quiet) == ["t2"]


def _fill(page: Page, name: str, value: str) -> None:
    page.js(
        "const f = document.querySelector(`.browse-form, form.filters`).elements[arguments[0]];"
        "f.value = arguments[1]; f.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def test_spans_are_highlighted(quiet: Page, tmp_path: Path) -> None:
    """A skill's words are marked where code or the judge's quote says, counted as Python counts letters."""
    sample = make_run(["😀 the sea, the sky"]).samples[0]
    items = sample.question.items
    verdicts = dict(sample.gradings[0].verdicts)
    verdicts[items[0]] = Verdict(True, "", "", (2, 9))  # "the sea": one letter less than UTF-16 has before it
    verdicts[items[1]] = Verdict(True, "", "the sky")
    grading = msgspec.structs.replace(sample.gradings[0], verdicts=verdicts)
    run = Run(RunSpec(), INFO, (msgspec.structs.replace(sample, gradings=(grading,)),))
    quiet.open(write(tmp_path, run_page(run)))
    quiet.js("document.querySelector('.row').open = true")
    quiet.wait("document.querySelector('mark')")
    assert quiet.js("return [...document.querySelectorAll('mark')].map(m => m.textContent)") == [
        "the sea",
        "the sky",
    ]


def test_packed_texts(quiet: Page, tmp_path: Path) -> None:
    """A page too large for plain text is packed, and searched and opened just the same."""
    texts = [f"{'w' * 5200} end{i}" for i in range(800)]
    run = make_run(texts)
    blocks = text_blocks(run.samples, {})
    assert [b.packed for b in blocks] == [False, True, True]
    page = run_page(run)
    assert len(page) < PLAIN / 4
    quiet.open(write(tmp_path, page))
    _fill(quiet, "words", "end799")
    quiet.wait("document.querySelector('output').value === '1–1 of 1 found among 800'")
    assert shown(quiet) == ["t799"]


def test_models_side_by_side(quiet: Page, tmp_path: Path) -> None:
    """A leaderboard shows two models' texts for a question next to each other, and has its data in it."""
    runs = [make_run(["Mine.", "Same."], FULL, "m/one"), make_run(["Yours.", "Same."], PART, "m/two")]
    found = files(leaderboard(runs), runs)
    quiet.open(write(tmp_path, found["leaderboard.html"].decode()))
    quiet.wait("document.querySelectorAll('.row').length === 2")
    quiet.js("document.querySelector('.row').open = true")
    quiet.wait("document.querySelectorAll('.pair p.text').length === 2")
    assert quiet.js("return [...document.querySelectorAll('.pair p.text')].map(n => n.textContent)") == [
        "Mine.",
        "Yours.",
    ]
    link = quiet.js("return document.querySelector('a[download=\"leaderboard.csv\"]').href")
    assert quiet.js("return atob(arguments[0].split(',')[1])", link) == found["leaderboard.csv"].decode()
    assert quiet.violations() == []


def test_tables_sort(quiet: Page, tmp_path: Path) -> None:
    """A press on a heading sorts a table by its numbers, another turns it round."""
    quiet.open(write(tmp_path, run_page(Run(RunSpec(), INFO, (*make_run(["a"] * 11).samples,)))))
    column = (
        "[...document.querySelectorAll('.heat')[1].tBodies[0].rows].map(r => r.cells[0].textContent).join()"
    )
    before = quiet.js(f"return {column}")
    quiet.js("document.querySelectorAll('.heat')[1].tHead.querySelector('button').click()")
    assert quiet.js(f"return {column}") == ",".join(sorted(before.split(","), reverse=True))
    quiet.js("document.querySelectorAll('.heat')[1].tHead.querySelector('button').click()")
    assert quiet.js(f"return {column}") == ",".join(sorted(before.split(",")))


def test_a_leaderboard_is_narrowed(quiet: Page, tmp_path: Path) -> None:
    """A part of a name leaves only such models in the table and among the curves."""
    runs = [make_run(["x"], FULL, name) for name in ("m/large", "m/small", "n/small")]
    quiet.open(write(tmp_path, files(leaderboard(runs))["leaderboard.html"].decode()))
    quiet.js(
        "const i = document.querySelector('.board input'); i.value = 'SMALL';"
        "i.dispatchEvent(new Event('input'))"
    )
    seen = "[...document.querySelectorAll(arguments[0])].filter(n => n.checkVisibility()).length"
    assert quiet.js(f"return {seen}", ".board tbody tr") == 2
    assert quiet.js(f"return {seen}", "figure[data-chart=curves] svg") == 2


def test_flipped_questions(quiet: Page, tmp_path: Path) -> None:
    """A comparison opens on the questions that lost full marks, both texts side by side."""
    old, new = make_run(["a", "b", "c"], FULL), make_run(["d", "e", "f"], PART, "m/two")
    new = Run(new.spec, new.info, (*new.samples[:2], *old.samples[2:]))
    quiet.open(write(tmp_path, compare_page(compare(old, new), old, new)))
    quiet.wait("document.querySelectorAll('.row').length === 2")
    assert "2 lost full marks and 0 gained them" in quiet.js("return document.body.innerText")
    assert quiet.violations() == []


def test_gate_page() -> None:
    """A gate's page has its verdict in its first sentence."""
    from skillmix_eval.gate import fixed

    old, new = make_run(["a"] * 30, FULL), make_run(["d"] * 30, PART, "m/two")
    page = gate_page(fixed(old, new, Policy()), compare(old, new), old, new)
    first = re.search(r'<p class="verdict">(.*?)</p>', page)
    assert first
    assert html.unescape(first[1]).startswith("Verdict: REGRESSION (exit code 10). m/two is worse than m/one")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible(quiet: Page, tmp_path: Path, theme: str) -> None:
    """axe-core finds no serious fault in a run's page, light or dark, with texts open."""
    quiet.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    run = make_run(["A brook sings."] * 3, PART)
    quiet.open(write(tmp_path, run_page(run)))
    quiet.js("document.querySelector('.row').open = true")
    quiet.wait("document.querySelector('.items')")
    assert quiet.violations() == []


def test_phone(quiet: Page, tmp_path: Path) -> None:
    """At the width of a phone the page scrolls down only, and the plots are drawn for that width."""
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    quiet.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        quiet.open(write(tmp_path, run_page(make_run(["A brook sings."] * 3))))
        quiet.wait("document.querySelector('svg')")
        assert quiet.js("return document.documentElement.scrollWidth") <= 390
        assert quiet.js("return +document.querySelector('svg').getAttribute('width')") <= 358
    finally:
        quiet.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_figures_are_saved(page: Page) -> None:
    """The figures of a page come out as SVG files without variables, and as PNG."""
    found = drawn(run_page(make_run(["A brook sings."] * 3)), ("svg", "png"))
    assert set(found) == {"curves.svg", "curves.png", "items.svg", "items.png"}
    assert found["curves.png"].startswith(b"\x89PNG")
    assert found["curves.svg"].startswith(b"<svg")
    assert b"var(" not in found["curves.svg"]


def test_same_bytes() -> None:
    """The same run gives the same page."""
    run = make_run(["A brook sings."])
    assert run_page(run) == run_page(run)


def test_size() -> None:
    """The page of 300 texts with a judge's reasons is under 2 MB."""
    texts = ["A text of some forty words, " * 20] * 300
    samples = tuple(
        _with_words(s, "A reason that goes on for a line or two. " * 4) for s in make_run(texts).samples
    )
    assert len(run_page(Run(RunSpec(), INFO, samples)).encode()) < 2_000_000


@pytest.mark.parametrize("words", HOSTILE)
def test_json_stays_in_its_element(words: str) -> None:
    """JSON for a script element holds no character that could end it, and reads back as it was."""
    found = as_json([words])
    assert not set("<>&") & set(found)
    assert msgspec.json.decode(found) == [words]
