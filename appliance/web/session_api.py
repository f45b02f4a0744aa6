"""The door of agents' sessions: what their hooks say, and the same calls for agents without any (docs/sessions.md)."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from appliance.agents.sessions.models import (
    MOST_TOKENS,
    After,
    Beside,
    Entry,
    Event,
    HookAnswer,
    Kept,
    Project,
    Recovered,
)
from appliance.principal import Role
from appliance.web.endpoint import Answer, Request, endpoint

_MOST_CHARACTERS = 1024
_MOST_DIGITS = 9
_TOKENS = re.compile(
    r'"(?:input_tokens|cache_creation_input_tokens|cache_read_input_tokens|output_tokens)": ?(\d{1,9})'
)


class RecoverQuery(BaseModel):
    """Which project, within how many tokens, and after what: a resumed or compacted context, or a fresh start."""

    model_config = ConfigDict(frozen=True)

    project: Project = ""
    max_tokens: Annotated[int, Field(ge=200, le=MOST_TOKENS)] = 4000
    after: After = "resume"


class BufferQuery(BaseModel):
    """Of which project; of all by default."""

    model_config = ConfigDict(frozen=True)

    project: Project = ""


@endpoint(
    "POST",
    "/v1/session/hook",
    role=Role.WRITER,
    body=Event,
    answer=HookAnswer,
    summary="What a hook of Claude Code says; 200 means that it is durable. The answer is the hook's output.",
)
def hook(request: Request) -> Answer:
    """Take in a hook's event."""
    answer = request.box.sessions.hook(request.principal.agent_id, request.body, beside(request))
    return Answer(200, answer.model_dump_json(by_alias=True, exclude_none=True).encode())


@endpoint(
    "POST",
    "/v1/session/buffer",
    role=Role.WRITER,
    body=Entry,
    answer=Kept,
    summary="Write into the working buffer, before the agent goes on; 200 means that it is durable.",
)
def write(request: Request) -> Kept:
    """Write into the buffer."""
    return request.box.sessions.write(request.principal.agent_id, request.body)


@endpoint("GET", "/v1/session/buffer", role=Role.READER, query=BufferQuery, answer=Kept, summary="The working buffer.")
def buffer(request: Request) -> Kept:
    """What stands in the buffer."""
    return request.box.sessions.kept(request.query.project)


@endpoint(
    "GET",
    "/v1/session/recover",
    role=Role.READER,
    query=RecoverQuery,
    answer=Recovered,
    summary="What an agent needs to go on: buffer, curated memory, log, todos and lessons, quoted, within a budget.",
)
def recover(request: Request) -> Recovered:
    """The recovery bundle."""
    asked = request.query
    return request.box.sessions.recover(asked.project, asked.max_tokens, asked.after)


def beside(request: Request) -> Beside:
    """What the hook's client says in headers. They never refuse a hook: what makes no sense is left out."""
    tokens = [int(found) for found in _TOKENS.findall(_header(request, "X-Membox-Usage"))]
    failures = _header(request, "X-Membox-Hook-Failures")
    return Beside(
        project=_header(request, "X-Membox-Project"),
        machine=_header(request, "X-Membox-Machine"),
        context_tokens=sum(tokens) if tokens else None,
        failures=int(failures) if failures.isascii() and failures.isdigit() and len(failures) < _MOST_DIGITS else 0,
    )


def _header(request: Request, name: str) -> str:
    """A header as text: its bytes are UTF-8, which WSGI hands on as Latin-1."""
    return request.header(name).encode("latin-1", "replace").decode(errors="replace")[:_MOST_CHARACTERS]
