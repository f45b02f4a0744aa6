"""Summing up what a query finds, in the sources' own sentences (contract memory-api, Compact).

Nothing here depends on chance: the same items give the same summary. Each line of a summary is a sentence of one of its
sources, so that what is forgotten later can be found in it (`summaries`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from appliance.memory import similarity, summaries
from appliance.memory.candidates import CandidateSource, Query
from appliance.memory.conflicts import claim
from appliance.memory.lexical import stem
from appliance.memory.models import NewItem, Scope, TrustLevel
from appliance.memory.rank import search
from appliance.memory.remember import insert_items, new_row
from appliance.memory.scoring import TRUST
from appliance.memory.sentences import sentences, spans
from appliance.memory.visibility import alive, visible_to
from appliance.memory.work_models import CompactAnswer, CompactRequest
from appliance.storage.schema import memory_items
from appliance.text import content_words, estimate_tokens

_CANDIDATES = 60  # at least; three for each source asked for
_STANDING = 0.4  # what salience, confidence and freshness add, at most, to a relevance of 1
_ASKED = 2.0  # how much more a sentence with all words of the query is worth than its source
_items = memory_items.c


@dataclass(frozen=True, slots=True)
class Source:
    """An item to sum up, what it is worth, and as much of its text as there is room for."""

    row: Row[Any]
    worth: float
    text: str


@dataclass(frozen=True, slots=True)
class _Sentence:
    source: Source
    position: int
    text: str
    worth: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary that is not stored yet."""

    request: CompactRequest
    sources: Sequence[Source]  # those that its lines come from, the worthiest first
    lines: Sequence[str]
    input_tokens: int
    warnings: Sequence[str]

    @property
    def text(self) -> str:
        """Its lines."""
        return "\n".join(self.lines)

    def answer(self, memory_id: str | None) -> CompactAnswer:
        """What the caller gets once it is stored as `memory_id`; None: there was nothing to store."""
        tokens = estimate_tokens(self.text) if self.lines else 0
        saved = 1 - tokens / self.input_tokens if self.lines else 0.0
        return CompactAnswer(
            created_memory_id=memory_id,
            source_memory_ids=[source.row.memory_id for source in self.sources],
            source_count=len(self.sources),
            input_tokens_estimate=self.input_tokens,
            output_tokens_estimate=tokens,
            reduction_ratio=round(max(0.0, saved), 4),
            summary_text=self.text,
            warnings=list(self.warnings),
        )


def compose(
    conn: Connection, found_by: Sequence[CandidateSource], request: CompactRequest, now: int, zone: tzinfo
) -> Summary:
    """Sum up what answers the query, of items that everybody may see who will see the summary."""
    query = Query.of(request.tenant_id, request.query, now, zone)
    sources = _sources(conn, found_by, query, request, now)
    read = sum(estimate_tokens(source.text) for source in sources)
    if not sources:
        return Summary(request, (), (), 0, ["no_source_memories"])
    chosen, is_cut = _chosen(sources, query, request.target_tokens)
    if not chosen:
        return Summary(request, (), (), read, ["summary_generation_failed"])
    told = sorted(chosen, key=lambda each: (each.source.row.occurred_at, each.source.row.id, each.position))
    used = [source for source in sources if any(each.source is source for each in chosen)]
    return Summary(request, used, [each.text for each in told], read, ["summary_truncated"] if is_cut else [])


def store(conn: Connection, summary: Summary, now: int) -> str | None:
    """Keep the summary with links to its sources; its id, or None when a source has gone or changed meanwhile."""
    ids = [source.row.id for source in summary.sources]
    still = select(_items.memory_id, _items.text).where(_items.id.in_(ids), alive(now)).with_for_update(read=True)
    standing = {(row.memory_id, row.text) for row in conn.execute(still)}
    if standing != {(source.row.memory_id, source.row.text) for source in summary.sources}:
        return None
    row = _row(summary, now)
    bands = similarity.sketch(row["tenant_id"], content_words(row["text"]))
    (row_id,) = insert_items(conn, [row], [bands])
    summaries.link(conn, row_id, ids)
    return str(row["memory_id"])


