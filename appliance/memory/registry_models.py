"""What callers of the model registry send and get (contract memory-api, Model registry)."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from appliance.memory.models import Answer, Name, Request, Time, whole

_MOST_METADATA = 16_384  # characters: every version's stays in the history
_MOST_TENANTS = 1_000


class ModelKind(StrEnum):
    """What a model decides: the order of recalled items, or how much a new item matters."""

    RERANKER = "reranker"
    SALIENCE = "salience"

    @property
    def baseline(self) -> str:
        """The version every tenant begins with; its weights are the ones in the code."""
        return f"{self}-baseline-v1"


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        written = json.dumps(metadata, allow_nan=False)
    except (ValueError, RecursionError) as fault:
        raise ValueError("must hold numbers that JSON can write") from fault
    if len(written) > _MOST_METADATA:
        raise ValueError(f"must have at most {_MOST_METADATA} characters as JSON")
    return metadata


Percent = Annotated[int, Field(ge=0, le=100, strict=True), BeforeValidator(whole)]


class KindPath(BaseModel):
    """Which model a path names."""

    kind: ModelKind


class ModelRequest(Request):
    """Who asks for a model's state, or to promote or roll back its canary."""


class HistoryRequest(Request):
    """How much of a model's history is asked for."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100


class RegisterRequest(Request):
    """A version to try on part of the traffic."""

    version: Name
    rollout_percent: Percent = 10
    tenant_allowlist: Annotated[list[Name], Field(max_length=_MOST_TENANTS)] = Field([])
    metadata: Annotated[dict[str, Any], AfterValidator(_storable)] = Field({})


class SignalRequest(Request):
    """Something measured of a version; a `source` of the form ``rec_…:mem_…`` judges one item of one recall."""

    version: Name
    metric: Name
    value: Annotated[float, Field(strict=True)]
    source: Annotated[str | None, Field(max_length=256)] = None


class ModelState(Answer):
    """What ranks a tenant's recalls, or weighs its items, and what was said of each version."""

    model_kind: ModelKind
    active_version: str
    canary_version: str | None
    rollout_percent: int
    tenant_allowlist: list[str]
    metadata: dict[str, Any]
    signal_summary: dict[str, dict[str, float]]
    updated_at: Time


class HistoryItem(Answer):
    """A change of the registry (`event`) or a signal; the other's fields are null."""

    kind: Literal["event", "signal"]
    event_kind: str
    actor_agent_id: str
    payload: dict[str, Any] | None = None
    created_at: Time
    version: str | None = None
    metric: str | None = None
    value: float | None = None
    source: str | None = None


class ModelHistory(Answer):
    """Changes and signals, newest first."""

    model_kind: ModelKind
    items: list[HistoryItem]
