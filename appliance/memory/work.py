"""Work on the memory that is asked for now and done by a worker: reflect, train, cleanup (contract memory-api)."""

from sqlalchemy import Connection, select

from appliance.clock import Clock
from appliance.jobs import Jobs
from appliance.memory.cleanup import CLEANUP, cleanup_kind
from appliance.memory.reflect import REFLECT, reflect_kind
from appliance.memory.registry import Registry
from appliance.memory.training import TRAIN, train_kind
from appliance.memory.vectors import VECTORS, Vectors, vectors_kind
from appliance.memory.work_models import (
    CleanupRequest,
    CleanupWork,
    QueuedAnswer,
    ReflectAnswer,
    ReflectRequest,
    ReflectWork,
    TrainRequest,
    TrainWork,
)
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.schema import memory_items

NOBODY = ""  # whose jobs no caller can name
_NIGHTLY_GRACE_HOURS = 24


class Work:
    """Queues jobs for the caller who may ask for them; each answer has the id the job is found by from then on."""

    def __init__(self, database: Database, clock: Clock, jobs: Jobs, registry: Registry, vectors: Vectors) -> None:
        self._database, self._queue, self._vectors = database, jobs.queue, vectors
        jobs.register(
            reflect_kind(database, clock),
            cleanup_kind(database, registry, clock),
            train_kind(database, registry, clock),
            vectors_kind(vectors),
        )

    def reflect(self, who: Principal, request: ReflectRequest) -> ReflectAnswer:
        """Have the last hours looked through for facts; raises ForbiddenError below writer."""
        who.acting_as(request.tenant_id, request.agent_id, Role.WRITER)
        payload = request.model_dump(include=set(ReflectWork.model_fields))
        return ReflectAnswer(job_id=self._queue.submit(request.tenant_id, request.agent_id, REFLECT, payload))

    def train(self, who: Principal, request: TrainRequest) -> QueuedAnswer:
        """Have a model of the tenant fitted anew; raises ForbiddenError below admin."""
        who.acting_as(request.tenant_id, who.agent_id, Role.ADMIN)
        payload = request.model_dump(mode="json", include=set(TrainWork.model_fields))
        return QueuedAnswer(
            job_id=self._queue.submit(request.tenant_id, who.agent_id, TRAIN, payload),
            notes=f"The {request.model_kind} is fitted from the last {request.lookback_days} days' signals; "
            "what is better than the active version becomes the canary.",
        )

    def cleanup(self, who: Principal, request: CleanupRequest) -> QueuedAnswer:
        """Have the tenant's expired items deleted for good; raises ForbiddenError below admin."""
        who.acting_as(request.tenant_id, who.agent_id, Role.ADMIN)
        payload = request.model_dump(include=set(CleanupWork.model_fields))
        return QueuedAnswer(
            job_id=self._queue.submit(request.tenant_id, who.agent_id, CLEANUP, payload),
            notes=f"What expired {request.grace_hours} hours ago or earlier is deleted for good.",
        )

    def nightly_cleanup(self) -> str:
        """Have a worker delete what expired in every tenant a day ago or earlier; a sentence on it."""
        tenants = select(memory_items.c.tenant_id).where(memory_items.c.expires_at.is_not(None)).distinct()
        with self._database.read() as conn:
            found = list(conn.execute(tenants).scalars())
        work = CleanupWork(grace_hours=_NIGHTLY_GRACE_HOURS).model_dump()
        for tenant_id in found:
            self._queue.submit(tenant_id, NOBODY, CLEANUP, work)
        return f"Queued for {len(found)} tenants." if len(found) > 1 else "Queued." if found else "Nothing expires."

    def embed(self) -> None:
        """Have a worker give items their vectors, if any has none and no worker has been asked for that yet."""
        if self._vectors.fault or not self._vectors.is_behind():
            return

        def ask(conn: Connection) -> None:
            if not self._queue.is_open(conn, NOBODY, VECTORS):
                self._queue.enqueue(conn, NOBODY, VECTORS, VECTORS, {})

        self._database.write(ask)
