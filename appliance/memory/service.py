"""The memory as every door sees it: remember, recall, inspect, forget (contract memory-api)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import select

from appliance.clock import Clock, to_ms
from appliance.errors import ForbiddenError, MemboxError
from appliance.memory import forget as forgetting
from appliance.memory.candidates import CandidateSource, FullText, Then
from appliance.memory.compact import compose, store
from appliance.memory.importing import ImportAnswer, Importing, ImportRequest
from appliance.memory.models import (
    ForgetAnswer,
    ForgetRequest,
    InspectAnswer,
    InspectRequest,
    RecallAnswer,
    RecallRequest,
    RememberAnswer,
    RememberRequest,
    Scope,
)
from appliance.memory.recall import recall
from appliance.memory.remember import Remembering
from appliance.memory.statistics import Growth, growth
from appliance.memory.traces import Traces
from appliance.memory.vectors import Size, Vectors
from appliance.memory.visibility import visible_to
from appliance.memory.work_models import CompactAnswer, CompactRequest
from appliance.metrics import Metrics
from appliance.principal import Principal, Role
from appliance.settings import Graph
from appliance.storage import Database, idempotency
from appliance.storage.schema import memory_items

ForgetSection = Callable[[str, str], bool]  # (memory id, who) -> whether it was a notebook section, now removed
_NO_GRAPH = Graph()


class Memory:
    """One store of items for every tenant; each call checks what its caller may do, then does it in one transaction.

    Args:
        database: where items are.
        clock: the time, for expiry and recency.
        metrics: where the times of recall's stages are counted.
        graph: whether related items come along with those found, and which.
        embedding: by which model items are found by their meaning; `off` for none.
        timezone: the IANA zone of the days that a question names ("yesterday", "in March").
        forget_section: removes a notebook section from its file when an item is one; set by `box.py`.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics | None = None,
        graph: Graph = _NO_GRAPH,
        embedding: Size = "off",
        timezone: str = "UTC",
    ) -> None:
        self._database, self._clock = database, clock
        self._metrics = metrics or Metrics(clock)
        self._graph, self._zone = graph, ZoneInfo(timezone)
        self.vectors = Vectors(database, embedding)
        self._sources: Sequence[CandidateSource] = [FullText(database), Then(), self.vectors]
        self.traces = Traces(database, clock)
        self.forget_section: ForgetSection = lambda _memory_id, _author: False

    def remember(self, who: Principal, request: RememberRequest) -> RememberAnswer:
        """Store items; they are durable and recallable when this returns.

        Raises:
            ForbiddenError: another tenant or agent, a role below writer, or scope global without admin.
            ConflictError: the idempotency key was used for other items.
        """
        _may_write(who, request.tenant_id, request.agent_id, request.scope)
        return self._database.write(Remembering(request, self._now()).store, repeatable=True)

    def recall(self, who: Principal, request: RecallRequest) -> RecallAnswer:
        """The items that answer a query, within the caller's budget and sight; raises ForbiddenError."""
        who.acting_as(request.tenant_id, request.agent_id, Role.READER)
        lap = self._metrics.laps("recall")
        self.vectors.prepare()
        with self._database.read() as conn:
            answer = recall(
                conn, self._database, self._sources, request, self._now(), self._zone, self._graph, self.traces, lap
            )
        lap.finish()
        return answer

    def compact(self, who: Principal, request: CompactRequest) -> CompactAnswer:
        """Sum up what a query finds, and keep the summary; raises ForbiddenError as `remember` does.

        Never of what is seen less widely than the summary will be.
        """
        _may_write(who, request.tenant_id, request.agent_id, request.scope)
        while True:  # again when a source was forgotten, or expired, between reading it and writing its words down
            with self._database.read() as conn:
                summary = compose(conn, self._sources, request, self._now(), self._zone)
            if not summary.lines:
                return summary.answer(None)
            if memory_id := self._database.write(partial(store, summary=summary, now=self._now())):
                return summary.answer(memory_id)

    def inspect(self, who: Principal, memory_id: str, request: InspectRequest) -> InspectAnswer:
        """One item whole; raises ForbiddenError, or NotFoundError for what the caller may not see."""
        who.acting_as(request.tenant_id, request.agent_id, Role.READER)
        visible = visible_to(request.tenant_id, request.agent_id, request.scope, self._now())
        with self._database.read() as conn:
            row = conn.execute(select(memory_items).where(memory_items.c.memory_id == memory_id, visible)).first()
        if row is None:
            raise forgetting.not_found()
        return InspectAnswer.model_validate(dict(row._mapping))

    def forget(self, who: Principal, memory_id: str, request: ForgetRequest) -> ForgetAnswer:
        """Delete an item for good; a notebook section goes from its file, archive and past versions too.

        Raises:
            ForbiddenError: another tenant or agent, a role below writer, or a writer and another's item.
            NotFoundError: no such item, or none the caller may know of; also the second time.
        """
        caller = who.acting_as(request.tenant_id, request.agent_id, Role.WRITER)
        now = self._now()
        with self._database.read() as conn:
            forgetting.may_forget(conn, caller, memory_id, now)
        if not self.forget_section(memory_id, caller.agent_id):
            forget = partial(forgetting.forget, database=self._database, who=caller, memory_id=memory_id, now=now)
            self._database.write(forget, repeatable=True)  # of two at once, the second finds nothing
        return ForgetAnswer(memory_id=memory_id, deleted=True)

    def take_over(self, who: Principal, request: ImportRequest) -> ImportAnswer:
        """Store what another system has kept, under the ids, owners and times it has there; for the box's owner."""
        who.require(Role.ADMIN)
        return self._database.write(Importing(request, self._now()).store, repeatable=True)

    def growth(self, who: Principal, days: int = 30) -> Growth:
        """How many items the caller's tenant has, and how many came on each of the last days."""
        who.require(Role.ADMIN)
        with self._database.read() as conn:
            return growth(conn, who.tenant_id, self._now(), days)

    def reindex(self) -> None:
        """Make what items are found by anew from their texts: the index of words now, the vectors by and by."""
        self._database.rebuild_full_text()
        self.vectors.start_over()

    def purge(self) -> None:
        """Drop what nobody needs any more: remembered answers older than their 24 hours, and old traces of recalls."""
        self._database.write(lambda conn: idempotency.purge(conn, self._now()))
        self.traces.purge()

    def close(self) -> None:
        """Store what was only kept in mind, where that can be."""
        with suppress(MemboxError):  # no writes now, or no room: then these few recalls cannot be judged
            self.traces.store()

    def _now(self) -> int:
        return to_ms(self._clock())


def _may_write(who: Principal, tenant_id: str, agent_id: str, scope: Scope) -> None:
    caller = who.acting_as(tenant_id, agent_id, Role.WRITER)
    if scope is Scope.GLOBAL and caller.role is not Role.ADMIN:
        raise ForbiddenError("global_scope_requires_admin")
