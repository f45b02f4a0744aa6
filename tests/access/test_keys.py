import base64
from collections.abc import Callable

import pytest
from sqlalchemy import select

from appliance.access import Access
from appliance.access.keys import hash_of, key_id_of, make_key
from appliance.config import GivenKey
from appliance.errors import NotFoundError
from appliance.principal import Role
from appliance.storage import Database
from appliance.storage.schema import access_keys, audit_log


def test_a_key_lets_in_whom_it_was_made_for(access: Access) -> None:
    new = access.create_key("laptop", "home", "claude", Role.WRITER)
    principal = access.principal_of_key(new.key)
    assert principal is not None
    assert (principal.tenant_id, principal.agent_id, principal.role) == ("home", "claude", Role.WRITER)
    assert principal.key_id == new.key_id
    assert not principal.owner
    assert not principal.unbound


def test_a_key_has_the_documented_form_and_256_bits() -> None:
    new = make_key()
    prefix, key_id, secret = new.key[:4], new.key[4:12], new.key[13:]
    assert (prefix, key_id, new.key[12]) == ("mbx_", new.key_id, "_")
    assert key_id.isalnum()
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32
    assert key_id_of(new.key) == new.key_id


def test_no_two_keys_are_alike() -> None:
    assert len({make_key().key for _ in range(200)}) == 200


def test_only_the_hash_is_stored(access: Access, database: Database) -> None:
    new = access.create_key("phone", "home", "phone", Role.CAPTURE)
    with database.read() as conn:
        row = conn.execute(select(access_keys).where(access_keys.c.key_id == new.key_id)).one()
    assert row.secret_hash == hash_of(new.key)
    assert not any(new.key[13:] in str(value) for value in row)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "x",
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key.upper(),
        lambda key: key[:13],
        lambda key: " " + key,
        lambda key: key + "\ud800",
        lambda key: "",
        lambda key: "mbx_",
        lambda key: "x" * 10_000,
    ],
)
def test_a_spoilt_key_lets_nobody_in(access: Access, spoil: Callable[[str], str]) -> None:
    new = access.create_key("spoilt", "home", "a", Role.ADMIN)
    assert access.principal_of_key(spoil(new.key)) is None


def test_a_revoked_key_counts_no_more_from_the_next_request(access: Access) -> None:
    new = access.create_key("lost", "home", "a", Role.ADMIN)
    assert access.principal_of_key(new.key) is not None
    access.revoke_key(new.key_id)
    assert access.principal_of_key(new.key) is None
    assert new.key_id not in [info.key_id for info in access.keys("home")]


def test_keys_and_revocations_outlast_a_restart(access: Access, reopened: Callable[[], Access]) -> None:
    kept = access.create_key("kept", "home", "a", Role.READER)
    lost = access.create_key("lost", "home", "a", Role.READER)
    access.revoke_key(lost.key_id)
    after = reopened()
    assert after.principal_of_key(kept.key) == access.principal_of_key(kept.key)
    assert after.principal_of_key(lost.key) is None


def test_revoking_twice_or_an_unknown_key_says_so(access: Access) -> None:
    new = access.create_key("once", "home", "a", Role.READER)
    access.revoke_key(new.key_id)
    for key_id in (new.key_id, "nothing1", ""):
        with pytest.raises(NotFoundError, match="membox key list") as raised:
            access.revoke_key(key_id)
        assert raised.value.word == "key_not_found"


def test_another_tenants_key_is_neither_listed_nor_revoked(access: Access) -> None:
    new = access.create_key("theirs", "elsewhere", "a", Role.ADMIN)
    assert new.key_id not in [info.key_id for info in access.keys("home")]
    assert new.key_id in [info.key_id for info in access.keys("elsewhere")]
    with pytest.raises(NotFoundError):
        access.revoke_key(new.key_id, "home")
    assert access.principal_of_key(new.key) is not None


def test_given_keys_let_in_without_being_stored(database: Database, access: Access) -> None:
    given = {"from-a-file": GivenKey(tenant_id="acme", agent_id="bot", role="reader")}
    with_given = Access(database, access._clock, given_keys=given)
    principal = with_given.principal_of_key("from-a-file")
    assert principal is not None
    assert (principal.tenant_id, principal.agent_id, principal.role) == ("acme", "bot", Role.READER)
    assert with_given.principal_of_key("from-a-fil") is None
    assert access.principal_of_key("from-a-file") is None
    assert "from-a-file" not in repr(vars(with_given))


def test_the_owners_key_is_the_owner(access: Access, reopened: Callable[[], Access]) -> None:
    key = make_key().key
    assert access.principal_of_key(key) is None
    access.accept_owner_key(key)
    assert access.principal_of_key(key) == access.owner
    assert access.owner.owner
    assert access.owner.role is Role.ADMIN
    assert reopened().principal_of_key(key) is None


def test_no_owner_key_is_not_an_empty_owner_key(access: Access) -> None:
    assert access.principal_of_key("") is None


def test_a_list_says_when_a_key_was_last_used(access: Access) -> None:
    new = access.create_key("used", "home", "a", Role.READER)
    assert access.last_used(new.key_id) is None
    access.principal_of_key(new.key)
    assert access.last_used(new.key_id) is not None


def test_making_and_revoking_is_written_down(access: Access, database: Database) -> None:
    new = access.create_key("watched", "home", "a", Role.READER, actor="anna")
    access.revoke_key(new.key_id, actor="bert")
    with database.read() as conn:
        rows = conn.execute(select(audit_log).where(audit_log.c.subject == new.key_id).order_by(audit_log.c.id)).all()
    assert [(row.actor, row.action) for row in rows] == [("anna", "key_created"), ("bert", "key_revoked")]
