import pytest

from appliance.access.wrong_keys import WrongKeys
from appliance.errors import TooManyError


def test_after_a_while_counting_begins_anew() -> None:
    now = 0.0
    wrong = WrongKeys(allowed=1, seconds=60, now=lambda: now)
    wrong.count("192.0.2.1")
    with pytest.raises(TooManyError):
        wrong.count("192.0.2.1")
    now = 60.0
    wrong.count("192.0.2.1")


def test_a_client_with_a_whole_network_is_one_client() -> None:
    wrong = WrongKeys(allowed=1)
    wrong.count("2001:db8:1:2::1")
    with pytest.raises(TooManyError):
        wrong.count("2001:db8:1:2:ffff::9")


def test_the_count_does_not_grow_without_bound() -> None:
    wrong = WrongKeys(allowed=1)
    for number in range(25_000):
        wrong.count(str(number))
    assert len(wrong) <= 10_000
