"""The capture door: a note from a phone, a script or a page (contract notebook, Capture)."""

from typing import Any

import bottle
from pydantic import BaseModel, ValidationError

from appliance.errors import InvalidError, MemboxError, NotFoundError, TooLargeError
from appliance.notebook.models import MAX_NOTE_BYTES, Note
from appliance.principal import Principal, Role
from appliance.web.endpoint import CAPTURE, LOCAL, SERVE, SOCKET, WEB, Reach, Request, endpoint
from appliance.web.errors import fault, invalid
from appliance.web.reading import content_length, parse_json, parse_pairs, read_bytes

_MAX_KEY = 128
_DOORS = frozenset({WEB, SERVE, CAPTURE, SOCKET, LOCAL})
_FORM = "application/x-www-form-urlencoded"


class NoteAnswer(BaseModel):
    """That the note is durable, in the day's file and recallable, under the heading of this time of day."""

    ok: bool
    timestamp: str


class CaptureHealth(BaseModel):
    """That the capture door answers."""

    ok: bool


def refuse(status: int, error: MemboxError) -> tuple[int, dict[str, Any]]:
    """This door's own form of errors: ``{"error": …}``."""
    if status == 401:
        return 401, {"error": "unauthorized"}
    if isinstance(error, InvalidError):
        return 400, {"error": _what_is_wrong(error)}
    return status, {"error": error.word}


@endpoint(
    "POST",
    "/note",
    role=Role.CAPTURE,
    reach=Reach.ANY,
    answer=NoteAnswer,
    errors=(400, 404, 409, 413),
    max_body=None,  # judged below: here the token comes before the size
    token_header="X-Memsync-Token",  # noqa: S106 - a header's name
    refuse=refuse,
    doors=_DOORS,
    request_media={"application/json": Note, _FORM: Note, "text/plain": None},
    summary="Capture a note; 200 means it is durable, in the file, and can be recalled.",
)
def note(request: Request) -> NoteAnswer:
    """Capture a note."""
    if not request.box.config.daemon.capture_enabled:
        raise NotFoundError("capture_disabled")
    if content_length(request) > MAX_NOTE_BYTES:
        raise TooLargeError("note_too_large")
    given = _given(request)
    if not given.text.strip():
        raise InvalidError("empty note")
    captured = request.box.notebook.capture(
        given, _author(request.principal, request.box.access.tenant), _idempotency_key(request)
    )
    return NoteAnswer(ok=True, timestamp=captured.timestamp)


@endpoint("GET", "/health", role=None, answer=CaptureHealth, doors=_DOORS, summary="Whether the capture door answers.")
def health(_request: Request) -> CaptureHealth:
    """That the capture door answers."""
    return CaptureHealth(ok=True)


def _given(request: Request) -> Note:
    """The note in whichever of its forms it came."""
    kind = str(request.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _from_form(_multipart(request))
    data = read_bytes(request)
    if kind == "text/plain":
        return _from_form({"text": _text(data)})
    # `curl -d '{…}'` announces a form; what begins with a brace is meant as JSON.
    if kind == _FORM and not data.lstrip().startswith(b"{"):
        return _from_form(parse_pairs(data, "body"))
    return parse_json(Note, data)


def _from_form(fields: dict[str, str]) -> Note:
    """A note from texts; its tags are one text with commas."""
    given: dict[str, Any] = dict(fields)
    if "tags" in given:
        given["tags"] = [tag for tag in given["tags"].split(",") if tag.strip()]
    try:
        return Note.model_validate(given)
    except ValidationError as error:
        raise invalid("body", error) from None


def _multipart(request: Request) -> dict[str, str]:
    try:
        form = bottle.BaseRequest(request.environ).forms
        return {name: form.getunicode(name) for name in form}
    except (bottle.HTTPError, LookupError, ValueError):  # malformed, an unknown charset, not in its charset
        raise _invalid("the form is not readable") from None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _invalid("the text is not UTF-8") from None


def _idempotency_key(request: Request) -> str | None:
    key = request.header("Idempotency-Key")
    if len(key) > _MAX_KEY:
        raise _invalid(f"the Idempotency-Key may have {_MAX_KEY} characters")
    return key or None


def _author(principal: Principal, tenant: str) -> str:
    """Any key may capture (contract memory-api, Endpoints); one of another tenant says so in the history."""
    own = principal.tenant_id == tenant
    return principal.agent_id if own else f"{principal.tenant_id}/{principal.agent_id}"[:128]


def _invalid(what: str) -> InvalidError:
    return InvalidError("invalid", detail=[fault(("body",), what, "invalid")])


def _what_is_wrong(error: InvalidError) -> str:
    first = error.detail[0] if isinstance(error.detail, list) and error.detail else None
    if first is None:
        return error.word
    if first["type"] == "missing" or (first["loc"] == ["body", "text"] and first["type"] == "string_type"):
        return "missing 'text' field"
    field = ".".join(str(part) for part in first["loc"][1:])
    return f"{field}: {first['msg']}" if field else str(first["msg"])
