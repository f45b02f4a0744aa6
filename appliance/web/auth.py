"""Who is asking: from a request's credential to a caller, decided before the body is looked at.

A key is sent on purpose, so it needs nothing else. A cookie, and auth mode `disabled`, let in whatever the browser
sends along; such requests must name a Host of this box (DNS rebinding) and, to change something, come from its own
pages (Origin, and the session's CSRF token). So does what the tailnet vouches for, at the one door where it counts
(`tailnet.py`). At the box's own socket only keys count. A peer address is never an identity.
"""

import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from pydantic import ValidationError

from appliance.access.service import Access
from appliance.access.sign_in import Session
from appliance.config import Config, GivenKey
from appliance.errors import ForbiddenError, InvalidError, UnauthorizedError
from appliance.principal import Principal, Role
from appliance.web.endpoint import HTML, LOCAL, SERVE, SOCKET, Door, Reach, Request
from appliance.web.tailnet import Owners

COOKIE = "membox_session"
ACTING_AS = "X-Membox-Acting-As"
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
_PORT = re.compile(r":\d*\Z")


class Gate:
    """Establishes the caller of a request, once."""

    def __init__(self, access: Access, config: Config, door: Door) -> None:
        self._access = access
        self._disabled = access.mode == "disabled"
        self._is_serve = door.name == SERVE
        self._owners = Owners(config.tailnet.owners if self._is_serve else (), access.owner)
        host = config.daemon.web_ui_host
        own = config.tailnet.hosts if self._is_serve else ("localhost", "127.0.0.1", "::1", host)
        self._hosts = {name.lower() for name in (*own, *config.daemon.web_hosts)}
        self._on_network = not self._is_serve and host not in ("localhost", "127.0.0.1", "::1")

    def admit(self, request: Request) -> None:
        """Set the request's caller and session.

        Raises:
            UnauthorizedError: `missing_api_key`, `invalid_api_key`.
            TooManyError: a wrong key, after too many.
            ForbiddenError: `host_not_allowed`, `origin_not_allowed`, `csrf_failed`; and as `acting_for` says.
        """
        self._establish(request)
        if request.caller is not None and (said := request.header(ACTING_AS)):
            request.caller = acting_for(said, request.caller)

    def _establish(self, request: Request) -> None:
        reach = request.endpoint.reach
        if self._is_serve or request.endpoint.content_type == HTML:
            self._check_host(request)
        if request.door.name == LOCAL:
            request.caller = self._access.owner
        elif reach is Reach.OPEN:
            # Signing in comes from the own page; an open page may be opened from anywhere and changes nothing.
            if request.endpoint.content_type != HTML:
                self._check_origin(request)
        elif self._disabled and request.door.name != SOCKET:  # which other users of the machine reach: keys only
            self._check_host(request)
            self._check_origin(request)
            request.caller = _anyone(self._access.owner)
        elif reach is not Reach.PERSON and (key := presented_key(request)):
            request.caller = self._caller_of(key, request)
        elif request.door.name == SOCKET:
            raise UnauthorizedError("missing_api_key")
        else:
            request.session = self._session_of(request)
            request.caller = request.session.principal

    def _caller_of(self, key: str, request: Request) -> Principal:
        principal = self._access.principal_of_key(key)
        if principal is None:
            request.count_wrong_key()
            raise UnauthorizedError("invalid_api_key")
        return principal

    def _session_of(self, request: Request) -> Session:
        token = cookie_of(request)
        session = self._owners.session(request) or (self._access.session(token) if token else None)
        if session is None:
            raise UnauthorizedError("missing_api_key")
        self._check_host(request)
        if request.environ["REQUEST_METHOD"] not in _SAFE_METHODS:
            self._check_origin(request, required=True)
            if not request.endpoint.token_in_form:
                _check_csrf(session, request.header("X-CSRF-Token"))
        return session

    def _check_host(self, request: Request) -> None:
        """A browser always names the host it thinks it talks to; one that is not ours was pointed here by a trick."""
        host = request.header("Host").lower()
        name = _PORT.sub("", host).strip("[]")
        if not host and not self._is_serve:
            return
        if name not in self._hosts and not (self._on_network and _is_address(name)):
            raise ForbiddenError(
                "host_not_allowed", "To reach the box under this name, add it to web_hosts in [daemon] of config.toml."
            )

    def _check_origin(self, request: Request, required: bool = False) -> None:
        """What changes something must come from the box's own pages, when a browser sends it."""
        if request.environ["REQUEST_METHOD"] in _SAFE_METHODS:
            return
        origin = request.header("Origin")
        if not origin and not required:
            return
        self._check_host(request)
        is_https = origin.startswith("https://")
        if _host_of(origin) != request.header("Host").lower() or (self._is_serve and not is_https):
            raise ForbiddenError("origin_not_allowed", "This did not come from one of the box's own pages.")


def acting_for(said: str, caller: Principal) -> Principal:
    """Whom a server of ours, with a key that may do more, says it asks for: JSON of tenant_id, agent_id and role.

    So it hands on what callers of its own may do, and the rules stay in one place.

    Raises:
        ForbiddenError: `insufficient_role` to all but admins; `tenant_mismatch`, but to the owner, for another tenant.
        InvalidError: it says no such thing.
    """
    caller.require(Role.ADMIN)
    try:
        named = GivenKey.model_validate_json(said)
    except ValidationError as error:
        raise InvalidError("invalid", f"The header {ACTING_AS} names no caller.") from error
    if named.tenant_id != caller.tenant_id and not caller.owner:
        raise ForbiddenError("tenant_mismatch")
    return Principal(named.tenant_id, named.agent_id, Role.named(named.role), key_id=caller.key_id)


def check_csrf(request: Request, token: str) -> None:
    """Refuse a form unless its `token`, or the header, is the session's; for endpoints with `token_in_form`.

    Raises:
        ForbiddenError: `csrf_failed`.
    """
    if request.session is not None:
        _check_csrf(request.session, token or request.header("X-CSRF-Token"))


def _check_csrf(session: Session, token: str) -> None:
    if not hmac.compare_digest(token.encode(), session.csrf_token.encode()):
        raise ForbiddenError("csrf_failed", "The page is too old for this; reload it and try again.")


def presented_key(request: Request) -> str | None:
    """The key a request presents; None when it presents none.

    Raises:
        UnauthorizedError: `invalid_api_key` for an Authorization header of another form.
    """
    if header := request.header("Authorization").strip():
        match = _BEARER.fullmatch(header)
        if match is None:
            raise UnauthorizedError("invalid_api_key")
        return _utf8(match[1])
    names = ("x-brainstem-api-key", request.endpoint.token_header)
    return next((_utf8(value) for name in names if name and (value := request.header(name).strip())), None)


def cookie_name(request: Request) -> str:
    """What the session cookie is called: over https as browsers demand of one that no other host and no http set."""
    return f"__Host-{COOKIE}" if request.environ["wsgi.url_scheme"] == "https" else COOKIE


def cookie_of(request: Request) -> str:
    """The session cookie's value, empty when there is none."""
    wanted = cookie_name(request)
    for part in request.header("Cookie").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted:
            return value
    return ""


def _anyone(owner: Principal) -> Principal:
    return Principal(owner.tenant_id, owner.agent_id, owner.role, owner=True, unbound=True)


def _utf8(value: str) -> str:
    # WSGI gives header bytes as Latin-1.
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether a host is given as an address: no foreign DNS name can stand behind it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
