"""Keys: high-entropy random tokens, shown once and stored only as hashes (contract memory-api, Auth).

A key is ``mbx_<id>_<secret>``: the id names it in lists and for revoking, the secret has 256 bits. A fast hash is
enough, and right, for a secret nobody can guess; a slow one would only cost every request its time.
"""

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass

from appliance.principal import Principal, Role

PREFIX = "mbx_"
ID_LENGTH = 8
# Letters and digits only: an id that began with "-" would read as an option on the command line.
_ID_CHARACTERS = string.ascii_letters + string.digits
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `key` is its only copy in clear."""

    key_id: str
    key: str


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key as lists show it; times are epoch milliseconds."""

    key_id: str
    name: str
    tenant_id: str
    agent_id: str
    role: Role
    created_at: int


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that counts: its hash and whom it lets in."""

    secret_hash: str
    principal: Principal

    def matches(self, key_hash: str) -> bool:
        """Whether `key_hash` is this key's, compared in constant time."""
        return hmac.compare_digest(self.secret_hash, key_hash)


def hash_of(token: str) -> str:
    """The SHA-256 of a key, ticket or session token, as hex: the only form that is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def make_key() -> NewKey:
    """A new random key with its id."""
    key_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(ID_LENGTH))
    return NewKey(key_id, f"{PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}")


def key_id_of(key: str) -> str | None:
    """The id inside a key's text; None when the text has not the form of a key."""
    end = len(PREFIX) + ID_LENGTH
    if not key.startswith(PREFIX) or key[end : end + 1] != "_":
        return None
    return key[len(PREFIX) : end]
