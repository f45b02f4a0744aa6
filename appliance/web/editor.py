"""The notebook over JSON: what the pages' scripts and `membox memory` use (contract notebook, Editor)."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import ConflictError
from appliance.notebook.models import Document, DocumentInfo, FoundLine, LineOrigin, Saved, VersionInfo
from appliance.principal import Role
from appliance.web import markdown
from appliance.web.endpoint import Request, endpoint

FilePath = Annotated[str, Field(min_length=1, max_length=400)]
Number = Annotated[int, Field(ge=0, le=2**31)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileQuery(_Model):
    """Which file."""

    path: FilePath


class HistoryQuery(_Model):
    """Which changes, newest first; `before` continues a list: a version number of the file, or a time in ms."""

    path: FilePath | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    before: Annotated[int, Field(ge=0, le=2**53)] | None = None


class VersionQuery(_Model):
    """Which version of which file."""

    path: FilePath
    number: Number


class DiffQuery(_Model):
    """Two versions of a file; 0 is the empty text before the first."""

    path: FilePath
    old: Number
    new: Number


class Save(_Model):
    """A file's new text, on top of the version it was made from (0: a new file)."""

    path: FilePath
    text: str
    base_version: Number
    allow_empty: bool = False


class Unsaved(_Model):
    """A text not saved yet, and the version it was made from."""

    path: FilePath
    text: str
    base_version: Number


class Text(_Model):
    """Markdown to render."""

    text: str


class Restore(_Model):
    """The version a file shall go back to."""

    path: FilePath
    number: Annotated[int, Field(ge=1, le=2**31)]


class File(_Model):
    """A file."""

    path: FilePath


class ForgetLines(_Model):
    """Lines to forget, 1-based and inclusive, as they stand in `base_version`, where it is named."""

    path: FilePath
    first_line: Annotated[int, Field(ge=1, le=2**31)]
    last_line: Annotated[int, Field(ge=1, le=2**31)]
    base_version: Number | None = None


class Tick(_Model):
    """The box on a line, 1-based, as it stands in `base_version`."""

    path: FilePath
    line: Annotated[int, Field(ge=1, le=2**31)]
    done: bool
    base_version: Number


class SearchQuery(_Model):
    """Words, and phrases in double quotes, that a line has all of."""

    q: Annotated[str, Field(min_length=1, max_length=1024)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class FoundLines(_Model):
    """The lines found, the newest files first."""

    lines: list[FoundLine]


class LineQuery(_Model):
    """Which line, 1-based, of which file."""

    path: FilePath
    line: Annotated[int, Field(ge=1, le=2**31)]


class Documents(_Model):
    """The files there are."""

    documents: list[DocumentInfo]


class History(_Model):
    """Changes, newest first."""

    versions: list[VersionInfo]


class VersionText(_Model):
    """A version's whole text."""

    path: str
    number: int
    text: str


class Diff(_Model):
    """A unified diff; empty when nothing differs."""

    diff: str


class Html(_Model):
    """Rendered Markdown, safe to show."""

    html: str


class Lines(_Model):
    """Every line with the version that brought it."""

    lines: list[LineOrigin]


class Forgotten(_Model):
    """That it is gone."""

    path: str
    forgotten: bool = True


@endpoint("GET", "/v1/notebook/documents", role=Role.READER, answer=Documents, summary="The notebook's files.")
def documents(request: Request) -> Documents:
    """Every file with its tier, version, size and last change."""
    return Documents(documents=request.box.notebook.documents())


@endpoint(
    "GET",
    "/v1/notebook/document",
    role=Role.READER,
    query=FileQuery,
    answer=Document,
    errors=(404, 422),
    summary="A file's current text and version.",
)
def document(request: Request) -> Document:
    """One file."""
    return request.box.notebook.read(request.query.path)


@endpoint(
    "PUT",
    "/v1/notebook/document",
    role=Role.ADMIN,
    body=Save,
    answer=Saved,
    errors=(404, 409, 413),
    summary="Save a file: merged where that is clean, else refused with both sides.",
)
def save(request: Request) -> Saved:
    """Save on top of the version the writer read."""
    new = request.body
    return request.box.notebook.save(new.path, new.text, new.base_version, _author(request), new.allow_empty)


@endpoint(
    "GET",
    "/v1/notebook/history",
    role=Role.READER,
    query=HistoryQuery,
    answer=History,
    errors=(404, 422),
    summary="Changes of one file or of all.",
)
def history(request: Request) -> History:
    """Changes, newest first."""
    asked = request.query
    return History(versions=request.box.notebook.past.history(asked.path, asked.limit, asked.before))


@endpoint(
    "GET",
    "/v1/notebook/version",
    role=Role.READER,
    query=VersionQuery,
    answer=VersionText,
    errors=(404, 422),
    summary="A file's text as it was.",
)
def version(request: Request) -> VersionText:
    """One version, whole."""
    path, number = request.query.path, request.query.number
    return VersionText(path=path, number=number, text=request.box.notebook.past.version(path, number))


@endpoint(
    "GET",
    "/v1/notebook/diff",
    role=Role.READER,
    query=DiffQuery,
    answer=Diff,
    errors=(404, 422),
    summary="What changed between two versions.",
)
def diff(request: Request) -> Diff:
    """A unified diff between two versions."""
    asked = request.query
    return Diff(diff=request.box.notebook.past.diff(asked.path, asked.old, asked.new))


@endpoint(
    "POST",
    "/v1/notebook/diff",
    role=Role.READER,
    body=Unsaved,
    answer=Diff,
    errors=(404,),
    summary="What saving this text would change.",
)
def diff_before_saving(request: Request) -> Diff:
    """A unified diff from the version that was read to the text that would be saved."""
    new = request.body
    return Diff(diff=request.box.notebook.past.diff_text(new.path, new.base_version, new.text))


@endpoint("POST", "/v1/notebook/preview", role=Role.READER, body=Text, answer=Html, summary="Markdown as safe HTML.")
def preview(request: Request) -> Html:
    """What a text will look like."""
    return Html(html=str(markdown.to_html(request.body.text)))


@endpoint(
    "POST",
    "/v1/notebook/restore",
    role=Role.ADMIN,
    body=Restore,
    answer=Saved,
    errors=(404,),
    summary="Make an old version the newest.",
)
def restore(request: Request) -> Saved:
    """Go back to a version, as a new one."""
    return request.box.notebook.restore(request.body.path, request.body.number, _author(request))


@endpoint(
    "POST",
    "/v1/notebook/undo",
    role=Role.ADMIN,
    body=File,
    answer=Saved,
    errors=(404,),
    summary="Take the last change of a file back.",
)
def undo(request: Request) -> Saved:
    """Go back to the version before the last, as a new one."""
    return request.box.notebook.undo(request.body.path, _author(request))


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
    return request.box.notebook.tick(asked.path, asked.line, asked.done, asked.base_version, _author(request))


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
    request.box.notebook.forget(asked.path, asked.first_line, asked.last_line, _author(request))
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


def _author(request: Request) -> str:
    return request.principal.agent_id
