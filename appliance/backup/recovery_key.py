"""The recovery key of the snapshots: what it looks like, and whether two that were typed are the same.

It is the password of the restic repository: whoever has it and the repository has everything, restic itself is enough.
"""

import hmac
import secrets

SECRET = "restic-password"  # noqa: S105 - the name of a secret
SERVER_SECRET = "restic-server-password"  # noqa: S105 - the name of a secret
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that looks like something else on paper
_GROUPS, _GROUP = 6, 4  # 31^24, about 119 bits


def new_key() -> str:
    """A random key in groups that can be read out and written down."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def as_made(typed: str) -> str:
    """A key as a person typed it, in the form `new_key` gave it; one of another form is only stripped."""
    bare = "".join(char for char in typed.upper() if not char.isspace() and char != "-")
    if len(bare) != _GROUPS * _GROUP or not set(bare) <= set(_ALPHABET):
        return typed.strip()
    return "-".join(bare[start : start + _GROUP] for start in range(0, len(bare), _GROUP))


def is_same(typed: str, key: str) -> bool:
    """Whether `typed` is `key`."""
    return hmac.compare_digest(as_made(typed).encode(), key.encode())
