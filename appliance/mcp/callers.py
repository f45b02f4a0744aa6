"""Whose call it is, and the client that speaks for it (contract memory-api, MCP; Environment).

A token is a key of the box, or one of MEMBOX_MCP_TOKENS; it comes in the call itself or as the transport's bearer.
Without one a call on stdio is that of whoever started the server, unless tokens are asked for.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.client.box_client import BoxClient
from appliance.config import GivenKey
from appliance.errors import ForbiddenError, NotConfiguredError, UnauthorizedError

Json = dict[str, Any]

_TOKEN_FIELDS = frozenset({"auth_token", "_session"})


@dataclass(frozen=True, slots=True)
class Callers:
    """How calls become clients of the box.

    Args:
        connect: a client of the box, by a key, or without one by that of whoever runs the server.
        is_served: whether a daemon answers; a home without one is opened for each call anew.
        tokens: what MEMBOX_MCP_TOKENS allows; the server's own key must be the owner's, or an admin's, for them.
        must_show: whether a call without a token is refused.
        is_open: auth mode `disabled`: no token counts, the caller is admin of whatever tenant and agent it names.
    """

    connect: Callable[[str], BoxClient]
    is_served: Callable[[], bool] = lambda: True
    tokens: Mapping[str, GivenKey] = field(default_factory=dict, repr=False)
    must_show: bool = False
    is_open: bool = False

    def client(self, token: str, given: Json) -> BoxClient:
        """The client for a call with these arguments; whoever asks closes it.

        Raises:
            UnauthorizedError: `missing_mcp_token`, `invalid_mcp_token`.
            MemboxError: the box cannot be reached, or does not let the server act for the token.
        """
        if token and not self.is_open:
            return self._of_token(token)
        if self.must_show:
            raise UnauthorizedError(
                "missing_mcp_token", "Send a token: a key of the box, made there by `membox key create`."
            )
        box = self.connect("")
        if self.is_open and not given.keys().isdisjoint(("tenant_id", "agent_id")):
            me = box.whoami()
            if me["owner"]:
                named = me | {name: str(value) for name, value in given.items() if name in me}
                box.act_as(named["tenant_id"], named["agent_id"], "admin")
        return box

    def check(self, token: str) -> None:
        """Ask the box whether `token` is good; raises as `client`, and what the box says against it."""
        with self.client(token, {}) as box:
            try:
                box.whoami()
            except UnauthorizedError as error:
                raise invalid_token() from error
            except ForbiddenError:
                pass  # a key that may only capture

    def _of_token(self, token: str) -> BoxClient:
        for known, who in self.tokens.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                box = self.connect("")
                box.act_as(who.tenant_id, who.agent_id, who.role)
                return box
        try:
            return self.connect(token)
        except NotConfiguredError as error:
            if error.word != "bad_key":
                raise
            raise invalid_token() from error


def token_of(given: Json, bearer: str) -> str:
    """The token of a call: its `auth_token`, its `_session.token`, else the transport's."""
    session = given.get("_session")
    inside = given.get("auth_token") or (session.get("token") if isinstance(session, dict) else None)
    return str(inside or bearer)


def bearer_of(request: Any) -> str:
    """The transport's own token; "" on stdio, which has no request."""
    return token_in(request.headers) if request is not None else ""


def token_in(headers: Mapping[str, str]) -> str:
    """The bearer's token of a request's headers, their names in lower case; "" when there is none."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def without_token(given: Json) -> Json:
    """The arguments proper: no token goes on to the box, and what is null counts as left out."""
    return {name: value for name, value in given.items() if name not in _TOKEN_FIELDS and value is not None}


def invalid_token() -> UnauthorizedError:
    """The error for a token that the box does not know."""
    return UnauthorizedError(
        "invalid_mcp_token", "The box does not know this token: it was revoked or mistyped; make a key there."
    )