def _sources(
    conn: Connection, found_by: Sequence[CandidateSource], query: Query, request: CompactRequest, now: int
) -> list[Source]:
    """The worthiest items for the query, within both limits of the input."""
    visible = and_(visible_to(request.tenant_id, request.agent_id, request.scope, now), _not_narrower(request.scope))
    limit = max(_CANDIDATES, 3 * request.max_source_items)
    ranked = search(conn, found_by, query, visible, limit, now)
    oldest = min((each.row.occurred_at for each in ranked), default=0)
    newest = max((each.row.occurred_at for each in ranked), default=0)

    def worth(row: Row[Any], relevance: float) -> float:
        freshness = (row.occurred_at - oldest) / (newest - oldest) if newest > oldest else 1.0
        standing = 0.5 * row.salience + 0.35 * row.confidence + 0.15 * freshness
        return float(min(relevance, 1.0) * (1 - _STANDING + _STANDING * standing))

    valued = sorted(
        ((worth(each.row, each.score), each.row) for each in ranked), key=lambda each: (-each[0], each[1].id)
    )
    return list(_within(valued[: request.max_source_items], request.input_max_tokens))


def _not_narrower(scope: Scope) -> ColumnElement[bool]:
    """Items seen at least as widely as a summary in `scope`, less other summaries: their sources are there."""
    wide = {Scope.PRIVATE: list(Scope), Scope.TEAM: [Scope.TEAM, Scope.GLOBAL], Scope.GLOBAL: [Scope.GLOBAL]}
    return and_(_items.scope.in_([each.value for each in wide[scope]]), ~summaries.is_summary())


def _within(valued: Sequence[tuple[float, Row[Any]]], tokens: int) -> Iterator[Source]:
    """As many whole items as fit; of the first one as much as fits."""
    left = tokens
    for worth, row in valued:
        if left == tokens or estimate_tokens(row.text) <= left:
            text = row.text if estimate_tokens(row.text) <= left else _beginning(row.text, left)
            left -= estimate_tokens(text)
            yield Source(row, worth, text)


def _beginning(text: str, tokens: int) -> str:
    """As many whole sentences of `text` as fit; of the first one as much as fits."""
    fitting = [last for _, last in spans(text) if estimate_tokens(text[:last]) <= tokens]
    return text[: fitting[-1]] if fitting else cut(text, tokens)


def _chosen(sources: Sequence[Source], query: Query, tokens: int) -> tuple[list[_Sentence], bool]:
    """The worthiest sentences that fit into `tokens`, each said once; and whether anything had to be left out."""
    worthiest = sorted(_distinct(sources, query), key=lambda each: -each.worth)  # stable: then in the sources' order
    chosen: list[_Sentence] = []
    left = tokens
    for each in worthiest:
        if (cost := estimate_tokens(each.text + "\n")) <= left:
            chosen.append(each)
            left -= cost
    if not chosen and worthiest:
        first = worthiest[0]
        chosen = [_Sentence(first.source, first.position, cut(first.text, tokens), first.worth)]
        return chosen, True
    return chosen, len(chosen) < len(worthiest)


def _distinct(sources: Sequence[Source], query: Query) -> Iterator[_Sentence]:
    asked = {stem(word) for word in query.words}
    said: set[tuple[bool, tuple[str, ...]]] = set()
    for source in sources:
        for position, text in enumerate(sentences(source.text)):
            if (meant := meaning(text))[1] and meant not in said:
                said.add(meant)
                share = len(asked.intersection(meant[1])) / max(len(asked), 1)
                yield _Sentence(source, position, text, source.worth * (1 + _ASKED * share))


def meaning(text: str) -> tuple[bool, tuple[str, ...]]:
    """What makes two sentences say the same: whether they deny, and the stems of their meaningful words, in order."""
    return claim(text).negated, tuple(stem(word) for word in content_words(text))


def cut(text: str, tokens: int) -> str:
    """The beginning of a longer `text` that takes at most `tokens`, cut between words unless one is very long."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if estimate_tokens(text[:middle] + summaries.CUT_OFF) <= tokens:
            low = middle
        else:
            high = middle - 1
    whole = text[:low].rpartition(" ")[0].rstrip()
    return (whole if 2 * len(whole) > low else text[:low]) + summaries.CUT_OFF


def _row(summary: Summary, now: int) -> dict[str, Any]:
    """Never trusted more, nor kept longer, than the least of its sources."""
    rows, request = [source.row for source in summary.sources], summary.request
    ends = [moment for moment in (request.expires_at, *(row.expires_at for row in rows)) if moment is not None]
    item = NewItem.model_construct(
        type=request.output_type,
        text=summary.text,
        source_ref=request.source_ref,
        trust_level=min((TrustLevel(row.trust_level) for row in rows), key=TRUST.__getitem__),
        confidence=min(row.confidence for row in rows),
        salience=max(row.salience for row in rows),
        expires_at=min(ends, default=None),
        occurred_at=max(row.occurred_at for row in rows),
    )
    return new_row(request.tenant_id, request.agent_id, request.scope, item, summary.text, now)
