"""Every call is recorded with what it cost, and a day takes no more than it may."""

from datetime import UTC, datetime, timedelta

import pytest

from appliance.errors import NoProviderError, ProviderError
from appliance.providers import Request, prices
from appliance.providers.usage import Limits, Most, Spent, Usage
from appliance.storage import Database
from tests.llm_server import LlmServer, failed, good, truncated
from tests.providers.conftest import Setup, by_anthropic, by_openai

QUESTION = Request("Keep the memory.", "The note of today.", max_tokens=10_000, purpose="refresh")
NO_LIMITS = Limits(0, 0)


@pytest.fixture
def asked(setup: Setup, llm: LlmServer) -> Setup:
    return by_anthropic(setup, llm)


def spend(setup: Setup, usd: float) -> None:
    most = Most("claude-sonnet-5-5", 0, 0, int(usd * 1e6))
    setup.providers.usage.begin(QUESTION, "anthropic", most, NO_LIMITS, "UTC")


def test_the_cost_is_that_of_the_list(asked: Setup, llm: LlmServer) -> None:
    llm.will(good("fine", input_tokens=100_000, output_tokens=10_000))
    assert asked.providers.complete(QUESTION).cost_micros == 300_000
    (spent,) = asked.providers.usage.since(1)
    assert (spent.provider, spent.model, spent.calls, spent.failed) == ("anthropic", "claude-sonnet-5-5", 1, 0)
    assert (spent.input_tokens, spent.output_tokens, spent.cost_micros) == (100_000, 10_000, 300_000)


@pytest.mark.parametrize(
    ("model", "tokens", "price"),
    [
        ("claude-sonnet-5-5", 1000, (2, 10)),
        ("claude-sonnet-4-6", 1000, (3, 15)),
        ("claude-opus-5-5", 1000, (4, 20)),
        ("claude-haiku-5-5", 1000, (0.1, 0.5)),
        ("claude-haiku-5-5", 200_000, (0.5, 2.5)),
        ("of-next-year", 1000, max(prices._PRICES.values())),
    ],
)
def test_a_model_has_its_price_and_an_unknown_one_the_dearest(
    model: str, tokens: int, price: tuple[float, float]
) -> None:
    assert tuple(prices.price_of(model, tokens)) == tuple(price)


def test_a_call_that_could_go_over_the_days_budget_is_not_made(asked: Setup, llm: LlmServer) -> None:
    spend(asked, 1.9)
    llm.will(good("fine"))
    with pytest.raises(NoProviderError, match=r"llm\.daily_budget_usd") as caught:
        asked.providers.complete(QUESTION)
    assert caught.value.word == "budget_spent"
    assert llm.asked == []


def test_a_provider_that_costs_nothing_is_asked_when_the_budget_is_spent(asked: Setup, llm: LlmServer) -> None:
    by_openai(asked, llm)
    asked.set("llm.providers", "anthropic, openai")
    spend(asked, 5)
    llm.will(good("fine"))
    assert asked.providers.complete(QUESTION).provider == "openai"


def test_a_new_day_of_the_boxs_zone_has_a_new_budget(asked: Setup, llm: LlmServer) -> None:
    asked.clock.now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)  # 01:30 in Berlin, in the night that has 25 hours
    spend(asked, 2)
    for moment, is_allowed in [
        (datetime(2026, 10, 25, 22, 59, tzinfo=UTC), False),
        (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), True),
    ]:
        asked.clock.now = moment
        llm.will(good("fine"))
        if is_allowed:
            assert asked.providers.complete(QUESTION).text == "fine"
        else:
            with pytest.raises(NoProviderError):
                asked.providers.complete(QUESTION)


def test_tokens_of_a_day_have_a_limit_too(asked: Setup, llm: LlmServer) -> None:
    asked.set("llm.daily_tokens", 12_000)
    llm.will(good("fine", input_tokens=100, output_tokens=5000), good("fine"))
    asked.providers.complete(QUESTION)
    with pytest.raises(NoProviderError, match=r"llm\.daily_tokens"):
        asked.providers.complete(QUESTION)


def test_a_call_that_was_cut_off_by_a_kill_counts_with_the_most_it_can_have_cost(asked: Setup) -> None:
    most = Most("claude-sonnet-5-5", 1000, 10_000, 102_000)
    asked.providers.usage.begin(QUESTION, "anthropic", most, NO_LIMITS, "UTC")
    assert asked.providers.usage.today("UTC").cost_micros == 102_000


def test_what_is_not_to_be_recorded_leaves_no_trace_and_keeps_to_the_budget(asked: Setup, llm: LlmServer) -> None:
    llm.will(good("fine"), failed(401))
    asked.providers.complete(QUESTION, record=False)
    with pytest.raises(ProviderError):
        asked.providers.complete(QUESTION, record=False)
    assert asked.providers.usage.since(1) == []
    spend(asked, 2)
    with pytest.raises(NoProviderError):
        asked.providers.complete(QUESTION, record=False)


def test_a_truncated_reply_costs_and_is_no_failure(asked: Setup, llm: LlmServer) -> None:
    llm.will(truncated("a long document"))
    asked.providers.complete(QUESTION)
    (spent,) = asked.providers.usage.since(1)
    assert (spent.calls, spent.failed) == (1, 0)
    assert spent.cost_micros > 0


def test_usage_of_more_than_a_year_is_forgotten(asked: Setup) -> None:
    spend(asked, 1)
    asked.clock.now += timedelta(days=401)
    asked.providers.usage.forget_old()
    assert asked.providers.usage.since(500) == []


def test_usage_is_summed_the_same_on_every_database(database: Database) -> None:
    usage = Usage(database, lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    most = Most("small", 10, 20, 30)
    numbers = [usage.begin(QUESTION, "openai", most, Limits(1, 100), "UTC") for _ in range(3)]
    with pytest.raises(NoProviderError):
        usage.begin(QUESTION, "openai", most, Limits(1, 100), "UTC")
    usage.end(numbers[0], "failed", "", 1, 0, 0)
    usage.end(numbers[1], "ok", "other", 5, 6, 7)
    assert usage.since(1) == [Spent("openai", "small", 2, 1, 11, 20, 30), Spent("openai", "other", 1, 0, 5, 6, 7)]
    assert usage.today("UTC") == Spent("", "", 3, 1, 16, 26, 37)
