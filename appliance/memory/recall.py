"""Answering a query: candidates → rank → pack, then what contradicts what (contract memory-api, Recall)."""

import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from sqlalchemy import ColumnElement, Connection, and_

from appliance.memory.candidates import CandidateSource, Query, candidates
from appliance.memory.conflicts import conflicts
from appliance.memory.context import beside
from appliance.memory.graph import expand
from appliance.memory.models import (
    NOTEBOOK_REF,
    ExplainedItem,
    Filters,
    RecallAnswer,
    RecallAnswerInContext,
    RecalledItem,
    RecallRequest,
)
from appliance.memory.pack import pack
from appliance.memory.rank import Ranked, rank
from appliance.memory.registry_models import ModelKind
from appliance.memory.routing import route
from appliance.memory.traces import Traces, new_trace_id
from appliance.memory.visibility import visible_to
from appliance.metrics import Laps
from appliance.settings import Graph
from appliance.storage import Database
from appliance.storage.schema import memory_items

_CANDIDATES = 60  # at least; three for each item asked for
_LOCATION = re.compile(r"notebook:(?P<file>.+)#L(?P<line>\d+)-L\d+")


def recall(
    conn: Connection,
    database: Database,
    sources: Sequence[CandidateSource],
    request: RecallRequest,
    now: int,
    zone: tzinfo,
    graph: Graph,
    traces: Traces,
    lap: Laps,
) -> RecallAnswer:
    """The items that best answer `request`, for a caller whose tenant and agent were checked.

    `now` is in epoch ms; the days that a question names are days of `zone`.
    """
    routed = route(conn, request.tenant_id, ModelKind.RERANKER)
    query = Query.of(request.tenant_id, request.query, now, zone)
    visible = and_(visible_to(request.tenant_id, request.agent_id, request.scope, now), *_passes(request.filters))
    limit = max(_CANDIDATES, 3 * request.budget.max_items)
    found = candidates(conn, sources, query, visible, limit)
    lap("store")
    ranked = rank(query, found, now, routed.weights)
    lap("rank")
    trace_id = new_trace_id()
    traces.note(
        request.tenant_id, trace_id, request.budget.max_items, [(each.row.id, each.features) for each in ranked]
    )
    if graph.enabled:
        ranked = expand(conn, database, ranked, visible, graph)
        lap("graph")
    chosen, tokens = pack(ranked, request.budget)
    lap("pack")
    answer = RecallAnswer(
        items=[_explained(item) for item in chosen] if request.explain else [_plain(item) for item in chosen],
        composed_tokens_estimate=tokens,
        conflicts=conflicts([(item.row.memory_id, item.row.text) for item in chosen]),
        trace_id=trace_id,
        model_version=routed.version,
        model_route=routed.route,
    )
    if request.context is None:
        return answer
    context, context_tokens = beside(conn, chosen, visible, request.context)
    lap("context")
    return RecallAnswerInContext(**dict(answer), context=context, context_tokens_estimate=context_tokens)


def _passes(filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.trust_min > 0:
        yield memory_items.c.trust >= filters.trust_min
    if types := dict.fromkeys(filters.types or ()):  # each once: a statement takes only so many values
        yield memory_items.c.type.in_(types)
    if filters.notebook:
        yield memory_items.c.source_ref.startswith(NOTEBOOK_REF)


_FIELDS = ("memory_id", "type", "text", "confidence", "salience", "source_ref", "created_at")


def _plain(item: Ranked) -> RecalledItem:
    return RecalledItem.model_validate({field: getattr(item.row, field) for field in _FIELDS})


def _explained(item: Ranked) -> ExplainedItem:
    location = _LOCATION.fullmatch(item.row.source_ref or "")
    return ExplainedItem.model_validate(
        {field: getattr(item.row, field) for field in _FIELDS}
        | {
            "why": item.matched,
            "file": location["file"] if location else None,
            "line": int(location["line"]) if location else None,
            "occurred_at": item.row.occurred_at,
        }
    )
