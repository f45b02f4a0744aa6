"""Saying of a search result whether it helped: a form of the page Search, which works without scripts too."""

from typing import Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field

from appliance.memory.registry_models import ModelKind, SignalRequest
from appliance.principal import Role
from appliance.web.auth import check_csrf
from appliance.web.endpoint import HTML, Answer, Request, endpoint
from appliance.web.reading import parse_fields, parse_pairs, read_bytes

METRIC = "helpful"
_FORM = "application/x-www-form-urlencoded"


class Verdict(BaseModel):
    """Which item of which recall, ranked by which version, helped (1) or did not (0), and the search to go back to."""

    recall: str = Field(pattern=r"^rec_[0-9a-f]{16}$")
    item: str = Field(min_length=1, max_length=128)
    version: str = Field(min_length=1, max_length=128)
    helpful: Literal["0", "1"]
    q: str = Field("", max_length=1024)
    csrf_token: str = ""


@endpoint(
    "POST",
    "/search/verdict",
    role=Role.ADMIN,
    summary="Say whether a search result helped.",
    content_type=HTML,
    status=303,
    token_in_form=True,
    request_media={_FORM: Verdict},
    errors=(422,),
)
def judge(request: Request) -> Answer:
    """Record a verdict, and go back to the result."""
    fields = parse_pairs(read_bytes(request), "body")
    check_csrf(request, fields.get("csrf_token", ""))
    verdict = parse_fields(Verdict, fields, "body")
    signal = SignalRequest(
        tenant_id=request.box.config.core.tenant,
        agent_id=request.principal.agent_id,
        version=verdict.version,
        metric=METRIC,
        value=float(verdict.helpful),
        source=f"{verdict.recall}:{verdict.item}",
    )
    request.box.registry.signal(request.principal, ModelKind.RERANKER, signal)
    back = f"/search?{urlencode({'q': verdict.q})}#{quote(verdict.item)}"
    return Answer(303, b"", HTML, (("Location", back),))
