"""The memory's door (contract memory-api): parse, call, answer; every rule is in `appliance/memory`."""

from appliance.memory.importing import ImportAnswer, ImportRequest
from appliance.memory.models import (
    ForgetAnswer,
    ForgetRequest,
    InspectAnswer,
    InspectRequest,
    RecallAnswer,
    RecallRequest,
    RememberAnswer,
    RememberRequest,
)
from appliance.principal import Role
from appliance.web.endpoint import Reach, Request, endpoint


@endpoint(
    "POST",
    "/v0/memory/remember",
    role=Role.WRITER,
    body=RememberRequest,
    answer=RememberAnswer,
    errors=(409,),
    summary="Store up to 100 items; 200 means they are durable and can be recalled.",
)
def remember(request: Request) -> RememberAnswer:
    """Store items."""
    return request.box.memory.remember(request.principal, request.body)


@endpoint(
    "POST",
    "/v0/memory/recall",
    role=Role.READER,
    body=RecallRequest,
    answer=RecallAnswer,
    stages="recall",
    summary="Find the items that answer a query, within a budget.",
)
def recall(request: Request) -> RecallAnswer:
    """Find items."""
    return request.box.memory.recall(request.principal, request.body)


@endpoint(
    "GET",
    "/v0/memory/<memory_id>",
    role=Role.READER,
    query=InspectRequest,
    answer=InspectAnswer,
    errors=(404,),
    summary="Show one item whole.",
)
def inspect(request: Request) -> InspectAnswer:
    """Show an item."""
    return request.box.memory.inspect(request.principal, request.params["memory_id"], request.query)


@endpoint(
    "DELETE",
    "/v0/memory/<memory_id>",
    role=Role.WRITER,
    body=ForgetRequest,
    answer=ForgetAnswer,
    errors=(404,),
    summary="Forget an item for good: a writer its own, an admin any of the tenant's.",
)
def forget(request: Request) -> ForgetAnswer:
    """Forget an item."""
    return request.box.memory.forget(request.principal, request.params["memory_id"], request.body)


@endpoint(
    "POST",
    "/v1/memory/import",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    body=ImportRequest,
    answer=ImportAnswer,
    summary="Take over up to 100 items that another system has kept, with their ids, owners and times.",
)
def take_over(request: Request) -> ImportAnswer:
    """Take over items."""
    return request.box.memory.take_over(request.principal, request.body)
