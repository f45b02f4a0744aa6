"""Job kind `reflect`: which statements of the last hours are worth keeping as facts (contract memory-api, Jobs).

Without a language model: a statement counts as it is repeated, decided, important or specific, by what its item weighs.
What a summary says was said before, and counts only where it was said. The job's result holds no words but where they
stand, so that what is forgotten or expires leaves it too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from appliance.clock import Clock, to_ms
from appliance.jobs import Finish, Job, Kind, Result, Running
from appliance.memory import summaries
from appliance.memory.compact import meaning
from appliance.memory.conflicts import claim
from appliance.memory.models import ItemType, Scope
from appliance.memory.registry_models import ModelKind
from appliance.memory.routing import route
from appliance.memory.scoring import HEDGES, IMPORTANCE
from appliance.memory.sentences import spans
from appliance.memory.visibility import visible_to
from appliance.memory.work_models import ReflectWork
from appliance.storage import Database
from appliance.storage.schema import memory_items
from appliance.text import content_words, words

REFLECT = "reflect"
_HOUR_MS = 3_600_000
_LOOKED_AT = 2000  # items, the newest first
_FEWEST_WORDS, _LONGEST = 3, 400  # of a statement: meaningful words, characters
_SOURCES = 8  # named with a fact
_KNOWN = 0.5  # what a statement counts for that is an item of its own already
_WORTH = {"repeated": 0.3, "decided": 0.3, "important": 0.25, "specific": 0.1}
_DECIDED = re.compile(
    r"\b(?:decid\w+|agree[ds]?|chose|chosen|settled|confirmed|approved|will|shall|must|always|never|from now on"
    r"|prefers?|switch(?:ed|ing) to|moved? to|no longer|instead of|deadline|due|promised?|committed|plans? to)\b",
    re.IGNORECASE,
)
_items = memory_items.c


@dataclass(slots=True)
class Statement:
    """A sentence, the newest item that says it, and where it stands in each that does: where it begins and ends."""

    row: Row[Any]
    text: str
    sources: dict[str, tuple[int, int]] = field(default_factory=dict)
    is_known: bool = False
    why: Sequence[str] = ()
    worth: float = 0.0


def reflect_kind(database: Database, clock: Clock) -> Kind:
    """The kind `reflect`."""

    def work(running: Running) -> Finish:
        asked, job = running.payload(ReflectWork), running.job
        now = to_ms(clock())
        with database.read() as conn:
            rows = conn.execute(
                select(memory_items)
                .where(visible_to(job.tenant_id, job.agent_id, Scope.TEAM, now), ~summaries.is_summary())
                .where(_items.occurred_at > now - asked.window_hours * _HOUR_MS)
                .order_by(_items.occurred_at.desc(), _items.id.desc())
                .limit(_LOOKED_AT)
            ).all()
            routed = route(conn, job.tenant_id, ModelKind.RERANKER)
        facts = [_stored(each) for each in facts_in(rows)[: asked.max_candidates]]
        return lambda _conn: {"facts": facts, "model_version": routed.version, "model_route": routed.route}

    return Kind(REFLECT, work, tell=lambda conn, job, explain: _told(conn, job, explain, to_ms(clock())))


def facts_in(rows: Sequence[Row[Any]]) -> list[Statement]:
    """The statements of items, newest first, that are worth keeping, the worthiest first."""
    said: dict[object, Statement] = {}
    for row in rows:
        for first, last in spans(row.text):
            if not _states(text := row.text[first:last]):
                continue
            statement = said.setdefault(meaning(text), Statement(row, text))
            statement.sources.setdefault(row.memory_id, (first, last))
            is_all = last - first >= len(row.text.strip()) - 1
            statement.is_known |= is_all and row.type in (ItemType.FACT, ItemType.POLICY)
    common = Counter(word for each in said.values() for word in set(content_words(each.text)))
    for each in said.values():
        _weigh(each, common)
    return sorted(
        said.values(), key=lambda each: (-each.worth, -each.row.occurred_at, each.row.id)
    )  # then as they stand


def _states(text: str) -> bool:
    """Whether a sentence can be a fact: not a question, not a greeting, not a wall of text."""
    return not text.endswith(("?", "？")) and len(text) <= _LONGEST and len(content_words(text)) >= _FEWEST_WORDS


def _weigh(statement: Statement, common: Mapping[str, int]) -> None:
    text, row = statement.text, statement.row
    text_words = words(text)
    marks = {
        "repeated": len(statement.sources) > 1,
        "decided": _DECIDED.search(text) is not None,
        "important": not IMPORTANCE.isdisjoint(text_words),
        "specific": bool(claim(text).values),
    }
    statement.why = [name for name, holds in marks.items() if holds]
    spoken_of = sum(common[word] > 1 for word in set(content_words(text))) / len(text_words)
    worth = sum(_WORTH[name] for name in statement.why) + 0.1 * spoken_of
    worth += 0.05 * min(len(statement.sources), 6) + 0.3 * row.salience + 0.2 * row.confidence
    worth -= 0.2 * (not HEDGES.isdisjoint(text_words)) + 0.1 * text.endswith("!")
    statement.worth = round(max(worth, 0.0) * row.trust * (_KNOWN if statement.is_known else 1.0), 6)


def _stored(statement: Statement) -> dict[str, Any]:
    return {
        "sources": [(memory_id, *span) for memory_id, span in list(statement.sources.items())[:_SOURCES]],
        "why": list(statement.why),
        "known": statement.is_known,
    }


def _told(conn: Connection, job: Job, explain: bool, now: int) -> Result:
    """The result as its agent may see it at `now`: the facts whose words still stand; explained, with their sources."""
    result = job.result or {}
    texts = _texts(conn, job, {memory_id for fact in result["facts"] for memory_id, _, _ in fact["sources"]}, now)
    answer: Result = {"candidate_facts": [], **{name: result[name] for name in ("model_version", "model_route")}}
    sources = []
    for fact in result["facts"]:
        if standing := [source for source in fact["sources"] if source[0] in texts]:
            memory_id, first, last = standing[0]
            answer["candidate_facts"].append(texts[memory_id][first:last])
            ids = [source[0] for source in standing]
            sources.append({"source_memory_ids": ids, "why": fact["why"], "known": fact["known"]})
    return answer | {"sources": sources} if explain else answer


def _texts(conn: Connection, job: Job, memory_ids: Iterable[str], now: int) -> dict[str, str]:
    seen = visible_to(job.tenant_id, job.agent_id, Scope.TEAM, now)
    asked = select(_items.memory_id, _items.text).where(_items.memory_id.in_(list(memory_ids)), seen)
    return {row.memory_id: row.text for row in conn.execute(asked)}
