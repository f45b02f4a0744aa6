"""The page Today, what it needs without a connection, and what other apps share with it."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from markupsafe import Markup
from pydantic import BaseModel

from appliance.clock import local
from appliance.errors import NotFoundError
from appliance.notebook import journal
from appliance.notebook.journal import Entry
from appliance.web import markdown
from appliance.web.endpoint import HTML, Answer, Request, View, endpoint, page, render
from appliance.web.reading import read_bytes

_ABOUT = re.compile(r"(?:\*\*(?P<title>.+?)\*\*(?: · |$))?(?P<rest>(?:tags #|#|from <|via ).*)?")
_SHARED = ("title", "text", "url")


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry of the day as the page shows it; lines are those of the day's file."""

    clock: str
    first_line: int
    last_line: int
    title: Markup
    html: Markup
    about: Markup


@page("/")
def today(request: Request) -> View:
    """Today: the capture box and the day's notes."""
    box = request.box
    now = local(box.clock(), box.config.core.timezone)
    file = box.notebook.today()
    try:
        document = box.notebook.read(file)
    except NotFoundError:
        entries, version = [], 0  # nothing written today
    else:
        entries, version = [_shown(entry, file) for entry in reversed(journal.parse(document.text))], document.version
    date = f"{now.day} {now:%B %Y}"
    return render("today.html", weekday=f"{now:%A}", date=date, file=file, version_shown=version, entries=entries)


@page("/offline", open_to_all=True)
def offline(_request: Request) -> View:
    """What the service worker keeps for when the box cannot be reached."""
    return render("offline.html")


class Shared(BaseModel):
    """What another app shares; longer texts than the capture box takes are cut there."""

    title: str = ""
    text: str = ""
    url: str = ""


@endpoint("GET", "/share", role=None, query=Shared, content_type=HTML, status=303, summary="Take what an app shares.")
def share_by_link(request: Request) -> Answer:
    """Put what is shared into the capture box."""
    return _into_capture_box(request.query.model_dump())


@endpoint("POST", "/share", role=None, content_type=HTML, status=303, summary="Take what an app shares.")
def share(request: Request) -> Answer:
    """The same, where no service worker has taken it: nothing is stored before the person says so."""
    fields = dict(parse_qsl(read_bytes(request).decode(errors="replace")))
    return _into_capture_box({name: fields.get(name, "") for name in _SHARED})


def _into_capture_box(shared: dict[str, str]) -> Answer:
    # In the fragment, which stays in the browser: what is shared belongs in no log.
    filled = {name: value for name, value in shared.items() if value}
    fragment = urlencode(filled, quote_via=quote)
    return Answer(303, b"", HTML, (("Location", f"/#{fragment}" if fragment else "/"),))


def _shown(entry: Entry, file: str) -> Shown:
    title, about, body = _taken_apart(entry)
    skipped = entry.text.count("\n") - body.count("\n")
    return Shown(
        entry.time[:5],
        entry.first_line,
        entry.last_line,
        markdown.inline_html(title),
        markdown.to_html(body, file, entry.first_line + 2 + skipped),
        markdown.inline_html(about),
    )


def _taken_apart(entry: Entry) -> tuple[str, str, str]:
    """Title, the other words about it, and the text of an entry (`journal.entry_text`)."""
    first, _, rest = entry.text.partition("\n\n")
    match = _ABOUT.fullmatch(first) if entry.captured and rest else None
    if match is None:
        return "", "", entry.text
    return match["title"] or "", (match["rest"] or "").removeprefix("tags "), rest.lstrip("\n")
