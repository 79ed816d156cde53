"""What the terminal shows: tables, progress, and where things were written. Quiet when piped."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box, markup
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable

from ..prices import Price
from ..records import Sample, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..calls import Spend
    from ..figures import Figures
    from ..stages.report import Table

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def visible(words: str) -> str:
    """Return words without the control codes that a terminal would obey."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) != "Cc" else "�" for c in words)


def escape(words: str) -> str:
    """Return words that come from outside as they are to be shown: no codes, no markup of rich."""
    return markup.escape(visible(words))


def say(line: str) -> None:
    """Tell something while a command goes on, on standard error."""
    err.print(escape(line), soft_wrap=True)


def print_report(
    title: str, header: Sequence[str], figures: Figures, reduce: str, population: str = "list"
) -> None:
    """Print a run's tables and what is to be said about them."""
    from ..stages.report import sentences, tables

    print_tables(title, header, tables(figures, population), sentences(figures, reduce))


NARROW = 72  # columns of a terminal under which tables that do not fit are lists


def print_tables(title: str, header: Sequence[str], tables: Sequence[Table], said: Sequence[str]) -> None:
    """Print brief tables under a title, and sentences below them."""
    out.print(f"\n[bold]{escape(title)}[/bold]")
    for line in header:
        out.print(f"[dim]{escape(line)}[/dim]", soft_wrap=True)
    for table in tables:
        if table.brief:
            print_table(table)
    for line in said:
        out.print(escape(line))


def write_page(make: Callable[[], str], html: Path | None, svg: Path | None, png: Path | None) -> None:
    """Write a page, or the figures in it, to where was asked for."""
    from ..browser import drawn
    from ..runs import write_file

    page = make()
    if html:
        write_file(html, page.encode())
        out.print(escape(f"Written: {html}"), soft_wrap=True)
    folders = {kind: folder for kind, folder in (("svg", svg), ("png", png)) if folder}
    for name, content in (drawn(page, tuple(folders)) if folders else {}).items():
        file = folders[name.rpartition(".")[2]] / name
        write_file(file, content)
        out.print(escape(f"Written: {file}"), soft_wrap=True)


def print_table(table: Table) -> None:
    """Print a table and its note; where the terminal is too narrow for columns, a row below the other."""
    shown = _rich_table(table)
    needed = Measurement.get(out, out.options.update_width(1000), shown).maximum
    if needed > out.width and out.width < NARROW:
        out.print(f"[bold]{escape(table.title)}[/bold]\n")
        for row in table.rows:
            cells = zip(table.columns, row, strict=True)
            out.print("\n  ".join(escape(f"{column or '-'}: {cell}") for column, cell in cells if cell))
        out.print()
    else:
        out.print(shown)
    if table.note:
        out.print(f"[dim]{escape(table.note)}[/dim]\n")


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    stacked = len(table.columns) > 4  # an interval goes under its value where columns are many
    for row in table.rows:
        shown.add_row(*(escape(cell.replace(" [", "\n[") if stacked else cell) for cell in row))
    return shown


@contextmanager
def progress(total: int, prices: Sequence[Price | None]) -> Iterator[Callable[[Sample], None]]:
    """Show texts done, rate, cost so far and time left; nothing when standard error is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("texts"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[cost]}"),
        TimeRemainingColumn(),
    ]
    used = {"student": Usage(), "judge": Usage()}
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("texts", total=total, rate="", cost="")

        def on_sample(sample: Sample) -> None:
            used["student"] += sample.text.usage
            used["judge"] = sum((g.usage for g in sample.gradings), used["judge"])
            speed = bar.tasks[task].speed
            bar.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "", cost=cost(used, prices))

        yield on_sample


def cost(used: dict[str, Usage], prices: Sequence[Price | None]) -> str:
    """Return tokens, and dollars where the prices of all paid models are known."""
    tokens = sum(u.input + u.output for u in used.values())
    if not tokens:
        return "no tokens"
    if any(price is None and u.input + u.output for price, u in zip(prices, used.values(), strict=True)):
        return f"{tokens:,} tokens"
    dollars = sum(price.of(u) for price, u in zip(prices, used.values(), strict=True) if price)
    return f"${dollars:.2f}, {tokens:,} tokens" if dollars else f"{tokens:,} tokens"


def spend_lines(spend: dict[str, Spend], prices: Sequence[Price | None]) -> list[str]:
    """Return one line for what was paid for now and what the store had, one for what nobody knows."""
    calls = [f"{role} {s.paid_calls:,} calls, {s.stored_calls:,} from the store" for role, s in spend.items()]
    paid = {role: spend[role].paid if role in spend else Usage() for role in ("student", "judge")}
    lines = [f"Paid for now: {'; '.join(calls)} ({cost(paid, prices)})."] if calls else []
    costly = [role for role, price in zip(paid, prices, strict=True) if price != Price(0.0, 0.0)]
    untold = sum(spend[role].untold for role in costly if role in spend)
    if untold:
        lines.append(f"Of {untold:,} calls the server did not tell the tokens; no figure of cost has them.")
    return lines
