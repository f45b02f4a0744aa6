"""Harvest over the web: `membox memory harvest` (contract notebook, Refresh, last paragraph)."""

from appliance.agents.harvest.service import Harvested
from appliance.principal import Role
from appliance.web.endpoint import Request, endpoint


@endpoint(
    "POST",
    "/v1/harvest",
    role=Role.ADMIN,
    answer=Harvested,
    errors=(409,),
    summary="Read on in the transcripts of the box's agent, and note what deserves remembering.",
)
def harvest(request: Request) -> Harvested:
    """Harvest now; this can take minutes where a language model reads along."""
    return request.box.harvest.harvest()
