"""What a request carries, read and checked: its size, its JSON, its query, its path.

U+0000 is refused everywhere, because one of the two databases cannot store it; lone surrogates are refused by the
JSON parser and by the UTF-8 of query and path.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from appliance.errors import InvalidError, TooLargeError
from appliance.web.endpoint import Request
from appliance.web.errors import fault, invalid

_MAX_FIELDS = 100


def check_size(request: Request) -> None:
    """Refuse a body over the endpoint's limit by its announced length, before any of it is read.

    The server buffers whole requests and sets the length of chunked ones, so the announced length is the true one.
    """
    limit = request.endpoint.max_body
    if limit is not None and content_length(request) > limit:
        raise TooLargeError("body_too_large", f"The body may have {limit} bytes.")


def content_length(request: Request) -> int:
    """The announced length of the body in bytes."""
    text = str(request.environ.get("CONTENT_LENGTH") or "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidError("bad_content_length", detail=[fault(("header", "Content-Length"), "Not a length", "int")])
    return int(text)


def read_bytes(request: Request) -> bytes:
    """The body as it came."""
    return bytes(request.environ["wsgi.input"].read(content_length(request)))


def read_fields(request: Request) -> None:
    """Fill in the request's body and query from its bytes.

    Raises:
        InvalidError: with the list of what is wrong.
    """
    endpoint = request.endpoint
    for name, value in request.params.items():
        if "\0" in value:
            raise _null_character(("path", name))
    if endpoint.path_fields is not None:
        request.params = dict(parse_fields(endpoint.path_fields, request.params, "path"))
    if endpoint.query is not None:
        request.query = parse_fields(endpoint.query, parse_pairs(_query_bytes(request), "query"), "query")
    if endpoint.body is not None:
        request.body = parse_json(endpoint.body, read_bytes(request))


def parse_json[M: BaseModel](model: type[M], data: bytes) -> M:
    """`data` as `model`, straight from the bytes.

    Raises:
        InvalidError: malformed JSON, bad fields, or a character that cannot be stored.
    """
    try:
        value = model.model_validate_json(data)
    except ValidationError as error:
        raise invalid("body", error) from None
    # Rare, so the second look at the whole body costs only those who need it.
    if b"\\u0000" in data or b"NaN" in data or b"Infinity" in data:
        _look_closer(data)
    return value


def _look_closer(data: bytes) -> None:
    """Refuse U+0000 anywhere, known field or not, and the numbers JSON does not have."""
    try:
        parsed = json.loads(data, parse_constant=_no_number)
    except ValueError as error:
        raise InvalidError("json_invalid", detail=[fault(("body",), str(error), "json_invalid")]) from None
    if _holds_null(parsed):
        raise _null_character(("body",))


def _no_number(word: str) -> float:
    raise ValueError(f"Invalid JSON: {word} is not a number")


def _holds_null(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_null(each) for key, each in value.items())
    return isinstance(value, list) and any(map(_holds_null, value))


def parse_pairs(data: bytes, where: str) -> dict[str, str]:
    """The fields of a query or of an urlencoded form; of a repeated one the last counts.

    Raises:
        InvalidError: too many fields, or not UTF-8.
    """
    try:
        pairs = parse_qsl(data, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        return {name.decode(): value.decode() for name, value in pairs}
    except ValueError as error:
        raise InvalidError("unreadable", detail=[fault((where,), f"Not readable: {error}", "unreadable")]) from None


def parse_fields[M: BaseModel](model: type[M], fields: Mapping[str, str], where: str) -> M:
    """Fields that came as texts, as `model`.

    Raises:
        InvalidError: bad fields, or a character that cannot be stored.
    """
    for name, value in fields.items():
        if "\0" in name or "\0" in value:
            raise _null_character((where, name.replace("\0", "")))
    try:
        return model.model_validate_strings(dict(fields))
    except ValidationError as error:
        raise invalid(where, error) from None


def _query_bytes(request: Request) -> bytes:
    # WSGI gives the query's bytes as Latin-1; what they mean is UTF-8.
    return str(request.environ.get("QUERY_STRING", "")).encode("latin-1", "replace")


def _null_character(where: tuple[str, ...]) -> InvalidError:
    return InvalidError("null_character", detail=[fault(where, "U+0000 cannot be stored", "null_character")])
