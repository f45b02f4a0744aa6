"""Moments as milliseconds and back: whatever a date can say, to the millisecond."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.clock import from_ms, iso, to_ms


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_keeps_its_milliseconds(moment: datetime) -> None:
    whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert from_ms(to_ms(moment)) == whole
    assert datetime.fromisoformat(iso(to_ms(moment))) == whole


def test_the_last_moment_there_is_has_a_number() -> None:
    assert iso(to_ms(datetime.max.replace(tzinfo=UTC))) == "9999-12-31T23:59:59.999Z"


def test_a_number_beyond_all_dates_is_refused() -> None:
    with pytest.raises(OverflowError):
        from_ms(10**18)
