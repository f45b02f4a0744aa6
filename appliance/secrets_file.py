"""Secrets in a file that a passphrase opens: how they come to another box (DESIGN, State lives in one directory).

The file is FORMAT, a salt, a nonce, and what AES-GCM made of the secrets as JSON, under a key that scrypt (RFC 7914)
makes of the passphrase.
"""

import json
import os

from appliance.errors import InvalidError

FORMAT = b"membox secrets 1\n"
LEAST_CHARACTERS = 12
_SALT_BYTES = 16
_NONCE_BYTES = 12
# 64 MiB and some tenths of a second for each try, also for whoever has found the file and guesses.
_COST = 2**16
_BLOCK = 8


def seal(secrets: dict[str, str], passphrase: str) -> bytes:
    """The file's content: `secrets`, value by name, for whoever has the passphrase.

    Raises:
        InvalidError: `weak_passphrase`, it is too short to withstand guessing.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(passphrase) < LEAST_CHARACTERS:
        raise InvalidError(
            "weak_passphrase",
            f"The passphrase needs at least {LEAST_CHARACTERS} characters; take several words.",
        )
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, json.dumps(secrets).encode(), FORMAT)
    return FORMAT + salt + nonce + sealed


def unseal(content: bytes, passphrase: str) -> dict[str, str]:
    """The secrets in the file's content.

    Raises:
        InvalidError: `no_secrets_file`, or `wrong_passphrase` when it does not open.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not content.startswith(FORMAT):
        raise InvalidError("no_secrets_file", "This is no file that `membox secrets export` made.")
    rest = content.removeprefix(FORMAT)
    salt, nonce, sealed = rest[:_SALT_BYTES], rest[_SALT_BYTES:][:_NONCE_BYTES], rest[_SALT_BYTES + _NONCE_BYTES :]
    try:
        opened = AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, FORMAT)
    except (InvalidTag, ValueError):
        raise InvalidError(
            "wrong_passphrase", "The passphrase does not open this file, or the file is damaged."
        ) from None
    return dict(json.loads(opened))


def _key(passphrase: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, n=_COST, r=_BLOCK, p=1).derive(passphrase.encode())
