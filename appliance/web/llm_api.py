"""Language models over the web: which can be asked, what they took, and a try (docs/providers.md)."""

from typing import Annotated

from pydantic import BaseModel, Field

from appliance.principal import Role
from appliance.providers import Request as Question
from appliance.web.endpoint import Request, endpoint

_QUESTION = Question("Answer in one short sentence.", "Are you there?", max_tokens=1024, purpose="test")


class ProviderStanding(BaseModel):
    """A provider: whether it is among those that are tried, whether it can be asked, and else what to do."""

    name: str
    is_chosen: bool
    is_usable: bool
    remedy: str


class Spent(BaseModel):
    """Calls with their tokens and cost, in millionths of a US dollar, by list price."""

    provider: str
    model: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_micros: int


class LanguageModels(BaseModel):
    """The providers in the order in which they are tried, those that are not last; and this day's part of its budget.

    A limit of 0 is none.
    """

    providers: list[ProviderStanding]
    today: Spent
    daily_budget_usd: float
    daily_tokens: int


class UsageQuery(BaseModel):
    """Of how many days."""

    days: Annotated[int, Field(ge=1, le=400)] = 30


class UsageAnswer(BaseModel):
    """What each model took, the dearest first."""

    days: int
    models: list[Spent]


class ModelNames(BaseModel):
    """The models that a provider offers."""

    provider: str
    models: list[str]


class TestRequest(BaseModel):
    """Which provider is to be asked; none: as always, the first that answers."""

    provider: Annotated[str, Field(max_length=64)] = ""


class TestAnswer(BaseModel):
    """What a model answered to a small question."""

    text: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_micros: int


@endpoint("GET", "/v1/llm", role=Role.ADMIN, answer=LanguageModels, summary="Which language models can be asked.")
def standing(request: Request) -> LanguageModels:
    """The providers and this day."""
    providers, settings = request.box.providers, request.box.providers.settings()
    return LanguageModels.model_validate(
        {
            "providers": providers.standing(),
            "today": providers.usage.today(settings.core.timezone),
            "daily_budget_usd": settings.llm.daily_budget_usd,
            "daily_tokens": settings.llm.daily_tokens,
        },
        from_attributes=True,
    )


@endpoint(
    "GET",
    "/v1/llm/usage",
    role=Role.ADMIN,
    query=UsageQuery,
    answer=UsageAnswer,
    summary="What language models were asked for, and what it cost.",
)
def usage(request: Request) -> UsageAnswer:
    """Calls, tokens and cost by model."""
    days = request.query.days
    models = request.box.providers.usage.since(days)
    return UsageAnswer.model_validate({"days": days, "models": models}, from_attributes=True)


@endpoint(
    "GET",
    "/v1/llm/<provider>/models",
    role=Role.ADMIN,
    answer=ModelNames,
    errors=(404, 424, 502),
    summary="The models that a provider offers.",
)
def models(request: Request) -> ModelNames:
    """Asks the provider."""
    provider = request.params["provider"]
    return ModelNames(provider=provider, models=request.box.providers.models(provider))


@endpoint(
    "POST",
    "/v1/llm/test",
    role=Role.ADMIN,
    body=TestRequest,
    answer=TestAnswer,
    errors=(404, 424, 502),
    summary="Ask a language model a small question.",
)
def test(request: Request) -> TestAnswer:
    """Whether one answers."""
    reply = request.box.providers.complete(_QUESTION, only=request.body.provider)
    return TestAnswer.model_validate(reply, from_attributes=True)
