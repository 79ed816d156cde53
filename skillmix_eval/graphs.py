"""A graph of skills learnt by training (Skill-It, arXiv 2307.14430, algorithms 2 and 3), and its picture.

Each training starts from the same student, sees one skill's texts or two skills' in equal parts, and is
measured on the texts kept apart. What is done is kept, so a killed call goes on.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import msgspec

from .adapt import Graph, plan
from .errors import BadInputError, unknown
from .lessons import Lessons, of_skills
from .methods.skill_it import learn_graph
from .mixing import Observed
from .rounds import Setup, claim, skill_measures
from .runs import write_file
from .training.student import Student
from .training.trainer import train

WAYS = ("linear", "brute", "own")
_PLACE, _RADIUS, _SIZE = 210, 150, 27  # of the picture: centre, circle of skills, a skill
_HALO = 'stroke="#fff" stroke-width="3"'  # so that a name can be read across an arrow
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 420 420" width="420" height="420"
 font-family="sans-serif" font-size="11" text-anchor="middle" paint-order="stroke" role="img">
<title>Graph of skills: an arrow goes from a skill whose texts help to the skill that they help</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9"
 markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" fill="#246"/></marker></defs>
<rect width="420" height="420" fill="#fff"/>"""


def learnt(
    setup: Setup,
    data: Lessons,
    out: Path,
    way: str,
    targets: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Graph:
    """Learn a graph with `setup.budget` texts a training; writes graph.json and graph.svg to `out`.

    `linear` (k trainings): i helps j by the drop of j's loss on i's texts. `brute` (k + k(k-1)/2): by how
    much more j's loss drops on texts of both than of j alone; evaluated skills must be trained ones. `own`:
    as brute, but texts of both are twice as many, so that j's own are equal (the paper's LEGO and addition).
    """
    if way not in WAYS:
        raise unknown("way to learn a graph", way, WAYS)
    columns = tuple(targets) or data.skills
    outside = [t for t in columns if t not in data.skills]
    if way != "linear" and outside:
        raise BadInputError(
            f"Brute force needs the evaluated skills among the trained ones, and '{outside[0]}' is not; use "
            "--graph linear."
        )
    claim(out, setup, data, columns, way)
    measured = columns if way == "linear" else data.skills
    before = _losses(Student(Path(setup.start)), data, measured)

    def drops(chosen: tuple[int, ...]) -> list[float]:
        names = tuple(data.skills[i] for i in chosen)
        note = out / f"{'+'.join(names)}.json"
        if not note.is_file():
            say(f"graph: training on {' and '.join(names)} alone")
            budget = setup.budget * (len(names) if way == "own" else 1)
            once = msgspec.structs.replace(setup, budget=budget)
            write_file(note, msgspec.json.encode(_trained(once, data, names, out / "now", measured)))
        after = msgspec.json.decode(note.read_bytes(), type=list[float])
        return [a - b for a, b in zip(before, after, strict=True)]

    rows = learn_graph(drops, len(data.skills), len(measured), pairs=way != "linear")
    kept = rows[:, [measured.index(t) for t in columns]]
    graph = Graph(data.skills, tuple(map(tuple, kept.round(4).tolist())), tuple(targets))
    write_file(out / "graph.json", msgspec.json.format(msgspec.json.encode(graph)) + b"\n")
    write_file(out / "graph.svg", graph_svg(graph).encode())
    return graph


def _losses(student: Student, data: Lessons, skills: Sequence[str]) -> list[float]:
    found = skill_measures(student, data.checks)[0]
    for skill in skills:
        if skill not in found:
            raise BadInputError(f"No text shows the skill '{skill}', so nothing can be learnt about it.")
    return [found[skill] for skill in skills]


def _trained(
    setup: Setup, data: Lessons, names: tuple[str, ...], folder: Path, measured: Sequence[str]
) -> list[float]:
    """Train on some skills alone, in equal parts, and return the losses after it."""
    student, pool = Student(Path(setup.start)), of_skills(data, names, ()).pool
    observed = Observed(names, tuple(e.item for e in pool))
    items = plan("uniform_skills", observed, setup.budget, setup.seed, {}).items
    by_id = {e.item.id: e.messages for e in pool}
    train(student, student.examples([by_id[i] for i in items]), folder, setup.course)
    shutil.rmtree(folder)
    return _losses(student, data, measured)


def graph_svg(graph: Graph) -> str:
    """Return a picture: skills in a circle, arrows from the skill that helps, thicker the more.

    A skill's help for itself stands in it.
    """
    targets = graph.targets or graph.skills
    names = list(dict.fromkeys((*graph.skills, *targets)))
    pairs = {(s, t): graph.rows[i][j] for i, s in enumerate(graph.skills) for j, t in enumerate(targets)}
    most = max([w for (s, t), w in pairs.items() if s != t] + [1e-9])
    parts = [_HEAD]
    places = {n: _place(at, len(names)) for at, n in enumerate(names)}
    for (skill, target), weight in pairs.items():
        if skill != target and weight > 0:
            parts.append(_arrow(places[skill], places[target], weight, most))
    for name, (x, y) in places.items():
        own = pairs.get((name, name))
        figure = "" if own is None else f'<text x="{x:.0f}" y="{y + 15:.0f}" fill="#555">{own:.2f}</text>'
        parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{_SIZE}" fill="#eef3fa" stroke="#246"/>')
        parts.append(f'<text x="{x:.0f}" y="{y + 3:.0f}" {_HALO}>{escape(name)}</text>{figure}')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _place(at: int, of: int) -> tuple[float, float]:
    angle = 2 * math.pi * at / of - math.pi / 2
    return _PLACE + _RADIUS * math.cos(angle), _PLACE + _RADIUS * math.sin(angle)


def _arrow(start: tuple[float, float], end: tuple[float, float], weight: float, most: float) -> str:
    """Return an arrow beside the straight line, so that the one back has room, with its weight on it."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    far = math.hypot(dx, dy)
    ux, uy = dx / far, dy / far
    x1, y1 = start[0] + _SIZE * ux - 6 * uy, start[1] + _SIZE * uy + 6 * ux
    x2, y2 = end[0] - _SIZE * ux - 6 * uy, end[1] - _SIZE * uy + 6 * ux
    share = weight / most
    x, y = x1 + 0.35 * (x2 - x1) - 8 * uy, y1 + 0.35 * (y2 - y1) + 8 * ux + 4
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#246" '
        f'stroke-width="{0.5 + 3 * share:.1f}" opacity="{0.25 + 0.75 * share:.2f}" marker-end="url(#tip)"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" {_HALO}>{weight:.2f}</text>'
    )
