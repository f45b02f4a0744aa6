"""What callers of the memory send and get (contract memory-api, Endpoints). Unknown request fields are ignored."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from appliance.clock import from_ms, iso, to_ms

NOTEBOOK_REF = "notebook:"


class Scope(StrEnum):
    """How far an item can be seen: its agent, its tenant's team, or everyone in the tenant."""

    PRIVATE = "private"
    TEAM = "team"
    GLOBAL = "global"


class ItemType(StrEnum):
    """What kind of knowledge an item is."""

    EVENT = "event"
    FACT = "fact"
    EPISODE = "episode"
    POLICY = "policy"


class TrustLevel(StrEnum):
    """Where an item's text comes from."""

    TRUSTED_TOOL = "trusted_tool"
    USER_CLAIM = "user_claim"
    UNTRUSTED_WEB = "untrusted_web"


def _moment(value: object) -> int:
    """Epoch milliseconds of an ISO 8601 text; one without zone is UTC."""
    if not isinstance(value, str):
        raise ValueError("must be a date and time as ISO 8601 text")
    try:
        milliseconds = to_ms(datetime.fromisoformat(value))
        from_ms(milliseconds)
    except (ValueError, OverflowError) as fault:
        raise ValueError("must be a date and time as ISO 8601 text, such as 2026-11-20T08:30:00Z") from fault
    return milliseconds


def whole(value: object) -> object:
    """A whole number written with a point is one: 1400.0 (JSON Schema says so, and floats are how clients compute)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def not_the_notebooks(source_ref: str | None) -> str | None:
    """`source_ref`; ValueError where it would pass for a section of the notebook."""
    if source_ref is not None and source_ref.startswith(NOTEBOOK_REF):
        raise ValueError("'notebook:' is kept for sections of the notebook; name the source otherwise")
    return source_ref


Moment = Annotated[
    int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]
Time = Annotated[int, PlainSerializer(iso, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class Request(BaseModel):
    """A caller's words: tenant and agent it speaks for."""

    model_config = ConfigDict(allow_inf_nan=False, frozen=True)

    tenant_id: Name
    agent_id: Name


class Answer(BaseModel):
    """What a caller gets back; exactly the contract's fields."""

    model_config = ConfigDict(frozen=True)


class NewItem(BaseModel):
    """One thing to remember. Without own values, salience and confidence follow from type, text and trust."""

    model_config = ConfigDict(allow_inf_nan=False, frozen=True)

    type: ItemType
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    source_ref: Annotated[str | None, Field(max_length=512), AfterValidator(not_the_notebooks)] = None
    trust_level: TrustLevel = TrustLevel.USER_CLAIM
    confidence: Share | None = None
    salience: Share | None = None
    expires_at: Moment | None = None
    occurred_at: Moment | None = None


class RememberRequest(Request):
    """Items to keep, all in one scope, at most 100."""

    scope: Scope = Scope.PRIVATE
    items: Annotated[list[NewItem], Field(min_length=1, max_length=100)]
    idempotency_key: Annotated[str, Field(max_length=128)] | None = None


class RememberAnswer(Answer):
    """Which items were kept; warnings say what was refused or resembles an older item."""

    accepted: int
    rejected: int
    memory_ids: list[str]
    warnings: list[str]


class Budget(BaseModel):
    """How much a recall may return."""

    model_config = ConfigDict(frozen=True)

    max_items: Annotated[int, Field(ge=1, le=100, strict=True), BeforeValidator(whole)] = 12
    max_tokens: Annotated[int, Field(ge=64, le=32000, strict=True), BeforeValidator(whole)] = 1400


class Filters(BaseModel):
    """Which items count: at least this trust, one of these types (none or empty: every type).

    With `notebook`, which is ours, only the notebook's sections.
    """

    model_config = ConfigDict(allow_inf_nan=False, frozen=True)

    trust_min: Share = 0.0
    types: list[ItemType] | None = None
    notebook: Annotated[bool, Field(strict=True)] = False


class Context(BaseModel):
    """How many neighbours of each item found come along, on each side, and how many tokens all of them may take."""

    model_config = ConfigDict(frozen=True)

    neighbours: Annotated[int, Field(ge=1, le=10, strict=True), BeforeValidator(whole)] = 2
    max_tokens: Annotated[int, Field(ge=64, le=32000, strict=True), BeforeValidator(whole)] = 1400


class RecallRequest(Request):
    """A question to the memory; `explain` asks why each item matched and where it stands.

    `context`, which is ours too, asks for what stands beside each item in its conversation or file.
    """

    scope: Scope = Scope.PRIVATE
    query: Annotated[str, Field(min_length=1, max_length=1024)]
    budget: Budget = Budget()
    filters: Filters = Filters()
    explain: Annotated[bool, Field(strict=True)] = False
    context: Context | None = None


class RecalledItem(Answer):
    """An item that answers the query."""

    memory_id: str
    type: ItemType
    text: str
    confidence: float
    salience: float
    source_ref: str | None
    created_at: Time


class ExplainedItem(RecalledItem):
    """An item with why it matched and, for a notebook section, its file and first line."""

    why: list[str]
    file: str | None
    line: int | None
    occurred_at: Time


class RecallAnswer(Answer):
    """The items that fit the budget, best first."""

    items: list[ExplainedItem] | list[RecalledItem]
    composed_tokens_estimate: int
    conflicts: list[str]
    trace_id: str
    model_version: str
    model_route: str


class Neighbour(RecalledItem):
    """An item that stands beside one that was found, so many places before (negative) or after it in its source."""

    beside: str
    offset: int


class RecallAnswerInContext(RecallAnswer):
    """The same with what stands beside the items, apart from their budget."""

    context: list[Neighbour]
    context_tokens_estimate: int


class InspectRequest(Request):
    """Which of the items with this id the caller may see."""

    scope: Scope = Scope.PRIVATE


class InspectAnswer(Answer):
    """One item, whole."""

    memory_id: str
    tenant_id: str
    agent_id: str
    type: ItemType
    scope: Scope
    text: str
    trust_level: TrustLevel
    confidence: float
    salience: float
    source_ref: str | None
    created_at: Time
    expires_at: Time | None


class ForgetRequest(Request):
    """Who asks that an item be forgotten."""


class ForgetAnswer(Answer):
    """That it is gone."""

    memory_id: str
    deleted: bool
