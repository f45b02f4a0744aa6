"""The notebook over JSON: what the pages' scripts and `membox memory` use (contract notebook, Editor)."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from appliance.notebook.models import Document, DocumentInfo, Saved, VersionInfo
from appliance.notebook.refresh.rules import without_constraints
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


class UnsavedDiff(Diff):
    """What saving would change; `constraints` are the lines of hard constraints that it would take away."""

    constraints: list[str]


class Html(_Model):
    """Rendered Markdown, safe to show."""

    html: str


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
    answer=UnsavedDiff,
    errors=(404,),
    summary="What saving this text would change.",
)
def diff_before_saving(request: Request) -> UnsavedDiff:
    """A unified diff from the version that was read to the text that would be saved."""
    new, past = request.body, request.box.notebook.past
    diff = past.diff_text(new.path, new.base_version, new.text)
    before = past.version(new.path, new.base_version) if new.base_version else ""
    return UnsavedDiff(diff=diff, constraints=without_constraints(before, new.text))


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
    """Go back to the version before the last, as a new one; after a refresh, take that back, so that its notes wait."""
    path, author, box = request.body.path, _author(request), request.box
    made = box.refresh.decisions.made(path)
    if made is None:
        return box.notebook.undo(path, author)
    box.refresh.decisions.undo(author, made.id)
    document = box.notebook.read(path)
    return Saved(path=path, version=document.version, text=document.text)


def _author(request: Request) -> str:
    return request.principal.agent_id
