"""What callers send to have the memory worked on: compact, reflect, train, cleanup (contract memory-api, Endpoints)."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from appliance.memory.models import Answer, ItemType, Moment, Name, Request, Scope, not_the_notebooks, whole
from appliance.memory.registry_models import ModelKind

_Whole = BeforeValidator(whole)


class CompactRequest(Request):
    """What to sum up, of how much, in how many tokens, and how the summary is kept."""

    scope: Scope = Scope.PRIVATE
    query: Annotated[str, Field(min_length=1, max_length=1024)]
    max_source_items: Annotated[int, Field(ge=1, le=100, strict=True), _Whole] = 16
    input_max_tokens: Annotated[int, Field(ge=128, le=64000, strict=True), _Whole] = 4000
    target_tokens: Annotated[int, Field(ge=64, le=8000, strict=True), _Whole] = 600
    output_type: ItemType = ItemType.EPISODE
    source_ref: Annotated[str | None, Field(max_length=512), AfterValidator(not_the_notebooks)] = None
    expires_at: Moment | None = None


class CompactAnswer(Answer):
    """The summary, and what it was made of; `reduction_ratio` is the share of the tokens that it saves."""

    created_memory_id: str | None
    source_memory_ids: list[str]
    source_count: int
    input_tokens_estimate: int
    output_tokens_estimate: int
    reduction_ratio: float
    summary_text: str
    warnings: list[str]


class ReflectWork(BaseModel):
    """Over how many hours, and how many facts at most."""

    model_config = ConfigDict(frozen=True)

    window_hours: Annotated[int, Field(ge=1, le=168, strict=True), _Whole] = 24
    max_candidates: Annotated[int, Field(ge=1, le=32, strict=True), _Whole] = 8


class ReflectRequest(Request, ReflectWork):
    """Which facts the last hours hold."""


class TrainWork(BaseModel):
    """Which model, from how many days' signals."""

    model_config = ConfigDict(frozen=True)

    model_kind: ModelKind
    lookback_days: Annotated[int, Field(ge=1, le=180, strict=True), _Whole] = 14


class TrainRequest(TrainWork):
    """A model of the tenant to fit anew."""

    tenant_id: Name


class CleanupWork(BaseModel):
    """For how many hours what has expired is left alone."""

    model_config = ConfigDict(frozen=True)

    grace_hours: Annotated[int, Field(ge=0, le=720, strict=True), _Whole] = 0


class CleanupRequest(CleanupWork):
    """Expired items of the tenant to delete."""

    tenant_id: Name


class ReflectAnswer(Answer):
    """The job that reflects; its result has the facts."""

    job_id: str
    status: Literal["queued"] = "queued"
    candidate_facts: tuple[str, ...] = ()


class QueuedAnswer(Answer):
    """The job that was queued, and what it will do."""

    job_id: str
    status: Literal["queued"] = "queued"
    notes: str
