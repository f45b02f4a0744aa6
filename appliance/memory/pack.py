"""Filling the caller's budget: greedy by score, nothing said twice, an item too large skipped (contract memory-api)."""

from collections.abc import Iterable

from appliance.memory.models import Budget
from appliance.memory.rank import Ranked
from appliance.memory.sentences import sentences
from appliance.text import estimate_tokens, folded


def pack(ranked: Iterable[Ranked], budget: Budget) -> tuple[list[Ranked], int]:
    """The items that fit both budgets, and about how many tokens they take together.

    Left out is an item that was said: as a whole, or sentence by sentence in those before it.
    """
    chosen: list[Ranked] = []
    said: set[str] = set()
    tokens = 0
    for candidate in ranked:
        if len(chosen) == budget.max_items:
            break
        text = candidate.row.text
        cost = estimate_tokens(text)
        if tokens + cost > budget.max_tokens:
            continue
        saying = folded(text) or text
        parts = {saying if each == text else folded(each) or each for each in sentences(text)}
        if saying in said or parts <= said:
            continue
        said |= {saying, *parts}
        chosen.append(candidate)
        tokens += cost
    return chosen, tokens
