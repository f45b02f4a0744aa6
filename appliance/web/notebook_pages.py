"""The pages that read, edit and look back: Memory and History."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from appliance.box import Box
from appliance.errors import MemboxError, NotFoundError
from appliance.notebook.documents import CURATED
from appliance.notebook.models import DocumentInfo, VersionInfo
from appliance.notebook.refresh.rules import constraint_lines
from appliance.web import markdown
from appliance.web.diffs import rows_of
from appliance.web.endpoint import Request, View, page, render
from appliance.web.moments import Moment, moment_of

_SHELVES = {
    "long-term": "Long-term memory",
    "active": "Now",
    "work": "Work",
    "progress": "Days",
    "other": "Your own files",
    "cold": "Archive",
}
_DAYS_LISTED = 14
_CHANGES_A_PAGE = 50


class FileAsked(BaseModel):
    """Which file a page is about; none for the first."""

    path: str = Field("", max_length=400)


class HistoryAsked(FileAsked):
    """Which part of the history: `before` a version number of the file, or for all files a time in milliseconds."""

    before: int | None = Field(None, ge=0, le=2**53)


class ChangeAsked(FileAsked):
    """A change: from one version (by default the one before) to another."""

    number: int = Field(ge=1, le=2**31)
    from_: int | None = Field(None, alias="from", ge=0, le=2**31)


class VersionAsked(FileAsked):
    """A version of a file."""

    number: int = Field(ge=1, le=2**31)


class LineAsked(FileAsked):
    """A line of a file, 1-based."""

    line: int = Field(ge=1, le=2**31)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file in the list."""

    path: str
    label: str
    changed: Moment


@dataclass(frozen=True, slots=True)
class Shelf:
    """The files of one tier; `hidden` more are not listed."""

    name: str
    files: list[Listed]
    hidden: int


@dataclass(frozen=True, slots=True)
class Change:
    """A version in the history, as the page lists it."""

    path: str
    number: int
    moment: Moment
    author: str
    reason: str
    added: int
    removed: int
    forgotten: bool


def _or_not_found(show: Callable[[Request], View]) -> Callable[[Request], View]:
    """A page of a thing that may not be there: says so, instead of an answer for programs."""

    def shown(request: Request) -> View:
        try:
            return show(request)
        except NotFoundError as error:
            file = request.query.path if _was_there(request) else ""
            return render("error.html", 404, title="Not there", sentence=error.sentence, file=file)
        except MemboxError as error:
            return render("error.html", 422, title="That cannot be shown", sentence=error.sentence)

    shown.__doc__ = show.__doc__
    return shown


def _was_there(request: Request) -> bool:
    try:
        return bool(request.box.notebook.past.history(request.query.path, 1))
    except MemboxError:
        return False


@page("/memory", query=FileAsked)
@_or_not_found
def memory(request: Request) -> View:
    """Memory: the files, and one of them rendered."""
    box, asked = request.box, request.query.path
    listed = box.notebook.documents()
    file = asked or (CURATED if any(info.path == CURATED for info in listed) else "")
    stand = box.refresh.state()
    decisions = stand.awaiting_approval + stand.offered
    context: dict[str, Any] = {
        "shelves": _shelves(listed, box),
        "index": not asked,
        "file": file,
        "decisions": decisions,
    }
    if file:
        document = box.notebook.read(file)
        context |= {
            "document": document,
            "changed": moment_of(document.changed_at, box),
            "html": markdown.to_html(document.text, file, can_tick=True, constraints=constraint_lines(document.text)),
            "parts": markdown.parts(document.text),
        }
    return render("memory.html", **context)


@page("/memory/edit", query=FileAsked)
@_or_not_found
def edit(request: Request) -> View:
    """The editor of one file, or of a new one."""
    file = request.query.path
    if not file:
        return render("edit.html", file="", text="", base_version=0)
    document = request.box.notebook.read(file)
    return render("edit.html", file=file, text=document.text, base_version=document.version)


@page("/history", query=HistoryAsked)
@_or_not_found
def history(request: Request) -> View:
    """History: every change, newest first."""
    box, asked = request.box, request.query
    found = box.notebook.past.history(asked.path or None, _CHANGES_A_PAGE, asked.before)
    older = ""
    if len(found) == _CHANGES_A_PAGE:
        older = "/history?" + urlencode(
            {"path": asked.path, "before": found[-1].number if asked.path else found[-1].created_at}
        )
    days = groupby((_change(each, box) for each in found), key=lambda change: change.moment.day)
    return render(
        "history.html",
        file=asked.path,
        files=[info.path for info in box.notebook.documents()],
        days=[(name, list(changes)) for name, changes in days],
        older=older,
    )


@page("/history/change", query=ChangeAsked)
@_or_not_found
def change(request: Request) -> View:
    """What one version changed, or what differs between two."""
    box, file, new = request.box, request.query.path, request.query.number
    old = request.query.from_ if request.query.from_ is not None else new - 1
    made = box.notebook.past.history(file, 1, new + 1)[0]
    return render(
        "change.html",
        file=file,
        old=old,
        new=new,
        latest=_latest(file, box),
        change=_change(made, box),
        rows=rows_of(box.notebook.past.diff(file, old, new)),
    )


@page("/history/version", query=VersionAsked)
@_or_not_found
def version(request: Request) -> View:
    """A file as it was."""
    file, number = request.query.path, request.query.number
    latest = _latest(file, request.box)
    html = markdown.to_html(request.box.notebook.past.version(file, number), file)
    return render("version.html", file=file, number=number, latest=latest, html=html)


@page("/history/lines", query=FileAsked)
@_or_not_found
def lines(request: Request) -> View:
    """Who wrote which line of a file, and when."""
    box, file = request.box, request.query.path
    rows = []
    before = 0
    for number, origin in enumerate(box.notebook.past.origins(file), 1):
        rows.append((number, origin, moment_of(origin.created_at, box), origin.version != before))
        before = origin.version
    return render("lines.html", file=file, rows=rows)


@page("/history/line", query=LineAsked)
@_or_not_found
def line(request: Request) -> View:
    """What one line of a file is and was before."""
    box, file, number = request.box, request.query.path, request.query.line
    story = [(each, moment_of(each.created_at, box)) for each in box.notebook.past.story(file, number)]
    return render("line.html", file=file, number=number, story=story)


def _latest(file: str, box: Box) -> int:
    # Not from the file: one that was deleted has a history too.
    return box.notebook.past.history(file, 1)[0].number


def _shelves(listed: Iterable[DocumentInfo], box: Box) -> list[Shelf]:
    shelves = []
    for tier, name in _SHELVES.items():
        files = [info for info in listed if info.tier == tier]
        if tier == "progress":
            files.sort(key=lambda info: info.path, reverse=True)
        shown = files[:_DAYS_LISTED] if tier == "progress" else files
        rows = [Listed(info.path, _label(info.path, tier), moment_of(info.changed_at, box)) for info in shown]
        if rows:
            shelves.append(Shelf(name, rows, len(files) - len(shown)))
    return shelves


def _label(path: str, tier: str) -> str:
    named = path.removesuffix(".md")
    return named.partition("/")[2] if tier in ("progress", "work", "cold") and "/" in named else named


def _change(info: VersionInfo, box: Box) -> Change:
    return Change(
        info.path,
        info.number,
        moment_of(info.created_at, box),
        info.author,
        info.reason,
        info.lines_added,
        info.lines_removed,
        info.removed,
    )
