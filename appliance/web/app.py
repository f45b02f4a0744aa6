"""The WSGI application of a box, and on one page the whole life of a request:

size → key → JSON → fields → permission → existence → work → answer; the first fault wins (contract memory-api,
Errors).
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

import bottle
from pydantic import BaseModel

from appliance.errors import ForbiddenError, MemboxError, NotFoundError, UnauthorizedError
from appliance.principal import Role
from appliance.web import pages, tailnet
from appliance.web.auth import Gate
from appliance.web.endpoint import HTML, WEB, Answer, Door, Endpoint, Reach, Request, View, endpoints
from appliance.web.errors import MethodError, answer_for, internal_error
from appliance.web.reading import check_size, read_fields

if TYPE_CHECKING:
    from appliance.box import Box

log = logging.getLogger(__name__)

# Importing a module registers its endpoints.
ENDPOINT_MODULES = (
    "memory_api",
    "models_api",
    "work_api",
    "capture",
    "session_api",
    "access_api",
    "box_api",
    "hold_api",
    "targets_api",
    "harvest_api",
    "llm_api",
    "notify_api",
    "reindex_api",
    "secrets_api",
    "meta",
    "metrics_api",
    "openapi",
    "today",
    "notebook_pages",
    "search_page",
    "verdicts",
    "devices_page",
    "activity_page",
    "refresh_page",
    "editor",
    "lines_api",
    "refresh_api",
    "static_files",
)
for _module in ENDPOINT_MODULES:
    import_module(f"appliance.web.{_module}")

# Bottle asks a method's patterns before it says that the path knows other methods only; so each known path refuses
# these itself, and a known word is never taken for an id.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY")

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

StartResponse = Callable[..., Any]


class App:
    """Serves a box at one door."""

    def __init__(self, box: "Box", door: Door) -> None:
        self._box = box
        self._door = door
        self._gate = Gate(box.access, box.config, door)
        self._router = self._routes([each for each in endpoints() if self._serves(each)])

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """One WSGI request (PEP 3333)."""
        began = perf_counter()
        environ["PATH_INFO"] = _readable(environ.get("PATH_INFO", ""))
        route, answer = self._answer(environ)
        self._box.metrics.request(route, answer.status, perf_counter() - began)
        return _sent(answer, environ["REQUEST_METHOD"], start_response)

    def _answer(self, environ: dict[str, Any]) -> tuple[str, Answer]:
        """The endpoint that a request is for, empty when there is none, and its answer."""
        try:
            tailnet.receive(environ, self._door.name)
        except ForbiddenError as error:
            return "", answer_for(error)
        (route, serve), params = self._router.match(environ)
        return route, serve(environ, params)

    def answer(self, endpoint: Endpoint, environ: dict[str, Any], params: dict[str, str]) -> Answer:
        """The life of a request."""
        request = Request(self._box, endpoint, environ, self._door, params)
        try:
            check_size(request)
            began = perf_counter()
            self._gate.admit(request)
            if endpoint.stages:
                self._box.metrics.stage(f"{endpoint.stages}.auth", perf_counter() - began)
            read_fields(request)
            permit(request)
            return finished(endpoint.function(request), request)
        except UnauthorizedError as error:
            return _to_sign_in() if endpoint.reach is Reach.PERSON else answer_for(error, endpoint)
        except MemboxError as error:
            if error.__cause__ is not None:
                log.warning("%s: %s", endpoint.name, error.sentence, exc_info=error)
            return answer_for(error, endpoint)
        except Exception:  # the outermost edge: logged whole, told without its inside
            log.exception("%s failed", endpoint.name)
            return internal_error(endpoint)

    def _serves(self, each: Endpoint) -> bool:
        is_page = each.content_type == HTML
        return self._door.name in each.doors and (self._box.config.daemon.web_ui_enabled or not is_page)

    def _routes(self, served: list[Endpoint]) -> Any:
        router = bottle.Router()
        known: dict[str, list[str]] = defaultdict(list)
        for each in served:
            router.add(each.path, each.method, (each.name, partial(self.answer, each)))
            known[each.path].append(each.method)
        for path, methods in known.items():
            allow = [*methods, "HEAD"] if "GET" in methods else methods
            for method in (name for name in _METHODS if name not in allow):
                router.add(path, method, _refuse(MethodError(allow)))
        router.add(r"<:re:[\s\S]*>", "ANY", _refuse(NotFoundError("not_found")))
        return router


def make_app(box: "Box", door: str | Door = WEB) -> App:
    """The WSGI application of `box` for one door."""
    return App(box, Door(door) if isinstance(door, str) else door)


def permit(request: Request) -> None:
    """Decide whether the caller may do this at all; what it may see is decided where the things are.

    Raises:
        ForbiddenError: `tenant_mismatch`, `agent_mismatch`, `insufficient_role`, the first that applies.
    """
    endpoint = request.endpoint
    if endpoint.reach is Reach.OPEN:
        return
    caller, role = request.principal, endpoint.role or Role.CAPTURE
    if endpoint.reach is Reach.NAMED:
        named = request.body if request.body is not None else request.query
        caller.acting_as(named.tenant_id, named.agent_id, role)
    elif endpoint.reach is Reach.TENANT:
        caller.acting_as(request.body.tenant_id, caller.agent_id, role)
    elif endpoint.reach is Reach.ANY:
        caller.require(role)
    else:
        caller.acting_as(request.box.access.tenant, caller.agent_id, role)
        if endpoint.reach is Reach.OWNER and not caller.owner:
            raise ForbiddenError("insufficient_role", "Only the box's owner may do this, signed in or on the box.")


def finished(result: Any, request: Request) -> Answer:
    """What an endpoint's function returned, as an answer."""
    if isinstance(result, Answer):
        return result
    if isinstance(result, BaseModel):
        return Answer(request.endpoint.status, result.__pydantic_serializer__.to_json(result))
    if isinstance(result, View):
        return Answer(result.status, pages.rendered(result, request).encode(), HTML)
    raise TypeError(f"{request.endpoint.name} returned {type(result).__name__}")


def _refuse(error: MemboxError) -> tuple[str, Callable[[dict[str, Any], dict[str, str]], Answer]]:
    return "", lambda _environ, _params: answer_for(error)


def _to_sign_in() -> Answer:
    return Answer(303, b"", HTML, (("Location", "/sign-in"),))


def _sent(answer: Answer, method: str, start_response: StartResponse) -> list[bytes]:
    """An answer as WSGI wants it. Bottle's own responses, made for more, take as long as the rest of a request."""
    headers = [*pages.security_headers(answer), *answer.headers]
    if answer.status not in _WITHOUT_BODY:
        headers += [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
    start_response(_STATUS_LINES[answer.status], headers)
    return [] if method == "HEAD" or answer.status in _WITHOUT_BODY else [answer.body]


def _readable(path: str) -> str:
    """The path as text, its bytes taken for UTF-8: what is not becomes U+FFFD, which names nothing."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")
