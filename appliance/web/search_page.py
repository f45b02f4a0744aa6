"""The page Search: recall, with why each thing matched and where it stands."""

import re
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from urllib.parse import quote

from markupsafe import Markup, escape
from pydantic import BaseModel, Field

from appliance.errors import NotFoundError
from appliance.memory.lexical import stem
from appliance.memory.models import Budget, ExplainedItem, InspectRequest, RecallRequest, Scope, TrustLevel
from appliance.notebook.finding import terms_of
from appliance.text import fold, words
from appliance.web.endpoint import Request, View, page, render
from appliance.web.markdown import marked_html
from appliance.web.moments import Moment, moment_of

_MOST = 30
_MOST_LINES = 200
_WORD = re.compile(r"[^\W_]+")
_START = 60  # characters of an item that name it elsewhere on the page
_CONFLICT = "possible_conflict:"


class Asked(BaseModel):
    """What is searched for; `exact`: word for word in the notebook's files, instead of by meaning in everything."""

    q: str = Field("", max_length=1024)
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One match as the page shows it."""

    id: str
    html: Markup
    type: str
    trust: str
    moment: Moment
    why: str
    file: str | None
    line: int | None
    link: str
    source_ref: str | None


@page("/search", query=Asked)
def search(request: Request) -> View:
    """Search everything remembered."""
    query = request.query.q.strip()
    if request.query.exact:
        return _exactly(query, request)
    if not query:
        return render("search.html", query="", results=[], conflicts=[], exact=False)
    box, who = request.box, request.principal
    answer = box.memory.recall(
        who,
        RecallRequest(
            tenant_id=box.config.core.tenant,
            agent_id=who.agent_id,
            scope=Scope.TEAM,
            query=query,
            budget=Budget(max_items=_MOST, max_tokens=32_000),
            explain=True,
        ),
    )
    items = [item for item in answer.items if isinstance(item, ExplainedItem)]
    starts = {item.memory_id: _start(item.text) for item in items}
    pairs = [name.removeprefix(_CONFLICT).split(":") for name in answer.conflicts]
    return render(
        "search.html",
        query=query,
        exact=False,
        results=[_found(item, request) for item in items],
        conflicts=[[(each, starts[each]) for each in pair] for pair in pairs],
        recall=answer.trace_id,
        ranked_by=answer.model_version,
    )


def _exactly(query: str, request: Request) -> View:
    """The lines that have the words, with those around them, by file."""
    terms = terms_of(query)
    lines = request.box.notebook.find(query, _MOST_LINES + 1)
    more, lines = len(lines) > _MOST_LINES, lines[:_MOST_LINES]
    by_file = [
        (path, f"/memory?path={quote(path)}", [(each, _with_terms(each.text, terms)) for each in found])
        for path, found in groupby(lines, key=lambda each: each.path)
    ]
    return render("search.html", query=query, exact=True, by_file=by_file, count=len(lines), more=more)


def _with_terms(line: str, terms: list[str]) -> Markup:
    """`line` escaped, with the terms in <mark> where they stand as they were typed but for case."""
    pattern = "|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True))
    at, pieces = 0, []
    for match in re.finditer(pattern, line, re.IGNORECASE) if pattern else ():
        pieces += [escape(line[at : match.start()]), Markup("<mark>{}</mark>").format(match.group())]
        at = match.end()
    return Markup("").join([*pieces, escape(line[at:])])


def _found(item: ExplainedItem, request: Request) -> Found:
    return Found(
        item.memory_id,
        marked_html(item.text, partial(marked, stems={stem(word) for word in item.why}), item.file or ""),
        item.type.value,
        _trust(item.memory_id, request).value.replace("_", " "),
        moment_of(item.occurred_at, request.box),
        ", ".join(item.why),
        item.file,
        item.line,
        f"/memory?path={quote(item.file)}#L{item.line}" if item.file else "",
        item.source_ref,
    )


def _trust(memory_id: str, request: Request) -> TrustLevel:
    who = request.principal
    asked = InspectRequest(tenant_id=request.box.config.core.tenant, agent_id=who.agent_id, scope=Scope.TEAM)
    try:
        return request.box.memory.inspect(who, memory_id, asked).trust_level
    except NotFoundError:
        return TrustLevel.UNTRUSTED_WEB  # forgotten a moment ago


def marked(text: str, stems: set[str]) -> Markup:
    """`text` escaped, with the words that have one of the stems in <mark>."""
    pieces: list[Markup | str] = []
    at = 0
    for match in _WORD.finditer(text):
        start, end = _span(match, stems)
        if start == end:
            continue
        pieces += [text[at:start], Markup("<mark>{}</mark>").format(text[start:end])]
        at = end
    pieces.append(text[at:])
    return Markup("").join(pieces)


def _span(match: re.Match[str], stems: set[str]) -> tuple[int, int]:
    """Which part of a word matches: all of it, the matching characters of an unsegmented run, or nothing."""
    word = match.group()
    if stem(fold(word)) in stems:
        return match.span()
    if word.isascii() or not any(each in stems for each in words(word)):
        return 0, 0
    found = [word.find(each) for each in stems if each in word]
    if not found:
        return match.span()
    start = min(found)
    end = max(word.find(each) + len(each) for each in stems if each in word)
    return match.start() + start, match.start() + end


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _START else line[: _START - 1].rstrip() + "…"
