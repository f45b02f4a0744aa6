"""What recalls looked at, kept for a while in numbers: a verdict on what they found teaches by it (memory/training.py).

A trace has no words: which items were candidates, and their features. Recall only notes it in memory; traces are
stored in batches, at a bounded rate, of which the newest come first. A verdict stores its trace at once.
"""

import hashlib
import re
import secrets
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

from sqlalchemy import Connection, delete, func, or_, select, update

from appliance.clock import Clock, to_ms
from appliance.memory.features import NAMES
from appliance.storage import Database
from appliance.storage.absent import insert_absent
from appliance.storage.schema import memory_items, recall_trace_items, recall_traces

FEATURE_SET = hashlib.sha256(",".join(NAMES).encode()).hexdigest()[:16]  # traces of other features teach nothing
MOST = 2_000  # of a tenant, judged and not judged
CANDIDATES = 16  # of a recall; all that were asked for, up to twice as many
_WAITING = 1_000  # in memory
_AT_ONCE = 64
_STORED_BETWEEN_PURGES = 512
_DAY_MS = 86_400_000
_UNJUDGED_MS, _JUDGED_MS = 7 * _DAY_MS, 180 * _DAY_MS
_FLOAT_BYTES = array("f").itemsize
_VERDICT = re.compile(r"rec_([0-9a-f]{16}):(\S+)")
_t, _i = recall_traces.c, recall_trace_items.c


@dataclass(frozen=True, slots=True)
class _Trace:
    tenant_id: str
    at: int
    item_ids: array[int]
    features: bytes


def new_trace_id() -> str:
    """An id for one recall: `rec_` and 16 hex digits."""
    return f"rec_{secrets.token_hex(8)}"


def verdict_on(source: str) -> tuple[int, str] | None:
    """(trace, memory id) that a signal's source names as ``rec_…:mem_…``; None for any other."""
    match = _VERDICT.fullmatch(source)
    return (_number(match[1]), match[2]) if match else None


class Traces:
    """The traces of a box's recalls. Thread safe."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._waiting: OrderedDict[int, _Trace] = OrderedDict()
        self._lock = Lock()
        self._stored = 0

    def note(
        self, tenant_id: str, trace_id: str, asked_for: int, ranked: Sequence[tuple[int, Sequence[float]]]
    ) -> None:
        """Keep a recall in mind, of `asked_for` items at most, where it leaves something to compare.

        `ranked` are the row ids of its candidates and their features (in the order of `NAMES`), best first.
        """
        if len(ranked) < 2:
            return
        item_ids, features = array("q"), array("f")
        for item_id, measured in ranked[: min(max(CANDIDATES, asked_for), 2 * CANDIDATES)]:
            item_ids.append(item_id)
            features.extend(measured)
        trace = _Trace(tenant_id, to_ms(self._clock()), item_ids, features.tobytes())
        with self._lock:
            self._waiting[_number(trace_id.removeprefix("rec_"))] = trace
            if len(self._waiting) > _WAITING:
                self._waiting.popitem(last=False)

    def store(self) -> None:
        """Store the newest traces that wait; the others wait on, or give way to newer ones."""
        with self._lock:
            newest = dict(islice(reversed(self._waiting.items()), _AT_ONCE))
        if not newest:
            return
        self._stored += len(newest)
        is_time = self._stored >= _STORED_BETWEEN_PURGES

        def work(conn: Connection) -> None:
            _store(conn, newest)
            if is_time:
                _purge(conn, to_ms(self._clock()))

        self._database.write(work, repeatable=True)
        self._stored = 0 if is_time else self._stored
        with self._lock:
            for number in newest:
                self._waiting.pop(number, None)

    def judged(self, conn: Connection, tenant_id: str, source: str, at: int) -> None:
        """A signal of `source` was recorded at `at` (epoch ms): if it judges a recall, its trace is kept longer."""
        if (verdict := verdict_on(source)) is None:
            return
        number, _ = verdict
        with self._lock:
            waiting = self._waiting.get(number)
        if waiting is not None and waiting.tenant_id == tenant_id:
            _store(conn, {number: waiting})
        conn.execute(update(recall_traces).where(_t.id == number, _t.tenant_id == tenant_id).values(judged_at=at))

    def purge(self) -> None:
        """Drop what can teach nothing any more."""
        self._database.write(lambda conn: _purge(conn, to_ms(self._clock())))


def _purge(conn: Connection, now: int) -> None:
    """Drop traces that nobody judged within a week, those too old to teach, and of each tenant all but the newest."""
    is_judged = _t.judged_at.is_not(None)
    age = func.row_number().over(partition_by=(_t.tenant_id, is_judged), order_by=_t.created_at.desc())
    aged = select(_t.id, age.label("age")).subquery()
    too_many = select(aged.c.id).where(aged.c.age > MOST)
    too_old = or_(_t.created_at < now - _JUDGED_MS, ~is_judged & (_t.created_at < now - _UNJUDGED_MS))
    if conn.execute(delete(recall_traces).where(or_(too_old, _t.id.in_(too_many)))).rowcount:
        conn.execute(delete(recall_trace_items).where(_i.trace_id.not_in(select(_t.id))))


def _store(conn: Connection, traces: dict[int, _Trace]) -> None:
    """Store traces that are not there yet, of their candidates those that are still there."""
    known = {item_id for trace in traces.values() for item_id in trace.item_ids}
    there = select(memory_items.c.id, memory_items.c.created_at).where(memory_items.c.id.in_(known))
    # Held until the end, so that none is forgotten meanwhile; one that is being forgotten just now is left out.
    held = conn.execute(there.with_for_update(read=True, key_share=True, skip_locked=True))
    born = {row.id: row.created_at for row in held}
    insert_absent(
        conn,
        recall_traces,
        [
            {"id": number, "tenant_id": trace.tenant_id, "feature_set": FEATURE_SET, "created_at": trace.at}
            for number, trace in traces.items()
        ],
    )
    insert_absent(
        conn,
        recall_trace_items,
        [
            {"item_id": item_id, "trace_id": number, "position": position, "features": features}
            for number, trace in traces.items()
            for position, (item_id, features) in enumerate(_each(trace))
            if born.get(item_id, trace.at + 1) <= trace.at  # a later item may have a forgotten one's row id
        ],
    )


def _each(trace: _Trace) -> Iterable[tuple[int, bytes]]:
    width = len(NAMES) * _FLOAT_BYTES
    for position, item_id in enumerate(trace.item_ids):
        yield item_id, trace.features[position * width : (position + 1) * width]


def _number(digits: str) -> int:
    """16 hex digits as the signed 64-bit number that a database keeps."""
    return int(digits, 16) - (1 << 63)
