"""What may import what, and how large things may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import skillmix_eval

ROOT = Path(skillmix_eval.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py") if "__pycache__" not in p.parts)
MODULES = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES}
LONGEST = 60
HEAVY = {
    "pandas",
    "pyarrow",
    "scipy",
    "statsmodels",
    "openai",
    "rich",
    "torch",
    "transformers",
    "numpy",
    "jinja2",
}

# Imports go to lower layers only. A folder of plugins is one layer, whose modules do not import each other.
LAYERS = [
    {"__init__", "records", "errors"},
    {
        "interfaces",
        "spec",
        "stats",
        "templates",
        "texts",
        "figures",
        "domain",
        "families",
        "store",
        "spool",
        "labels",
        "browser",
    },
    {"statistics", "hiding", "columns", "parquet", "calibration", "prices", "limits", "ledger", "mixing"},
    {"domains", "stages", "graders", "backends", "styles", "methods", "calls", "released", "runs"}
    | {"shown", "live", "lm_eval_settings"},
    {"plugins", "attacks", "batches", "known_texts", "page", "pairing", "verdict", "calibrated"},
    {"pipeline", "baseline", "spot"},
    {"anchors"},
    {"evaluate"},
    {
        "inputs",
        "foresight",
        "lm_eval_model",
        "lm_eval_texts",
        "leaderboard",
        "exports",
        "compare",
        "gate",
        "plan",
        "attack",
        "calibrate",
        "bridge",
    },
    {"board_page", "pair_page", "shelf", "lm_eval_grading", "lm_eval_logs"},
    {"view", "adapt", "training", "checkpoints"},
    {"lessons"},
    {"rounds"},
    {"loop", "graphs"},
    {"cli", "lm_eval_plugin", "lm_eval_parts", "inspect_plugin", "callbacks", "streams"},
    {"__main__"},
]
FOLDERS = {"stages", "graders", "backends", "styles", "methods"}
INSIDE_A_LAYER = {("figures", "stats"), ("parquet", "columns")}  # a record made of another, or read


def imports(path: Path) -> Iterator[str]:
    """Return the project's modules that a file imports, anywhere in it, such as `stages.sample`."""
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name[14:] for a in node.names if a.name.startswith("skillmix_eval."))
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                base = package[: len(package) - node.level + 1] + base
            elif base[:1] == ["skillmix_eval"]:
                base = base[1:]
            else:
                continue
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                yield whole if whole in MODULES else ".".join(base) or "__init__"


def layer(module: str) -> int:
    """Return a module's layer by the first part of its name."""
    top = module.split(".")[0]
    found = [number for number, names in enumerate(LAYERS) if top in names]
    assert found, f"{top} is in no layer: add it to LAYERS"
    return found[0]


GRAPH = {name: sorted(set(imports(path))) for name, path in MODULES.items() if name != "__init__"}


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_imports_go_down(name: str) -> None:
    """A module imports only from lower layers, or from its own folder."""
    top = name.split(".")[0]
    for used in GRAPH[name]:
        inside = used.split(".")[0] == top or (top, used) in INSIDE_A_LAYER
        assert inside or layer(used) < layer(name), f"{name} imports {used}"


@pytest.mark.parametrize("name", [n for n in sorted(GRAPH) if n.split(".")[0] in FOLDERS])
def test_no_sideways_imports(name: str) -> None:
    """No stage imports another stage, and no plugin a sibling, but for private modules."""
    folder = name.split(".")[0]
    beside = [u for u in GRAPH[name] if u.startswith(f"{folder}.") and not u.split(".")[-1].startswith("_")]
    assert beside == []


def test_domains_are_apart() -> None:
    """No built-in domain imports another."""
    for name in (n for n in GRAPH if n.startswith("domains.")):
        others = [
            u for u in GRAPH[name] if u.startswith("domains.") and u.split(".")[1] != name.split(".")[1]
        ]
        assert others == []


def test_no_cycles() -> None:
    """No module imports itself by way of others."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for used in GRAPH.get(name, []):
                visit(used, (*path, name))
            done.add(name)

    for name in GRAPH:
        visit(name, ())


@pytest.mark.parametrize("name", sorted(MODULES))
def test_shape(name: str) -> None:
    """Every module has a docstring, and no function is over 60 lines or takes more than 7 arguments."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST, f"{node.name} is too long"
            assert len([*node.args.args, *node.args.kwonlyargs]) <= 7, f"{node.name} takes too much"


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("skillmix_eval", HEAVY),
        ("skillmix_eval.cli", {"pandas", "torch", "transformers", "openai", "pyarrow"}),
    ],
)
def test_import_is_light(module: str, unwanted: set[str]) -> None:
    """Importing the package loads no heavy package, and neither does the command line for its help."""
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert unwanted.isdisjoint(loaded.split())


def test_every_import_is_declared() -> None:
    """Whatever the package imports from outside the standard library is named in pyproject.toml."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [r for more in project["optional-dependencies"].values() for r in more]
    declared = {re.split(r"[<>=\[ ]", r)[0].lower() for r in [*project["dependencies"], *extras]}
    declared |= {"yaml", "markupsafe", "datasets", "tqdm"}  # pyyaml; what Jinja and lm-eval themselves need
    outside = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                outside |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                outside.add((node.module or "").split(".")[0])
    unknown = outside - sys.stdlib_module_names - {"skillmix_eval"}
    assert {name.replace("_", "-") for name in unknown} <= declared
