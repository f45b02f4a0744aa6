"""The refresh over JSON: begin one, see how far it is, decide on what it proposes (contract notebook, Refresh)."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import NotFoundError
from appliance.notebook.documents import CURATED
from appliance.notebook.refresh.models import Offered, Outcome, Proposal, Refreshed, State
from appliance.principal import Role
from appliance.web.endpoint import Request, endpoint

Id = Annotated[int, Field(ge=1, le=2**62)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Begin(_Model):
    """Which file to refresh; `dry_run`: only what would change, and nothing is touched."""

    path: Annotated[str, Field(min_length=1, max_length=400)] = CURATED
    dry_run: bool = False


class RefreshesQuery(_Model):
    """Which refreshes, newest first; `before` an id continues a list."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50
    before: Id | None = None
    outcome: Outcome | None = None


class Undo(_Model):
    """Which refresh to take back; the last one when none is named."""

    refresh_id: Id | None = None


class Refreshes(_Model):
    """Refreshes, newest first."""

    refreshes: list[Refreshed]


class Offers(_Model):
    """Rewordings that wait for a person, oldest first."""

    offers: list[Offered]


_REFRESH: dict[str, Any] = {"role": Role.ADMIN, "answer": Refreshed, "errors": (404, 409)}
_OFFER: dict[str, Any] = {"role": Role.ADMIN, "answer": Offered, "errors": (404, 409)}


@endpoint(
    "GET",
    "/v1/notebook/refresh",
    role=Role.READER,
    answer=State,
    summary="Whether a refresh is under way, how the last one ended, what waits.",
)
def state(request: Request) -> State:
    """How the refresh stands."""
    return request.box.refresh.state()


@endpoint(
    "POST",
    "/v1/notebook/refresh",
    role=Role.ADMIN,
    body=Begin,
    answer=State,
    errors=(404,),
    summary="Begin a refresh, unless one is under way; GET tells how far it is.",
)
def begin(request: Request) -> State:
    """Begin."""
    asked = request.body
    request.box.notebook.read(asked.path)
    return request.box.refresh.begin(asked.path, asked.dry_run)


@endpoint(
    "GET",
    "/v1/notebook/refreshes",
    role=Role.READER,
    query=RefreshesQuery,
    answer=Refreshes,
    summary="What refreshes there were, what came of them, what they cost.",
)
def refreshes(request: Request) -> Refreshes:
    """Refreshes, newest first."""
    asked = request.query
    found = request.box.refresh.decisions.refreshes(asked.limit, asked.before, asked.outcome)
    return Refreshes(refreshes=found)


@endpoint(
    "GET",
    "/v1/notebook/refreshes/<refresh_id>",
    role=Role.READER,
    answer=Proposal,
    errors=(404,),
    summary="One refresh with what it changed, or would.",
)
def refresh(request: Request) -> Proposal:
    """One refresh."""
    return request.box.refresh.decisions.refresh(_number(request, "refresh"))


@endpoint("POST", "/v1/notebook/refreshes/<refresh_id>/approve", **_REFRESH, summary="Store what a refresh proposes.")
def approve(request: Request) -> Refreshed:
    """Approve."""
    return request.box.refresh.decisions.approve(_number(request, "refresh"), request.principal.agent_id)


@endpoint(
    "POST",
    "/v1/notebook/refreshes/<refresh_id>/decline",
    **_REFRESH,
    summary="Drop what a refresh proposes; its entries wait for another.",
)
def decline(request: Request) -> Refreshed:
    """Decline."""
    return request.box.refresh.decisions.decline(_number(request, "refresh"), request.principal.agent_id)


@endpoint(
    "POST",
    "/v1/notebook/refresh/undo",
    role=Role.ADMIN,
    body=Undo,
    answer=Refreshed,
    errors=(404, 409),
    summary="Take a refresh back; its entries wait again, and later edits stay.",
)
def undo(request: Request) -> Refreshed:
    """Undo."""
    return request.box.refresh.decisions.undo(request.principal.agent_id, request.body.refresh_id)


@endpoint(
    "GET",
    "/v1/notebook/offers",
    role=Role.READER,
    answer=Offers,
    summary="Hard constraints that were kept, and the wordings that replies had for them.",
)
def offers(request: Request) -> Offers:
    """What waits for a person."""
    return Offers(offers=request.box.refresh.decisions.offers())


@endpoint("POST", "/v1/notebook/offers/<offer_id>/take", **_OFFER, summary="Put a wording in the kept line's place.")
def take(request: Request) -> Offered:
    """Take it."""
    return request.box.refresh.decisions.take(_number(request, "offer"), request.principal.agent_id)


@endpoint("POST", "/v1/notebook/offers/<offer_id>/leave", **_OFFER, summary="Leave the line as it was kept.")
def leave(request: Request) -> Offered:
    """Leave it."""
    return request.box.refresh.decisions.leave(_number(request, "offer"))


def _number(request: Request, what: str) -> int:
    """The id in the path; what is no number names nothing there is."""
    text = request.params[f"{what}_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise NotFoundError(f"{what}_not_found", f"There is no {what} of that id.")
    return int(text)
