"""Recalls that somebody judged: what each candidate measured, and how helpful the judged ones were."""

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from appliance.memory import scoring
from appliance.memory.models import ItemType
from appliance.memory.registry_models import ModelKind
from appliance.memory.traces import FEATURE_SET, verdict_on
from appliance.storage.schema import memory_items, model_signals, recall_trace_items, recall_traces
from appliance.text import words

_MOST = 1_000  # recalls, those judged last
_MOST_VERDICTS = 20_000
_items, _signals, _t, _i = memory_items.c, model_signals.c, recall_traces.c, recall_trace_items.c


@dataclass(frozen=True, slots=True)
class JudgedRecall:
    """The candidates of one recall, best first.

    Args:
        question: the same for recalls that had the same candidates, which is as much as is known of the question.
        features: a row for each candidate.
        grades: 0 (not helpful) to 1 (helpful) for each candidate; None for one that nobody judged.
    """

    question: str
    features: Sequence[Sequence[float]]
    grades: Sequence[float | None]

    @property
    def tells_an_order(self) -> bool:
        """Whether something helped, and something else helped less or was not judged."""
        return any(self.grades) and len(set(self.grades)) > 1


def judged_recalls(conn: Connection, tenant_id: str, kind: ModelKind, since: int) -> list[JudgedRecall]:
    """The tenant's recalls judged since then (epoch ms), measured as the model of that kind does.

    A signal of either kind counts whose source is ``rec_…:mem_…``; of several about one item of one recall the last.
    """
    verdicts = _verdicts(conn, tenant_id, since)
    columns, measure = _MEASURED[kind]
    asked = (
        select(_i.trace_id, _items.memory_id, *columns)
        .join(recall_traces, _t.id == _i.trace_id)
        .join(memory_items, _items.id == _i.item_id)
        .where(_t.tenant_id == tenant_id, _t.feature_set == FEATURE_SET, _t.id.in_(list(verdicts)))
        .order_by(_i.trace_id, _i.position)
    )
    candidates: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in conn.execute(asked):
        candidates[row.trace_id].append(row)
    return [_judged(rows, verdicts[trace], measure) for trace, rows in candidates.items()]


def _verdicts(conn: Connection, tenant_id: str, since: int) -> dict[int, dict[str, float]]:
    """By trace and memory id, 0 to 1."""
    said = (
        select(_signals.source, _signals.value)
        .where(_signals.tenant_id == tenant_id, _signals.created_at >= since, _signals.source.startswith("rec"))
        .order_by(_signals.created_at.desc(), _signals.id.desc())
        .limit(_MOST_VERDICTS)
    )
    verdicts: dict[int, dict[str, float]] = {}
    for source, value in conn.execute(said):
        if (verdict := verdict_on(source)) is None:
            continue
        trace, memory_id = verdict
        if trace in verdicts or len(verdicts) < _MOST:
            verdicts.setdefault(trace, {}).setdefault(memory_id, min(max(value, 0.0), 1.0))
    return verdicts


def _judged(
    rows: Sequence[Row[Any]], verdict: dict[str, float], measure: Callable[[Row[Any]], Sequence[float]]
) -> JudgedRecall:
    named = " ".join(sorted(row.memory_id for row in rows))
    return JudgedRecall(
        hashlib.sha256(named.encode()).hexdigest(),
        [measure(row) for row in rows],
        [verdict.get(row.memory_id) for row in rows],
    )


def _for_reranker(row: Row[Any]) -> Sequence[float]:
    return array("f", row.features)


def _for_salience(row: Row[Any]) -> Sequence[float]:
    return scoring.salience_features(ItemType(row.type), words(row.text))


_MEASURED: dict[ModelKind, tuple[Sequence[ColumnElement[Any]], Callable[[Row[Any]], Sequence[float]]]] = {
    ModelKind.RERANKER: ((_i.features,), _for_reranker),
    ModelKind.SALIENCE: ((_items.type, _items.text), _for_salience),
}
