"""The notebook's lines over JSON: who wrote them, finding, ticking and forgetting them (contract notebook, Editor)."""

from typing import Annotated

from pydantic import BaseModel, Field

from appliance.errors import ConflictError
from appliance.notebook.models import FoundLine, LineOrigin, Saved
from appliance.principal import Role
from appliance.web.editor import FilePath, FileQuery, Number
from appliance.web.endpoint import Request, endpoint

LineNumber = Annotated[int, Field(ge=1, le=2**31)]


class ForgetLines(BaseModel):
    """Lines to forget, 1-based and inclusive, as they stand in `base_version`, where it is named."""

    path: FilePath
    first_line: LineNumber
    last_line: LineNumber
    base_version: Number | None = None


class Tick(BaseModel):
    """The box on a line, 1-based, as it stands in `base_version`."""

    path: FilePath
    line: LineNumber
    done: bool
    base_version: Number


class SearchQuery(BaseModel):
    """Words, and phrases in double quotes, that a line has all of."""

    q: Annotated[str, Field(min_length=1, max_length=1024)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class FoundLines(BaseModel):
    """The lines found, the newest files first."""

    lines: list[FoundLine]


class LineQuery(BaseModel):
    """Which line, 1-based, of which file."""

    path: FilePath
    line: LineNumber


class Lines(BaseModel):
    """Every line with the version that brought it."""

    lines: list[LineOrigin]


class Forgotten(BaseModel):
    """That it is gone."""

    path: str
    forgotten: bool = True


@endpoint(
    "GET",
    "/v1/notebook/lines",
    role=Role.READER,
    query=FileQuery,
    answer=Lines,
    errors=(404, 422),
    summary="Who wrote which line, and when.",
)
def lines(request: Request) -> Lines:
    """Every line's origin."""
    return Lines(lines=request.box.notebook.past.origins(request.query.path))


@endpoint(
    "GET",
    "/v1/notebook/line",
    role=Role.READER,
    query=LineQuery,
    answer=Lines,
    errors=(404, 422),
    summary="What a line is and was before, newest first.",
)
def line(request: Request) -> Lines:
    """A line's story."""
    return Lines(lines=request.box.notebook.past.story(request.query.path, request.query.line))


@endpoint(
    "GET",
    "/v1/notebook/search",
    role=Role.READER,
    query=SearchQuery,
    answer=FoundLines,
    summary="Find lines word for word, in every file.",
)
def search(request: Request) -> FoundLines:
    """Lines that have all the words."""
    return FoundLines(lines=request.box.notebook.find(request.query.q, request.query.limit))


@endpoint(
    "POST",
    "/v1/notebook/tick",
    role=Role.ADMIN,
    body=Tick,
    answer=Saved,
    errors=(404, 409),
    summary="Tick a task's box, or clear it.",
)
def tick(request: Request) -> Saved:
    """Tick a box."""
    asked = request.body
    return request.box.notebook.tick(asked.path, asked.line, asked.done, asked.base_version, request.principal.agent_id)


@endpoint(
    "POST",
    "/v1/notebook/forget",
    role=Role.ADMIN,
    body=ForgetLines,
    answer=Forgotten,
    errors=(404, 409),
    summary="Remove lines from a file, the archive and every past version.",
)
def forget(request: Request) -> Forgotten:
    """Forget lines for good, unless they are not the ones the person saw."""
    asked = request.body
    if asked.base_version is not None:
        _check_unmoved(request, asked, asked.base_version)
    request.box.notebook.forget(asked.path, asked.first_line, asked.last_line, request.principal.agent_id)
    return Forgotten(path=asked.path)


def _check_unmoved(request: Request, asked: ForgetLines, base_version: int) -> None:
    notebook = request.box.notebook
    current = notebook.read(asked.path)
    if current.version == base_version:
        return
    chosen = slice(asked.first_line - 1, asked.last_line)
    seen = notebook.past.version(asked.path, base_version).split("\n")[chosen]
    if current.text.split("\n")[chosen] != seen:
        raise ConflictError("lines_moved", f"{asked.path} has changed meanwhile; look at it again, then forget.")
