"""What `tailscale serve` says of a request, and which of it counts (contract box; docs/tailnet.md).

Serve (tailscale's ipn/ipnlocal/serve.go, 1.94) removes what a client sent under its names. Then it says
`Tailscale-User-Login` of a person, in RFC 2047's words when it is not ASCII, nothing of a tagged device, and
`Tailscale-Funnel-Request: ?1` of a stranger from the internet. In `X-Forwarded-For` is who asks; to a unix socket,
`Host` is localhost and `X-Forwarded-Host` the name asked for.
"""

import binascii
import errno
import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable
from typing import Any

from appliance.access.sign_in import Session
from appliance.errors import ForbiddenError
from appliance.principal import Principal
from appliance.web.endpoint import SERVE, Request

_LOGIN = "membox.tailnet_login"  # no header can have this name: theirs begin with HTTP_
_WORD = r"=\?utf-8\?q\?([!->@-~]*)\?="
_WORDS = re.compile(rf"{_WORD}(?: {_WORD})*", re.IGNORECASE)


def receive(environ: dict[str, Any], door: str) -> None:
    """Take Serve's headers out of a request, at every door; at Serve's own, put what they say in its place.

    Raises:
        ForbiddenError: `funnel_refused`.
    """
    said = {name: environ.pop(name) for name in [*environ] if name.startswith("HTTP_TAILSCALE_")}
    if "HTTP_TAILSCALE_FUNNEL_REQUEST" in said:
        raise ForbiddenError(
            "funnel_refused",
            "A memory box is never served to the internet; switch Tailscale Funnel off: `tailscale funnel reset`.",
        )
    if door == SERVE:
        client = str(environ.get("HTTP_X_FORWARDED_FOR", ""))
        environ["HTTP_HOST"] = environ.get("HTTP_X_FORWARDED_HOST", environ.get("HTTP_HOST", ""))
        environ["REMOTE_ADDR"] = client  # for the count of wrong keys only
        environ["wsgi.url_scheme"] = "https"
        login = decoded(str(said.get("HTTP_TAILSCALE_USER_LOGIN", "")))
        environ[_LOGIN] = login if login and is_of_another_machine(client) else ""


class Owners:
    """The owner's logins on the tailnet, and the session each of them has without signing in."""

    def __init__(self, logins: Iterable[str], owner: Principal) -> None:
        self._logins = {_folded(login) for login in logins}
        self._owner = owner
        self._secret = secrets.token_bytes(32)

    def session(self, request: Request) -> Session | None:
        """The owner's session when it is the owner who asks, from one of the box's pages or by opening one."""
        login = str(request.environ.get(_LOGIN, ""))
        if not login or _folded(login) not in self._logins or _is_led_by_another_site(request):
            return None
        csrf_token = hmac.digest(self._secret, _folded(login), "sha256").hex()
        return Session("", self._owner, csrf_token, login)


def decoded(value: str) -> str:
    """A header's value as Serve wrote it; empty when it is of no form that Serve writes."""
    if not value.isascii():
        return ""
    if not _WORDS.fullmatch(value):
        return value
    try:
        text = b"".join(binascii.a2b_qp(word, header=True) for word in re.findall(_WORD, value, re.IGNORECASE)).decode()
    except UnicodeDecodeError:
        return ""
    return "" if text.isascii() else text  # what needs no such words is not written in them


def is_of_another_machine(client: str) -> bool:
    """Whether an address is one of another machine.

    Serve takes whatever runs on the box itself for the person to whom the box belongs: no identity for that, or the
    agent were the owner. Only an address of this machine can be bound to.
    """
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(client).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((client, 0))
    except ValueError:
        return False
    except OSError as error:
        return error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return False


def _folded(login: str) -> bytes:
    """A login for comparing: ASCII letters without case. Unicode's own folding makes two persons' letters one."""
    return login.encode().lower()


def _is_led_by_another_site(request: Request) -> bool:
    """Whether another site's page asks, except by a link that a person follows: what SameSite=Strict is to a cookie."""
    if request.header("Sec-Fetch-Site") not in ("cross-site", "same-site"):
        return False
    follows_link = (request.header("Sec-Fetch-Mode"), request.header("Sec-Fetch-Dest")) == ("navigate", "document")
    return not (follows_link and request.environ["REQUEST_METHOD"] == "GET")
