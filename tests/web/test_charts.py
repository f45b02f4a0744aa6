"""Drawings keep inside their box, and show what there is."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web.charts import HEIGHT, WIDTH, bars, lines, rounded_up

amounts = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@given(amounts)
def test_bars_stand_side_by_side_inside_the_box(values: list[float]) -> None:
    drawn = bars(values, ["" for _ in values], rounded_up(max(values)))
    assert len(drawn) == len(values)
    for bar in drawn:
        assert -0.1 <= bar.x <= bar.x + bar.width <= WIDTH + 0.2
        assert bar.y >= -0.1
        assert bar.y + bar.height == pytest.approx(HEIGHT, abs=0.2)
    for bar, following in pairwise(drawn):
        assert bar.x + bar.width <= following.x + 0.2


def test_the_smallest_amount_can_be_seen_and_none_cannot() -> None:
    small, none, much = bars([1, 0, 100_000], ["1", "0", "100000"], 100_000)
    assert small.height >= 2
    assert none.height == 0
    assert much.height == HEIGHT


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    paths = lines([(0.0, 1.0), (0.1, 2.0), (0.6, 1.0)], gap=0.2, highest=2.0)
    assert paths == ["M0.0 80.0 L64.0 0.0", "M384.0 80.0 L384.0 80.0"]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 50)), max_size=40).map(sorted))
def test_lines_keep_inside_the_box(points: list[tuple[float, float]]) -> None:
    for path in lines(points, gap=0.1, highest=50):
        for x, y in re.findall(r"([\d.]+) ([\d.]+)", path):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT


@pytest.mark.parametrize(("value", "end"), [(0, 1), (1, 1), (1.1, 2), (3, 5), (7, 10), (11, 20), (5001, 10_000)])
def test_the_scale_ends_at_a_round_number(value: float, end: float) -> None:
    assert rounded_up(value) == end
