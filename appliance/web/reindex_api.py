"""What items are found by, made anew (`membox reindex`)."""

from typing import Literal

from pydantic import BaseModel

from appliance.principal import Role
from appliance.web.endpoint import Request, endpoint

_SECONDS = 2.0  # of one request's work


class ReindexRequest(BaseModel):
    """`begin`: anew; without it, what is under way goes on for a moment, also where no daemon does it."""

    begin: bool = True


class IndexState(BaseModel):
    """By which model items are found by their meaning, what is wrong with it, and how many still have no vector."""

    embedding: Literal["off", "light", "better"]
    fault: str
    vectors_behind: int


@endpoint("GET", "/v1/reindex", role=Role.ADMIN, answer=IndexState, summary="Whether every item has its vector.")
def state(request: Request) -> IndexState:
    """How far the vectors are."""
    return _state(request)


@endpoint(
    "POST",
    "/v1/reindex",
    role=Role.ADMIN,
    body=ReindexRequest,
    answer=IndexState,
    summary="Make the index of words and the vectors anew.",
)
def reindex(request: Request) -> IndexState:
    """Begin, or go on."""
    if request.body.begin:
        request.box.memory.reindex()
    else:
        request.box.memory.vectors.catch_up(_SECONDS)
    return _state(request)


def _state(request: Request) -> IndexState:
    vectors = request.box.memory.vectors
    return IndexState(
        embedding=request.box.config.memory.embedding, fault=vectors.fault, vectors_behind=vectors.behind()
    )
