"""Keys, sign-in and sessions over the web: what `membox key`, `login-link` and the pages call."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from appliance.access.keys import KeyInfo
from appliance.access.sign_in import SESSION_LIFE_MS
from appliance.clock import iso
from appliance.errors import ForbiddenError, NotFoundError, UnauthorizedError
from appliance.principal import Role
from appliance.web.auth import cookie_name
from appliance.web.endpoint import SERVE, WEB, Answer, Reach, Request, endpoint

Name = Annotated[str, Field(min_length=1, max_length=128)]
RoleWord = Literal["capture", "reader", "writer", "admin"]


class Caller(BaseModel):
    """Whom the box takes the caller for."""

    tenant_id: str
    agent_id: str
    role: RoleWord
    owner: bool


class KeyRequest(BaseModel):
    """A key to make; `agent_id` is the name unless given, `tenant_id` the box's own."""

    name: Name
    role: RoleWord
    tenant_id: Name | None = None
    agent_id: Name | None = None


class KeyAnswer(BaseModel):
    """The new key, shown this once."""

    key_id: str
    key: str
    name: str
    tenant_id: str
    agent_id: str
    role: RoleWord


class KeyRow(BaseModel):
    """A key in a list; `last_used_at` since the box was started."""

    key_id: str
    name: str
    tenant_id: str
    agent_id: str
    role: RoleWord
    created_at: str
    last_used_at: str | None


class Keys(BaseModel):
    """The keys in use."""

    keys: list[KeyRow]


class RevokedKey(BaseModel):
    """That a key is worth nothing any more."""

    key_id: str
    revoked: bool


class LoginLink(BaseModel):
    """A one-time link that signs a browser in."""

    url_path: str
    url: str
    expires_at: str


class SignInRequest(BaseModel):
    """The ticket from a link's fragment, and what to call the device."""

    ticket: Annotated[str, Field(min_length=1, max_length=256)]
    device: Annotated[str, Field(max_length=128)] | None = None


class SignedIn(BaseModel):
    """What the page needs for its further requests; the session itself is in the cookie only."""

    csrf_token: str
    expires_at: str


class SignedOut(BaseModel):
    """That a session has ended."""

    session_id: str
    signed_out: bool


class SessionRow(BaseModel):
    """A signed-in device; `current` is the asking one."""

    session_id: str
    device: str
    created_at: str
    expires_at: str
    current: bool


class Sessions(BaseModel):
    """The signed-in devices."""

    sessions: list[SessionRow]


@endpoint("GET", "/v1/whoami", role=Role.READER, reach=Reach.ANY, answer=Caller, summary="Whom the box takes you for.")
def whoami(request: Request) -> Caller:
    """The caller."""
    who = request.principal
    return Caller(tenant_id=who.tenant_id, agent_id=who.agent_id, role=who.role.word, owner=who.owner)


@endpoint("GET", "/v1/keys", role=Role.ADMIN, answer=Keys, summary="The keys in use; to the owner, of all tenants.")
def keys(request: Request) -> Keys:
    """The keys in use."""
    return Keys(keys=[_key_row(request, info) for info in request.box.access.keys(_tenant_seen(request))])


@endpoint(
    "POST",
    "/v1/keys",
    role=Role.ADMIN,
    body=KeyRequest,
    answer=KeyAnswer,
    summary="Make a key; only the owner for another tenant.",
)
def create_key(request: Request) -> KeyAnswer:
    """Make a key."""
    asked, access = request.body, request.box.access
    tenant_id = asked.tenant_id or access.tenant
    if tenant_id != access.tenant and not request.principal.owner:
        raise ForbiddenError("tenant_mismatch", "Only the box's owner makes keys for another tenant.")
    agent_id = asked.agent_id or asked.name
    new = access.create_key(asked.name, tenant_id, agent_id, Role.named(asked.role), request.principal.agent_id)
    return KeyAnswer(
        key_id=new.key_id, key=new.key, name=asked.name, tenant_id=tenant_id, agent_id=agent_id, role=asked.role
    )


@endpoint(
    "DELETE",
    "/v1/keys/<key_id>",
    role=Role.ADMIN,
    answer=RevokedKey,
    errors=(404,),
    summary="Revoke a key: it counts from the next request.",
)
def revoke_key(request: Request) -> RevokedKey:
    """Revoke a key."""
    key_id = request.params["key_id"]
    request.box.access.revoke_key(key_id, _tenant_seen(request), request.principal.agent_id)
    return RevokedKey(key_id=key_id, revoked=True)


@endpoint(
    "POST",
    "/v1/login-link",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    answer=LoginLink,
    summary="Make a one-time sign-in link, good for ten minutes.",
)
def login_link(request: Request) -> LoginLink:
    """Make a sign-in link; the ticket is in the fragment, which no server or log sees."""
    ticket = request.box.access.create_ticket()
    url_path = f"/sign-in#ticket={ticket.ticket}"
    return LoginLink(url_path=url_path, url=_web_url(request) + url_path, expires_at=iso(ticket.expires_at))


