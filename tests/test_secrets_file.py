"""A file of secrets opens with its passphrase alone."""

import pytest

from appliance.errors import InvalidError
from appliance.secrets_file import FORMAT, seal, unseal

PASSPHRASE = "correct horse battery staple"
SECRETS = {"restic-password": "Grüße 東京\n", "smtp": "x" * 1000}


def test_what_is_sealed_comes_back_and_is_nowhere_in_clear() -> None:
    sealed = seal(SECRETS, PASSPHRASE)
    assert unseal(sealed, PASSPHRASE) == SECRETS
    assert b"restic" not in sealed
    assert b"xxxx" not in sealed
    assert seal(SECRETS, PASSPHRASE)[: len(FORMAT) + 16] != sealed[: len(FORMAT) + 16]


def test_another_passphrase_opens_nothing() -> None:
    with pytest.raises(InvalidError, match="does not open this file"):
        unseal(seal(SECRETS, PASSPHRASE), PASSPHRASE + "!")


@pytest.mark.parametrize("place", [len(FORMAT), len(FORMAT) + 16, len(FORMAT) + 28, -1])
def test_a_changed_file_opens_no_more(place: int) -> None:
    changed = bytearray(seal(SECRETS, PASSPHRASE))
    changed[place] ^= 1
    with pytest.raises(InvalidError, match="or the file is damaged"):
        unseal(bytes(changed), PASSPHRASE)


@pytest.mark.parametrize("length", [0, 5, 28, 40])
def test_a_file_that_was_cut_opens_no_more(length: int) -> None:
    with pytest.raises(InvalidError, match="or the file is damaged"):
        unseal(seal(SECRETS, PASSPHRASE)[: len(FORMAT) + length], PASSPHRASE)


def test_another_file_is_told_as_such() -> None:
    with pytest.raises(InvalidError, match="no file that `membox secrets export` made"):
        unseal(b"", PASSPHRASE)


def test_a_passphrase_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(InvalidError, match="at least 12 characters"):
        seal(SECRETS, "short")
