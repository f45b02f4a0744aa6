"""What a model's tokens cost: Anthropic's list prices of November 2026, in US dollars for a million tokens.

https://platform.claude.com/docs/en/about-claude/pricing
"""

from typing import NamedTuple


class Price(NamedTuple):
    """US dollars for a million tokens."""

    input: float
    output: float


# By the beginning of the model's name; the longest that fits counts.
_PRICES = {
    "claude-fable": Price(10, 50),
    "claude-mythos": Price(10, 50),
    "claude-opus": Price(15, 75),
    "claude-opus-4-5": Price(5, 25),
    "claude-opus-4-6": Price(5, 25),
    "claude-opus-4-7": Price(5, 25),
    "claude-opus-4-8": Price(5, 25),
    "claude-opus-5": Price(5, 25),
    "claude-opus-5-5": Price(4, 20),
    "claude-sonnet": Price(3, 15),
    "claude-sonnet-5": Price(2, 10),
    "claude-haiku": Price(1, 5),
    "claude-haiku-5-5": Price(0.1, 0.5),
}
_LONG_PROMPT = 100_000  # tokens; from there on a Haiku 5.5 costs more
_LONG_PRICES = {"claude-haiku-5-5": Price(0.5, 2.5)}
_DEAREST = max(_PRICES.values())  # of a model that is not listed, so that a budget holds


def price_of(model: str, input_tokens: int = 0) -> Price:
    """The price of a Claude's tokens; of one that is not known, the highest there is."""
    fitting = max((name for name in _PRICES if model.startswith(name)), key=len, default="")
    if input_tokens > _LONG_PROMPT and fitting in _LONG_PRICES:
        return _LONG_PRICES[fitting]
    return _PRICES.get(fitting, _DEAREST)


def cost_micros(model: str, input_tokens: int, output_tokens: int, price: Price | None = None) -> int:
    """Millionths of a US dollar for so many tokens, rounded up; at `price` where it is not a Claude's."""
    price = price or price_of(model, input_tokens)
    return -int(-(input_tokens * price.input + output_tokens * price.output) // 1)
