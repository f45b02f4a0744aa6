"""Holding the box's writes over the web: for an upgrade on the machine itself (contract box, releases side by side)."""

from typing import Annotated

from pydantic import BaseModel, Field

from appliance.principal import Role
from appliance.web.endpoint import LOCAL, SOCKET, Reach, Request, endpoint


class HoldRequest(BaseModel):
    """`why`, as those are told who want to write meanwhile; `seconds` after which it ends by itself."""

    why: Annotated[str, Field(min_length=1, max_length=200)]
    seconds: Annotated[float, Field(gt=0, le=3600)]


class Held(BaseModel):
    """The hold that is in force now; `until` in seconds since the epoch."""

    why: str
    until: float
    seconds: float


@endpoint(
    "POST",
    "/v1/hold",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    body=HoldRequest,
    answer=Held,
    doors=frozenset({SOCKET, LOCAL}),
    summary="Take no more writes for a while; what was accepted is done once this answers.",
)
def hold(request: Request) -> Held:
    """Hold the box's writes."""
    held = request.box.hold(request.body.why, request.body.seconds)
    return Held(why=held.why, until=held.until, seconds=held.seconds)
