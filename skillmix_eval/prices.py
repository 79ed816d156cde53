"""What calls cost: a price table, the cost of tokens, and a budget that is never overdrawn."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .errors import BadInputError, BudgetError
from .records import Record, Request, Usage
from .spec import PRICE, ModelSpec, RunSpec

TABLE = Path(__file__).parent / "prices.yaml"
_CHARACTERS = 3.0  # per token, low on purpose: English has four or more
_OUTPUT = 1024  # tokens that a reply may take where no limit was given and none was seen yet


class Price(Record, frozen=True, gc=False):
    """US dollars per million tokens."""

    input: float
    output: float

    def of(self, used: Usage) -> float:
        """Return the cost in US dollars."""
        return (used.input * self.input + used.output * self.output) / 1e6


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    date: datetime.date
    models: dict[str, PRICE]


def read_prices(path: Path = TABLE) -> tuple[str, dict[str, Price]]:
    """Return the date of a price table and its prices by model name."""
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=_Table)
    except OSError as error:
        raise BadInputError(f"The prices {path} cannot be read: {error.strerror}.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        fault = " ".join(str(error).split())
        raise BadInputError(f"The prices {path} are not as in {TABLE}: {fault}.") from None
    return found.date.isoformat(), {name: parse_price(price) for name, price in found.models.items()}


def parse_price(given: str) -> Price:
    """Read '0.40/1.60'."""
    per_input, per_output = given.split("/")
    return Price(float(per_input), float(per_output))


def price_of(model: ModelSpec, table: dict[str, Price]) -> Price | None:
    """Return a model's price: its own setting, or the table's where it is asked at its maker's address.

    The table's name may be `model` or `backend/model`; engines in this process cost nothing.
    """
    kind, _, name = model.model.partition("/")
    if model.price:
        return parse_price(model.price)
    if kind != "openai":
        return Price(0.0, 0.0)
    return table.get(model.model) or (None if model.base_url else table.get(name))


def run_prices(spec: RunSpec, table: dict[str, Price]) -> tuple[Price | None, Price | None]:
    """Return the prices of a run's student and of its judges; None where unknown, or where judges' differ."""
    judges = {price_of(judge, table) for judge in spec.judges if judge.model != "rules"} or {Price(0.0, 0.0)}
    return price_of(spec.student, table), judges.pop() if len(judges) == 1 else None


def tokens(request: Request) -> int:
    """Return about how many tokens a request has; rather too many."""
    return int(sum(len(m.content) for m in request.messages) / _CHARACTERS) + 8 * len(request.messages)


class Budget:
    """Dollars that may be spent on one model now; calls in flight count at their worst.

    Several models share one budget through `shared`.
    """

    def __init__(self, price: Price, dollars: float, shared: Budget | None = None) -> None:
        self._price = price
        self._purse: list[float] = shared._purse if shared else [dollars, dollars]  # left, in all
        self._longest = _OUTPUT

    @contextmanager
    def reserved(self, request: Request) -> Iterator[Callable[[Usage], None]]:
        """Set a call's worst case aside while it is in flight; raises BudgetError where less is left.

        Yields what notes the tokens that the call took.
        """
        worst = self._price.of(Usage(tokens(request), request.max_tokens or self._longest))
        left, most = self._purse
        if worst > left:
            raise BudgetError(
                f"The next call could pass --max-cost {most:g} (${most - left:.4f} is spent or in flight); "
                "every answer is kept: run the same command with a higher --max-cost to go on."
            )
        self._purse[0] -= worst
        paid = [0.0]

        def settle(used: Usage) -> None:
            paid[0] = self._price.of(used)
            self._longest = max(self._longest, 2 * used.output)

        try:
            yield settle
        finally:
            self._purse[0] += worst - paid[0]


class Money(msgspec.Struct, frozen=True):
    """What may be spent now, and the price table that tells."""

    most: float | None = None  # US dollars
    prices: dict[str, Price] = {}

    def budgets(self, models: Sequence[ModelSpec | None]) -> list[Budget | None]:
        """Return one budget for each model, all with the same purse; BadInputError for an unknown price."""
        found: list[Budget | None] = []
        for model in models:
            if self.most is None or model is None:
                found.append(None)
                continue
            price = price_of(model, self.prices)
            if price is None:
                raise BadInputError(
                    f"--max-cost needs the price of {model.model}, which is not known; give --price "
                    "0.40/1.60 (for the judge --judge-price) or a table with --prices."
                )
            found.append(Budget(price, self.most, next((b for b in found if b), None)))
        return found
