"""What a box says of itself, to anyone (contract memory-api, Endpoints)."""

from pydantic import BaseModel

from appliance import __version__
from appliance.clock import iso, to_ms
from appliance.web.endpoint import CAPTURE, LOCAL, SERVE, SOCKET, WEB, Answer, Request, endpoint


class Health(BaseModel):
    """That the box answers."""

    status: str
    service: str
    version: str


class Meta(BaseModel):
    """How the box is set up."""

    service: str
    mode: str
    store_backend: str
    auth_mode: str
    graph_enabled: bool
    graph_half_life_hours: float
    model_registry_backend: str
    generated_at: str


_HEALTH = Answer(200, Health(status="ok", service="membox", version=__version__).model_dump_json().encode())


@endpoint(
    "GET",
    "/healthz",
    role=None,
    answer=Health,
    summary="Whether the box answers.",
    doors=frozenset({WEB, SERVE, CAPTURE, SOCKET, LOCAL}),
)
def healthz(_request: Request) -> Answer:
    """That the box answers: made once, because this is asked all the time."""
    return _HEALTH


@endpoint("GET", "/v0/meta", role=None, answer=Meta, summary="How the box is set up.")
def meta(request: Request) -> Meta:
    """The fields of the contract."""
    box = request.box
    return Meta(
        service="membox",
        mode="local",
        store_backend=box.database.backend,
        auth_mode=box.access.mode,
        graph_enabled=box.config.graph.enabled,
        graph_half_life_hours=box.config.graph.half_life_hours,
        model_registry_backend=box.database.backend,
        generated_at=iso(to_ms(box.clock())),
    )
