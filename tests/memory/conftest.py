"""A memory on an empty store, with a clock that stands still until it is moved, and callers to use it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from appliance.clock import to_ms
from appliance.memory import Memory
from appliance.memory.models import (
    ForgetAnswer,
    ForgetRequest,
    InspectAnswer,
    InspectRequest,
    RecallAnswer,
    RecallRequest,
    RememberAnswer,
    RememberRequest,
)
from appliance.memory.visibility import alive
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.schema import memory_items


@dataclass
class MovableClock:
    """The time, as a test wants it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(frozen=True)
class Caller:
    """Someone with a key, who speaks for its own tenant and agent unless told otherwise."""

    memory: Memory
    who: Principal

    def request(self, **fields: Any) -> dict[str, Any]:
        return {"tenant_id": self.who.tenant_id, "agent_id": self.who.agent_id, **fields}

    def remember(self, *items: str | dict[str, Any], **fields: Any) -> RememberAnswer:
        whole = [item if isinstance(item, dict) else {"text": item} for item in items]
        request = self.request(items=[{"type": "fact", **item} for item in whole], **fields)
        return self.memory.remember(self.who, RememberRequest.model_validate(request))

    def keep(self, item: str | dict[str, Any], **fields: Any) -> str:
        """Remember one item; its id."""
        (memory_id,) = self.remember(item, **fields).memory_ids
        return memory_id

    def ask(self, query: str, **fields: Any) -> RecallAnswer:
        return self.memory.recall(self.who, RecallRequest.model_validate(self.request(query=query, **fields)))

    def recall(self, query: str, **fields: Any) -> list[str]:
        """The texts that come back, best first."""
        return [item.text for item in self.ask(query, **fields).items]

    def inspect(self, memory_id: str, **fields: Any) -> InspectAnswer:
        return self.memory.inspect(self.who, memory_id, InspectRequest.model_validate(self.request(**fields)))

    def forget(self, memory_id: str, **fields: Any) -> ForgetAnswer:
        return self.memory.forget(self.who, memory_id, ForgetRequest.model_validate(self.request(**fields)))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def memory(database: Database, clock: MovableClock) -> Memory:
    return Memory(database, clock)


@pytest.fixture
def live_items(database: Database, clock: MovableClock) -> Callable[[], int]:
    """Counts the items of all tenants that are not over."""

    def count() -> int:
        with database.read() as conn:
            alive_now = select(func.count()).select_from(memory_items).where(alive(to_ms(clock())))
            return int(conn.execute(alive_now).scalar_one())

    return count


@pytest.fixture
def caller(memory: Memory) -> Callable[..., Caller]:
    """Makes a caller: agent, role, tenant."""

    def make(agent: str = "ada", role: str = "writer", tenant: str = "home") -> Caller:
        return Caller(memory, Principal(tenant, agent, Role.named(role)))

    return make


@pytest.fixture
def ada(caller: Callable[..., Caller]) -> Caller:
    """A writer of tenant home."""
    return caller()
