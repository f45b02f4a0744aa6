"""Errors at the web doors: one table from class to status, one form of body (contract memory-api, Errors)."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from appliance.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedReplyError,
    MemboxError,
    NoProviderError,
    NotConfiguredError,
    NotFoundError,
    PreconditionError,
    ProviderError,
    RefusedError,
    StorageError,
    StorageFullError,
    TooLargeError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)
from appliance.web.endpoint import Answer, Endpoint

STATUS: dict[type[MemboxError], int] = {
    InvalidError: 422,
    PreconditionError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    TooLargeError: 413,
    TooManyError: 429,
    UnavailableError: 503,
    NotConfiguredError: 409,  # the box's settings stand against it, and coming back later would not help
    RefusedError: 409,
    NoProviderError: 424,
    ProviderError: 502,
    MalformedReplyError: 502,
    StorageFullError: 507,
    StorageError: 500,
}

_HEADERS = {
    401: (("WWW-Authenticate", "Bearer"),),
    429: (("Retry-After", "60"),),
}

Fault = dict[str, Any]


class MethodError(MemboxError):
    """The path exists, the method does not; `allow` is what does."""

    def __init__(self, allow: Sequence[str]) -> None:
        super().__init__("method_not_allowed")
        self.allow = ", ".join(sorted(allow))


def answer_for(error: MemboxError, endpoint: Endpoint | None = None) -> Answer:
    """The answer an error of ours becomes."""
    if isinstance(error, MethodError):
        return Answer(405, _json({"detail": error.word}), headers=(("Allow", error.allow),))
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if endpoint is not None and endpoint.refuse is not None:
        status, body = endpoint.refuse(status, error)
    else:
        body = _body(error, explain=endpoint is None or endpoint.path.startswith("/v1/"))
    return Answer(status, _json(body), headers=_headers(status, error))


def _headers(status: int, error: MemboxError) -> tuple[tuple[str, str], ...]:
    if isinstance(error, UnavailableError):
        return (("Retry-After", str(error.retry_after)),)
    return _HEADERS.get(status, ())


def _body(error: MemboxError, explain: bool) -> dict[str, Any]:
    if isinstance(error, InvalidError):
        return {"detail": error.detail if isinstance(error.detail, list) else [fault((), error.sentence, error.word)]}
    body: dict[str, Any] = {"detail": error.word}
    if isinstance(error, ConflictError) and error.detail is not None:
        body["conflict"] = error.detail
    # The memory API's bodies are fixed; ours also say, in a sentence, what to do.
    if explain and error.sentence != error.word:
        body["message"] = error.sentence
    return body


def fault(loc: Sequence[str | int], msg: str, kind: str) -> Fault:
    """One entry of a 422's list."""
    return {"loc": list(loc), "msg": msg, "type": kind}


def invalid(where: str, error: ValidationError) -> InvalidError:
    """What pydantic found wrong with the request's body or query, as a 422; what was sent is not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return InvalidError("invalid", detail=[fault((where, *each["loc"]), each["msg"], each["type"]) for each in found])


def internal_error(endpoint: Endpoint) -> Answer:
    """The answer to a fault of ours: that there is one, and nothing of its inside."""
    word = "error" if endpoint.refuse is not None else "detail"
    return Answer(500, _json({word: "internal_error"}))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