@endpoint(
    "POST",
    "/v1/sign-in",
    role=None,
    body=SignInRequest,
    answer=SignedIn,
    errors=(401, 403, 429),
    summary="Use a ticket, once, and get a session cookie.",
)
def sign_in(request: Request) -> Answer:
    """Open a session with a ticket."""
    device = request.body.device or _device(request.header("User-Agent"))
    try:
        session = request.box.access.sign_in(request.body.ticket, device)
    except UnauthorizedError:
        request.count_wrong_key()
        raise
    answer = SignedIn(csrf_token=session.csrf_token, expires_at=iso(session.expires_at))
    return Answer(200, answer.model_dump_json().encode(), headers=(_cookie(request, session.token, SESSION_LIFE_MS),))


@endpoint(
    "POST",
    "/v1/sign-out",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    answer=SignedOut,
    errors=(404,),
    summary="End this browser's session.",
)
def sign_out(request: Request) -> Answer:
    """End the session the request came with."""
    if request.session is None:
        raise NotFoundError("session_not_found", "Only a signed-in browser can sign out; a key is revoked instead.")
    if request.session.login:
        raise NotFoundError(
            "session_not_found", "The tailnet signs this device in; take the device out of it, or leave the tailnet."
        )
    session_id = request.session.session_id
    request.box.access.end_session(session_id)
    answer = SignedOut(session_id=session_id, signed_out=True)
    return Answer(200, answer.model_dump_json().encode(), headers=(_cookie(request, "", 0),))


@endpoint("GET", "/v1/sessions", role=Role.ADMIN, reach=Reach.OWNER, answer=Sessions, summary="The signed-in devices.")
def sessions(request: Request) -> Sessions:
    """The signed-in devices."""
    current = request.session.session_id if request.session else ""
    return Sessions(
        sessions=[
            SessionRow(
                session_id=each.session_id,
                device=each.device,
                created_at=iso(each.created_at),
                expires_at=iso(each.expires_at),
                current=each.session_id == current,
            )
            for each in request.box.access.sessions()
        ]
    )


@endpoint(
    "DELETE",
    "/v1/sessions/<session_id>",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    answer=SignedOut,
    errors=(404,),
    summary="Sign a device out.",
)
def end_session(request: Request) -> SignedOut:
    """Sign a device out."""
    session_id = request.params["session_id"]
    request.box.access.end_session(session_id)
    return SignedOut(session_id=session_id, signed_out=True)


def _tenant_seen(request: Request) -> str | None:
    return None if request.principal.owner else request.box.access.tenant


def _key_row(request: Request, info: KeyInfo) -> KeyRow:
    used_at = request.box.access.last_used(info.key_id)
    return KeyRow(
        key_id=info.key_id,
        name=info.name,
        tenant_id=info.tenant_id,
        agent_id=info.agent_id,
        role=info.role.word,
        created_at=iso(info.created_at),
        last_used_at=iso(used_at) if used_at else None,
    )


def _web_url(request: Request) -> str:
    """Where the pages are: as this browser reached them, else as tailnet, listener or settings say."""
    if request.door.name in (WEB, SERVE) and (host := request.header("Host")):
        return f"{request.environ['wsgi.url_scheme']}://{host}"
    config = request.box.config
    local_url = request.door.web_url or web_url(config.daemon.web_ui_host, config.daemon.web_ui_port)
    return config.tailnet.url or local_url


def web_url(host: str, port: int) -> str:
    """The address to open for a listener; one on all addresses is reached as localhost."""
    name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104 - compared
    return f"http://{name}:{port}"


def _cookie(request: Request, token: str, life_ms: int) -> tuple[str, str]:
    secure = "; Secure" if request.environ["wsgi.url_scheme"] == "https" else ""
    attributes = f"Path=/; Max-Age={life_ms // 1000}; HttpOnly; SameSite=Strict{secure}"
    return "Set-Cookie", f"{cookie_name(request)}={token}; {attributes}"


def _device(user_agent: str) -> str:
    """A name a person recognises: browser and system, as far as the browser says."""
    browsers = ("Edg", "Firefox", "CriOS", "FxiOS", "Chrome", "Safari")
    systems = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux")
    names = {"Edg": "Edge", "CriOS": "Chrome", "FxiOS": "Firefox", "Macintosh": "Mac", "CrOS": "ChromeOS"}
    browser = next((word for word in browsers if word in user_agent), "")
    system = next((word for word in systems if word in user_agent), "")
    found = [names.get(word, word) for word in (browser, system) if word]
    return " on ".join(found) or "a device"
