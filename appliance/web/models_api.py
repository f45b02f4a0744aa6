"""The model registry's door (contract memory-api, Model registry): parse, call, answer."""

from typing import Any

from appliance.memory.registry_models import (
    HistoryRequest,
    KindPath,
    ModelHistory,
    ModelRequest,
    ModelState,
    RegisterRequest,
    SignalRequest,
)
from appliance.principal import Role
from appliance.web.endpoint import Request, endpoint

_ADMINS: dict[str, Any] = {"role": Role.ADMIN, "path_fields": KindPath}


@endpoint(
    "GET",
    "/v0/models/<kind>",
    **_ADMINS,
    query=ModelRequest,
    answer=ModelState,
    summary="Which version of a model is active, which is tried, and what was said of them.",
)
def show(request: Request) -> ModelState:
    """A model's state."""
    return request.box.registry.state(request.principal, request.params["kind"], request.query)


@endpoint(
    "GET",
    "/v0/models/<kind>/history",
    **_ADMINS,
    query=HistoryRequest,
    answer=ModelHistory,
    summary="A model's changes and signals, newest first.",
)
def history(request: Request) -> ModelHistory:
    """A model's past."""
    return request.box.registry.history(request.principal, request.params["kind"], request.query)


@endpoint(
    "POST",
    "/v0/models/<kind>/canary/register",
    **_ADMINS,
    body=RegisterRequest,
    answer=ModelState,
    summary="Try a version on a share of the tenants, or on those listed; it takes the place of another canary.",
)
def register(request: Request) -> ModelState:
    """Try a version."""
    return request.box.registry.register(request.principal, request.params["kind"], request.body)


@endpoint(
    "POST",
    "/v0/models/<kind>/canary/promote",
    **_ADMINS,
    body=ModelRequest,
    answer=ModelState,
    errors=(400,),
    summary="Make the canary the active version.",
)
def promote(request: Request) -> ModelState:
    """Make the canary active."""
    return request.box.registry.promote(request.principal, request.params["kind"], request.body)


@endpoint(
    "POST",
    "/v0/models/<kind>/canary/rollback",
    **_ADMINS,
    body=ModelRequest,
    answer=ModelState,
    summary="Take the canary away; the active version stays.",
)
def rollback(request: Request) -> ModelState:
    """Take the canary away."""
    return request.box.registry.rollback(request.principal, request.params["kind"], request.body)


@endpoint(
    "POST",
    "/v0/models/<kind>/signals",
    **_ADMINS,
    body=SignalRequest,
    answer=ModelState,
    summary="Record something measured of a version; source rec_…:mem_… judges one item of one recall.",
)
def signal(request: Request) -> ModelState:
    """Record a signal."""
    return request.box.registry.signal(request.principal, request.params["kind"], request.body)
