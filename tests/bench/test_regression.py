"""A verdict follows from what was measured and the budgets, and from nothing else."""

import pytest

from appliance.bench.regression import Budgets, Steady, markdown

STEADY = Steady(seed_count=5, remember_ms=[1.0] * 19 + [9.0], recall_ms=[2.0] * 20, growth_bytes=3e6)


@pytest.mark.parametrize(
    ("budgets", "violations"),
    [
        (Budgets(1.0, 2.0, 3e6), []),
        (Budgets(0.5, 2.0, 3e6), ["remember_p95_ms_exceeded:1.000>0.500"]),
        (Budgets(1.0, 1.5, 3e6), ["recall_p95_ms_exceeded:2.000>1.500"]),
        (Budgets(1.0, 2.0, 2e6), ["memory_growth_exceeded:3000000.000>2000000.000"]),
    ],
)
def test_a_budget_is_passed_by_what_is_more(budgets: Budgets, violations: list[str]) -> None:
    told = STEADY.as_json(budgets)
    assert (told["violations"], told["pass"]) == (violations, not violations)
    assert ("Every budget is kept." in markdown(told)) is (not violations)
    assert all(violation in markdown(told) for violation in violations)


def test_growth_that_was_not_measured_passes_no_budget() -> None:
    told = Steady(5, [1.0], [1.0], growth_bytes=None).as_json(Budgets(1.0, 1.0, 0.0))
    assert told["pass"]
    assert "not measured" in markdown(told)
