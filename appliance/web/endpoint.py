"""What the daemon serves: one registry of endpoints, filled by decorators.

Routing, OpenAPI, the authorisation table and the names of metrics all derive from it, so none can forget one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from appliance.access.sign_in import Session
from appliance.access.wrong_keys import WrongKeys
from appliance.errors import MemboxError
from appliance.principal import Principal, Role

if TYPE_CHECKING:
    from appliance.box import Box

MAX_BODY = 1024 * 1024
JSON = "application/json"
HTML = "text/html; charset=utf-8"
WEB, SERVE, CAPTURE, SOCKET, LOCAL = "web", "serve", "capture", "socket", "local"
_PARAMETER = re.compile(r"<(\w+)(?::[^>]*)?>")


class Reach(Enum):
    """Of what the caller must be: decides, with the role, who may call an endpoint."""

    OPEN = "open"  # nobody is asked for anything
    ANY = "any"  # any valid key, whatever its tenant
    NAMED = "named"  # of the tenant and agent the request names
    TENANT = "tenant"  # of the tenant the request names, in which it is for no agent
    BOX = "box"  # of the box's own tenant
    OWNER = "owner"  # the box's owner in person
    PERSON = "person"  # a page: somebody signed in


@dataclass(slots=True)
class Door:
    """By which way requests come in: `web`, `serve` for the tailnet, `capture`, `socket`, or `local` for the owner's
    own command line.

    `web_url` is where the pages are, once a listener serves them. Doors of one box share the count of wrong keys.
    """

    name: str = WEB
    wrong_keys: WrongKeys = field(default_factory=WrongKeys)
    web_url: str = ""


@dataclass(slots=True)
class Request:
    """One request, filled in as it passes each step of its life (`app.py`)."""

    box: "Box"
    endpoint: "Endpoint"
    environ: dict[str, Any]
    door: Door
    params: dict[str, Any]
    caller: Principal | None = None
    session: Session | None = None
    body: Any = None
    query: Any = None

    @property
    def principal(self) -> Principal:
        """The caller, where the endpoint asks for one."""
        if self.caller is None:
            raise LookupError("an open endpoint has no principal")
        return self.caller

    def count_wrong_key(self) -> None:
        """Count a wrong credential of this client; TooManyError after too many."""
        self.door.wrong_keys.count(str(self.environ.get("REMOTE_ADDR", "")))

    def header(self, name: str) -> str:
        """A request header, empty when absent."""
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, ready to send."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A page yet to be rendered: a template of `views/` and what it needs."""

    template: str
    context: dict[str, Any]
    status: int = 200


def render(template: str, status: int = 200, **context: Any) -> View:
    """A page from a template; `csrf_token`, `path` and `version` are added to its context."""
    return View(template, context, status)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method on a path: who may call it, what it takes and answers, and the function that does it."""

    method: str
    path: str
    function: Callable[[Request], Any]
    summary: str
    reach: Reach
    role: Role | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    path_fields: type[BaseModel] | None = None  # what the path's parameters must be, where not any text will do
    answer: type[BaseModel] | None = None
    content_type: str = JSON
    max_body: int | None = MAX_BODY  # None: the function judges it, after the key
    status: int = 200
    stages: str = ""  # of what work the metrics tell the stages
    errors: tuple[int, ...] = ()
    token_header: str = ""
    token_in_form: bool = False  # the function itself checks the CSRF token, which a form without scripts carries
    refuse: Callable[[int, MemboxError], tuple[int, dict[str, Any]]] | None = None
    doors: frozenset[str] = frozenset({WEB, SERVE, SOCKET, LOCAL})
    request_media: dict[str, type[BaseModel] | None] = field(default_factory=dict)  # where it is not JSON of `body`

    @property
    def name(self) -> str:
        """How metrics and tables call it: ``POST /v0/memory/recall``."""
        return f"{self.method} {self.template}"

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it: ``/v0/memory/{memory_id}``."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters."""
        return _PARAMETER.findall(self.path)


_REGISTRY: dict[tuple[str, str], Endpoint] = {}


def endpoints() -> list[Endpoint]:
    """Every endpoint, in the order of registration."""
    return list(_REGISTRY.values())


def endpoint(
    method: str, path: str, *, role: Role | None, summary: str, reach: Reach | None = None, **more: Any
) -> Callable[[Callable[[Request], Any]], Callable[[Request], Any]]:
    """Serve the function at `method` `path`, a path like ``/v0/memory/<memory_id>``.

    Args:
        role: the least role; None for an open endpoint.
        summary: one line for OpenAPI.
        reach: of what the caller must be; by default of the tenant and agent, or of the tenant, that the request's
            fields name, else of the box's tenant.
        more: further fields of `Endpoint`: the models `body`, `query`, `answer`; `errors`, the statuses that the
            work itself may answer with.
    """

    def register(function: Callable[[Request], Any]) -> Callable[[Request], Any]:
        _add(Endpoint(method, path, function, summary, reach or _reach(role, more), role, **more))
        return function

    return register


def page(
    path: str, *, summary: str = "", query: type[BaseModel] | None = None, open_to_all: bool = False
) -> Callable[[Callable[[Request], Any]], Callable[[Request], Any]]:
    """Serve the function's `render(…)` at `path` to a signed-in person; others are sent to ``/sign-in``."""

    def register(function: Callable[[Request], Any]) -> Callable[[Request], Any]:
        reach = Reach.OPEN if open_to_all else Reach.PERSON
        role = None if open_to_all else Role.ADMIN
        about = summary or (function.__doc__ or path).splitlines()[0]
        _add(Endpoint("GET", path, function, about, reach, role, query=query, content_type=HTML))
        return function

    return register


def _reach(role: Role | None, models: dict[str, Any]) -> Reach:
    if role is None:
        return Reach.OPEN
    fields = model.model_fields if (model := models.get("body") or models.get("query")) else {}
    tenant, agent = (name in fields and fields[name].is_required() for name in ("tenant_id", "agent_id"))
    return Reach.NAMED if tenant and agent else Reach.TENANT if tenant else Reach.BOX


def _add(new: Endpoint) -> None:
    if (new.method, new.path) in _REGISTRY:
        raise ValueError(f"{new.name} is registered twice")
    _REGISTRY[new.method, new.path] = new
