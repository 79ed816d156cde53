"""What calls cost: a price table, the cost of tokens, and a budget that is never overdrawn."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .errors import BadInputError, BudgetError
from .records import Record, Request, Usage
from .spec import PRICE, ModelSpec

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


def tokens(request: Request) -> int:
    """Return about how many tokens a request has; rather too many."""
    return int(sum(len(m.content) for m in request.messages) / _CHARACTERS) + 8 * len(request.messages)


class Budget:
    """Dollars that may be spent on one model now; calls in flight are counted at their worst case.

    Several models share one budget through `shared`.
    """

    def __init__(self, price: Price, dollars: float, shared: Budget | None = None) -> None:
        self._price = price
        self._purse = shared._purse if shared else [dollars, dollars]  # left, in all
        self._longest = _OUTPUT

    @contextmanager
    def reserved(self, request: Request) -> Iterator[Callable[[Usage], None]]:
        """Set a call's worst case aside while it is in flight; raises BudgetError where too little is left."""
        worst = self._price.of(Usage(tokens(request), request.max_tokens or self._longest))
        if worst > self._purse[0]:
            raise BudgetError(
                f"The next call could pass --max-cost {self._purse[1]:g} (${self._purse[1] - self._purse[0]:.4f} is spent "
                "or in flight); every answer is kept: run the same command with a higher --max-cost to go on."
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
