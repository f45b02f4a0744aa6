"""Filling the caller's budget: greedy by score, each text once, an item too large skipped (contract memory-api)."""

from collections.abc import Iterable

from appliance.memory.models import Budget
from appliance.memory.rank import Ranked
from appliance.text import estimate_tokens, folded


def pack(ranked: Iterable[Ranked], budget: Budget) -> tuple[list[Ranked], int]:
    """The items that fit both budgets, and about how many tokens they take together."""
    chosen: list[Ranked] = []
    said: set[str] = set()
    tokens = 0
    for candidate in ranked:
        if len(chosen) == budget.max_items:
            break
        cost = estimate_tokens(candidate.row.text)
        saying = folded(candidate.row.text) or candidate.row.text
        if saying in said or tokens + cost > budget.max_tokens:
            continue
        said.add(saying)
        chosen.append(candidate)
        tokens += cost
    return chosen, tokens
