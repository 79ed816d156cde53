"""What calls cost: a price table, the cost of tokens, and a budget that is never overdrawn."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import msgspec

from .errors import BadInputError, BudgetError
from .records import Record, Request, Usage
from .spec import PRICE, ModelSpec, RunSpec, read_yaml

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


class Prices(Record, frozen=True, gc=False):
    """A price table; the names in a user's own hold at every address."""

    date: str = ""
    models: Mapping[str, Price] = MappingProxyType({})
    own: bool = False


def read_prices(path: Path | None = None) -> Prices:
    """Read a user's price table, or the package's where none is given; raises BadInputError."""
    place = path or TABLE
    given = read_yaml(place, "price table", "'date: 2025-08-15'")
    if "date" in given:  # read here, since vLLM's lm-format-enforcer stops PyYAML from reading dates
        given["date"] = str(given["date"])
    try:
        found = msgspec.convert(given, _Table)
    except msgspec.ValidationError as error:
        raise BadInputError(f"The prices {place} are not as in {TABLE}: {error}.") from None
    models = {name: parse_price(price) for name, price in found.models.items()}
    return Prices(found.date.isoformat(), models, path is not None)


def parse_price(given: str) -> Price:
    """Read '0.40/1.60'."""
    per_input, per_output = given.split("/")
    return Price(float(per_input), float(per_output))


def price_of(model: ModelSpec, table: Prices) -> Price | None:
    """Return a model's price: its own setting, or the table's, whose names may be `model` or `backend/model`.

    The package's table holds for a model at its maker's address; engines in this process cost nothing.
    """
    kind, _, name = model.model.partition("/")
    if model.price:
        return parse_price(model.price)
    if model.model in table.models or kind != "openai":
        return table.models.get(model.model, Price(0.0, 0.0))
    return table.models.get(name) if table.own or not model.base_url else None


def run_prices(spec: RunSpec, table: Prices) -> tuple[Price | None, Price | None]:
    """Return the prices of a run's student and of its judges; None where unknown, or where judges' differ."""
    judges = {price_of(judge, table) for judge in spec.judges if judge.model != "rules"} or {Price(0.0, 0.0)}
    return price_of(spec.student, table), judges.pop() if len(judges) == 1 else None


def priced(spec: RunSpec, table: Prices) -> RunSpec:
    """Return a spec with the prices of a user's own table in it, so that all who read the run know them."""

    def known(model: ModelSpec) -> ModelSpec:
        price = price_of(model, table)
        if model.price or not price or price == Price(0.0, 0.0):
            return model
        both = "/".join(format(Decimal(str(dollars)), "f") for dollars in (price.input, price.output))
        return msgspec.structs.replace(model, price=both)

    if not table.own:
        return spec
    return msgspec.structs.replace(
        spec,
        student=known(spec.student),
        judge=known(spec.judge) if spec.judge else None,
        panel=tuple(known(judge) for judge in spec.panel),
    )


def tokens(request: Request) -> int:
    """Return about how many tokens a request has; rather too many."""
    return int(size(request) / _CHARACTERS) + 8 * len(request.messages)


def size(request: Request) -> int:
    """Return how many characters a request has, its schema included."""
    schema = len(msgspec.json.encode(request.schema)) if request.schema else 0
    return schema + sum(len(m.content) for m in request.messages)


class _Purse:
    """Dollars for several models together, and who waits for some to come back."""

    def __init__(self, dollars: float) -> None:
        self.most = self.left = dollars
        self.in_flight = 0
        self.waiting: list[asyncio.Future[None]] = []


class Budget:
    """Dollars that may be spent on one model now; calls in flight count at their worst.

    Where requests have no token limit, the worst is twice the longest reply so far, and no more calls are in
    flight than replies were seen, so that the first long ones cannot come all at once. Several models share
    one purse through `shared`.
    """

    def __init__(self, price: Price, dollars: float, shared: Budget | None = None) -> None:
        self._price = price
        self._purse: _Purse = shared._purse if shared else _Purse(dollars)
        self._longest = self._seen = self._in_flight = 0

    @asynccontextmanager
    async def reserved(self, request: Request) -> AsyncIterator[Callable[[Usage], None]]:
        """Set one try's worst case aside, and wait while only calls in flight stand in the way.

        Yields what charges the tokens that it took, all that was set aside where they are unknown; what is
        not charged comes back. Raises BudgetError where less is left.
        """
        purse = self._purse
        while (worst := self._worst(request)) > purse.left or not (
            request.max_tokens or self._in_flight < max(1, self._seen)
        ):
            if not purse.in_flight:
                raise BudgetError(
                    f"The next call could pass --max-cost {purse.most:g} (${purse.most - purse.left:.4f} is "
                    "spent); every answer is kept: run the same command with a higher --max-cost to go on."
                )
            purse.waiting.append(change := asyncio.get_running_loop().create_future())
            await change
        paid = 0.0

        def charge(used: Usage) -> None:
            nonlocal paid
            paid = self._price.of(used) if used != Usage() else worst
            self._longest, self._seen = max(self._longest, used.output), self._seen + 1

        self._count(1, worst)
        try:
            yield charge
        finally:
            self._count(-1, paid - worst)
            waiting, purse.waiting = purse.waiting, []
            for change in waiting:
                if not change.done():
                    change.set_result(None)

    def _worst(self, request: Request) -> float:
        output = max(request.max_tokens or _OUTPUT, self._longest * (1 if request.max_tokens else 2))
        return self._price.of(Usage(tokens(request), output))

    def _count(self, calls: int, dollars: float) -> None:
        self._in_flight += calls
        self._purse.in_flight += calls
        self._purse.left -= dollars


class Money(msgspec.Struct, frozen=True):
    """What may be spent now, and the price table that tells."""

    most: float | None = None  # US dollars
    prices: Prices = Prices()

    def budgets(self, models: Sequence[ModelSpec | None]) -> list[Budget | None]:
        """Return budgets with one purse for the models that cost; BadInputError for an unknown price."""
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
            shared = next((b for b in found if b), None)
            found.append(Budget(price, self.most, shared) if price != Price(0.0, 0.0) else None)
        return found
