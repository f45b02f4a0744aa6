"""What language models were asked for and what it cost, and what a day may cost.

A call is written down before it begins, with the most that it can cost, and corrected when it is over: a process that
is killed meanwhile has spent nothing unseen, and two at once cannot both take what is left.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from appliance.clock import Clock, local, to_ms
from appliance.errors import MemboxError, NoProviderError
from appliance.providers.models import Request
from appliance.storage.database import Database
from appliance.storage.schema import model_usage

OK, TRUNCATED, FAILED, BEGUN = "ok", "truncated", "failed", "begun"
KEPT = timedelta(days=400)
_MOST = 10**15  # what a server says of itself may be anything
_c = model_usage.c
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls to one model, or to all, with tokens and cost in millionths of a US dollar."""

    provider: str
    model: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a day may take: US dollars and tokens; 0 for no limit."""

    usd: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Most:
    """The most that a call to a model can take; the model's name is empty where only the provider knows it yet."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_micros: int


class Usage:
    """The record of calls in a box's database. Days are those of the box's time zone."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, request: Request, provider: str, most: Most, limits: Limits, timezone: str) -> int:
        """Write down that a call begins; the number to end it by.

        Raises NoProviderError: `budget_spent`, as with it the day could take more than `limits`.
        """
        now = self._clock()
        row = {
            "at": to_ms(now), "purpose": request.purpose[:32], "provider": provider[:32], "model": most.model[:128],
            "outcome": BEGUN, "input_tokens": most.input_tokens, "output_tokens": most.output_tokens,
            "cost_micros": most.cost_micros,
        }  # fmt: skip

        def work(conn: Connection) -> int:
            _require(_sum(conn, _c.at >= _day(now, timezone)), most, limits)
            number: int = conn.execute(insert(model_usage).returning(_c.id), row).scalar_one()
            return number

        return self._database.write(work)

    def require(self, most: Most, limits: Limits, timezone: str) -> None:
        """Raise as `begin` does, and write nothing down."""
        with self._database.read() as conn:
            _require(_sum(conn, _c.at >= _day(self._clock(), timezone)), most, limits)

    def end(self, number: int, outcome: str, model: str, input_tokens: int, output_tokens: int, cost: int) -> None:
        """Write down how the call `number` went and what it took. What cannot be written now stays as it began."""
        taken = {"input_tokens": input_tokens, "output_tokens": output_tokens, "cost_micros": cost}
        told: dict[str, Any] = {name: min(max(count, 0), _MOST) for name, count in taken.items()}
        told |= {"outcome": outcome} | ({"model": model[:128]} if model else {})
        try:
            self._database.write(lambda conn: conn.execute(update(model_usage).where(_c.id == number).values(told)))
        except MemboxError as fault:  # the answer is there, and was paid for
            _log.warning("what a language model took could not be written down: %s", fault.sentence)

    def today(self, timezone: str) -> Spent:
        """All calls of this day together."""
        with self._database.read() as conn:
            return _sum(conn, _c.at >= _day(self._clock(), timezone))

    def since(self, days: int) -> list[Spent]:
        """The calls of the last `days` times 24 hours by provider and model, the dearest first."""
        since = _c.at >= to_ms(self._clock() - timedelta(days=days))
        query = select(_c.provider, _c.model, *_SUMS).where(since).group_by(_c.provider, _c.model)
        with self._database.read() as conn:
            found = [Spent(row[0], row[1], *map(int, row[2:])) for row in conn.execute(query)]
        return sorted(found, key=lambda spent: (-spent.cost_micros, -spent.calls, spent.model))

    def forget_old(self) -> None:
        """Delete what is more than a year old."""
        old = _c.at < to_ms(self._clock() - KEPT)
        self._database.write(lambda conn: conn.execute(delete(model_usage).where(old)))


_SUMS = (
    func.count(),
    func.count().filter(_c.outcome == FAILED),
    func.coalesce(func.sum(_c.input_tokens), 0),
    func.coalesce(func.sum(_c.output_tokens), 0),
    func.coalesce(func.sum(_c.cost_micros), 0),
)


def _sum(conn: Connection, which: ColumnElement[bool]) -> Spent:
    return Spent("", "", *(int(value) for value in conn.execute(select(*_SUMS).where(which)).one()))


def _day(now: datetime, timezone: str) -> int:
    """Epoch milliseconds of the last midnight in `timezone`."""
    midnight = local(now, timezone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return to_ms(midnight.astimezone(UTC))


def _require(spent: Spent, most: Most, limits: Limits) -> None:
    if limits.usd and spent.cost_micros + most.cost_micros > limits.usd * 1e6 and most.cost_micros:
        raise NoProviderError(
            "budget_spent",
            f"Of today's {limits.usd:.2f} USD for language models {spent.cost_micros / 1e6:.2f} are spent, and this "
            f"could take {most.cost_micros / 1e6:.2f}: wait for tomorrow, or raise llm.daily_budget_usd.",
        )
    taken, needed = spent.input_tokens + spent.output_tokens, most.input_tokens + most.output_tokens
    if limits.tokens and taken + needed > limits.tokens:
        raise NoProviderError(
            "budget_spent",
            f"Of today's {limits.tokens} tokens for language models {taken} are used, and this could take {needed}: "
            "wait for tomorrow, or raise llm.daily_tokens.",
        )
