"""OpenAPI 3.1 of everything the daemon serves, derived from the registry; the fuzz tests run from it."""

import json
import re
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from appliance import __version__
from appliance.principal import Role
from appliance.web.auth import COOKIE
from appliance.web.endpoint import HTML, JSON, WEB, Answer, Endpoint, Reach, Request, endpoint, endpoints


class ErrorBody(BaseModel):
    """What went wrong, in the contract's word; under /v1 also in a sentence, and a conflict with both sides."""

    detail: str
    message: str | None = None
    conflict: Any = None


class Fault(BaseModel):
    """One thing wrong with a request's fields."""

    loc: list[str | int]
    msg: str
    type: str


class InvalidBody(BaseModel):
    """Everything found wrong with a request's fields."""

    detail: list[Fault]


class CaptureError(BaseModel):
    """What went wrong, at the capture door."""

    error: str


_MEANING = {
    200: "Done.",
    202: "Begun, or asked for.",
    303: "Nobody is signed in; to the sign-in page.",
    304: "Unchanged.",
    400: "Not understandable as a request.",
    401: "No key, or not a valid one.",
    403: "Not allowed to this caller.",
    404: "There is no such thing, or none the caller may see.",
    409: "Conflicts with what is stored.",
    413: "Larger than the limit.",
    422: "Malformed JSON or bad fields.",
    424: "No language model can be asked.",
    429: "Too many wrong keys.",
    431: "Headers larger than the limit.",
    500: "A fault of the box.",
    502: "A language model failed.",
    503: "The box cannot answer now.",
    507: "The disk is full.",
}
# Any request may be too garbled or large for the server, come from the internet or under a foreign name, or meet a box
# that stumbles or closes.
_ALWAYS = {400, 403, 413, 431, 500, 503}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}, {"session": []}]
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-brainstem-api-key"},
    "captureToken": {"type": "apiKey", "in": "header", "name": "X-Memsync-Token"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "A signed-in browser; to change something it also sends X-CSRF-Token and its Origin.",
    },
}


@endpoint("GET", "/openapi.json", role=None, summary="This document.")
def openapi(_request: Request) -> Answer:
    """The document, made once."""
    return _document_answer()


@lru_cache(maxsize=1)
def _document_answer() -> Answer:
    return Answer(200, json.dumps(document()).encode())


def document() -> dict[str, Any]:
    """The OpenAPI document of every registered endpoint."""
    names, definitions = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints():
        paths.setdefault(each.template, {})[each.method.lower()] = _operation(each, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "membox", "version": __version__, "summary": "A memory box."},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": definitions, "securitySchemes": _SCHEMES},
    }


def statuses(each: Endpoint) -> set[int]:
    """Every status an endpoint may answer with."""
    found = {each.status, *each.errors} | _ALWAYS
    if each.reach is not Reach.OPEN:
        found |= {401, 429}
    if each.reach is Reach.PERSON:
        found |= {303, 404}
    if each.method != "GET":
        found |= {507}
    if each.body is not None or each.query is not None or each.parameters:
        found |= {422}
    return found


def _operation(each: Endpoint, names: dict[tuple[type[BaseModel], str], dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{each.method.lower()}{each.template}").rstrip("_"),
        "summary": each.summary,
        "description": _who(each),
        "parameters": [*_path_parameters(each), *_query_parameters(each.query)],
        "responses": {str(status): _response(each, status, names) for status in sorted(statuses(each))},
    }
    media = each.request_media or ({JSON: each.body} if each.body else {})
    if media:
        content = {kind: {"schema": names[model, "validation"] if model else {}} for kind, model in media.items()}
        operation["requestBody"] = {"required": True, "content": content}
    if each.reach is Reach.PERSON:
        operation["security"] = [{"session": []}]
    elif each.reach is not Reach.OPEN:
        operation["security"] = [*_SECURITY, *([{"captureToken": []}] if each.token_header else [])]
    return operation


def _who(each: Endpoint) -> str:
    role = (each.role or Role.CAPTURE).word
    where = "" if WEB in each.doors else " Only through the box's own socket."
    return {
        Reach.OPEN: "Open to all.",
        Reach.ANY: f"Any key, least role {role}.",
        Reach.NAMED: f"Least role {role}, in the tenant and for the agent the request names.",
        Reach.TENANT: f"Least role {role}, in the tenant the request names.",
        Reach.BOX: f"Least role {role}, in the box's own tenant.",
        Reach.OWNER: "The box's owner.",
        Reach.PERSON: "A signed-in person.",
    }[each.reach] + where


def _path_parameters(each: Endpoint) -> list[dict[str, Any]]:
    known = _fields(each.path_fields).get("properties", {})
    any_text = {"type": "string", "minLength": 1}
    return [
        {"name": name, "in": "path", "required": True, "schema": known.get(name, any_text)} for name in each.parameters
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    schema = _fields(query)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema.get("properties", {}).items()
    ]


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    """The schema of texts that a path or a query gives."""
    if model is None:
        return {}
    return model.model_json_schema(mode="validation", ref_template="#/components/schemas/{model}")


def _response(each: Endpoint, status: int, names: dict[tuple[type[BaseModel], str], dict[str, Any]]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _MEANING[status]}
    if status == each.status:
        model = names[each.answer, "serialization"] if each.answer else {}
        response["content"] = {each.content_type.partition(";")[0]: {"schema": model}}
    elif status >= 400:
        model_type = CaptureError if each.refuse else InvalidBody if status == 422 else ErrorBody
        response["content"] = {JSON: {"schema": names[model_type, "serialization"]}}
        if each.content_type == HTML and status in (404, 422):
            response["content"]["text/html"] = {"schema": {}}  # a page may say it to a person
    return response


def _schemas() -> tuple[dict[tuple[type[BaseModel], str], dict[str, Any]], dict[str, Any]]:
    """Every model's reference, and the definitions these point to."""
    taken = [model for each in endpoints() for model in (each.body, each.query, *each.request_media.values()) if model]
    given = [each.answer for each in endpoints() if each.answer] + [ErrorBody, InvalidBody, CaptureError]
    wanted = [(model, "validation") for model in taken] + [(model, "serialization") for model in given]
    names, schema = models_json_schema(
        list(dict.fromkeys(wanted)),  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    return dict(names), schema.get("$defs", {})  # type: ignore[arg-type]
