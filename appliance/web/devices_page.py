"""The pages about who may come in: Devices and keys, the phone's set-up, signing in."""

import io
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from appliance.box import Box
from appliance.principal import Role
from appliance.web.endpoint import Answer, Reach, Request, View, endpoint, page, render
from appliance.web.moments import Moment, moment_of


class QrText(BaseModel):
    """What a QR code shall say."""

    model_config = ConfigDict(frozen=True)

    text: Annotated[str, Field(min_length=1, max_length=1024)]


class SessionToken(BaseModel):
    """The token that changes need, besides the cookie."""

    csrf_token: str


@page("/devices")
def devices(request: Request) -> View:
    """Devices and keys: what is let in, and a way to take it back."""
    box = request.box
    in_use = box.access.keys()
    keys = [(key, moment_of(key.created_at, box), _last_used(key.key_id, box)) for key in in_use]
    current = request.session.session_id if request.session else ""
    sessions = [(each, moment_of(each.created_at, box), each.session_id == current) for each in box.access.sessions()]
    login = request.session.login if request.session else ""
    return render("devices.html", keys=keys, sessions=sessions, login=login)


@page("/phone", open_to_all=True)
def phone(_request: Request) -> View:
    """How a phone is set up; the key it needs comes in the fragment and is never sent here."""
    return render("phone.html")


@page("/sign-in", open_to_all=True)
def sign_in(_request: Request) -> View:
    """Sign in with a one-time link."""
    return render("sign_in.html")


@endpoint(
    "GET",
    "/v1/session",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    answer=SessionToken,
    summary="The CSRF token of the browser's session; empty for a caller without one, who needs none.",
)
def session(request: Request) -> SessionToken:
    """What the service worker, which has no page, needs to deliver a note."""
    return SessionToken(csrf_token=request.session.csrf_token if request.session else "")


@endpoint(
    "POST",
    "/v1/qr",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    body=QrText,
    content_type="image/svg+xml",
    summary="A QR code, drawn here so that what it says is seen by nobody else.",
)
def qr(request: Request) -> Answer:
    """A text as QR code."""
    import segno

    drawing = io.BytesIO()
    code = segno.make_qr(request.body.text, error="m")
    code.save(drawing, kind="svg", border=0, omitsize=True, xmldecl=False, svgns=True)
    return Answer(200, drawing.getvalue(), "image/svg+xml", (("Cache-Control", "no-store"),))


def _last_used(key_id: str, box: Box) -> Moment | None:
    used_at = box.access.last_used(key_id)
    return moment_of(used_at, box) if used_at else None
