"""The secrets of a box, by name, in its keyring (contract box: never in units, environment files or logs).

The entries lie in the home, sealed; the master key that opens them stays with the machine: a systemd credential, else
a file in the user's configuration directory. A copied home is worth nothing without it.
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import (
    InvalidError,
    MemboxError,
    NotConfiguredError,
    NotFoundError,
    StorageError,
    StorageFullError,
    TooLargeError,
)
from appliance.home import user_config

if TYPE_CHECKING:
    from appliance.keyring_backend import SealedKeyring

CREDENTIAL = "membox.master-key"
KEYRING_DIRECTORY = "keyring"
BOX = "membox"
MAX_VALUE_BYTES = 64 * 1024
NAME = r"[a-z0-9][a-z0-9._\-]{0,63}"
NAME_RULE = "1 to 64 lower-case letters, digits, dots, hyphens and underscores, the first a letter or digit"


class Secrets:
    """The secrets in `home`: `set`, `get`, `names`, `remove`. Makes and reads nothing until it is asked.

    Any number may be open on one home, in one process or in several. Every method raises, beside what it says itself,
    StorageError (`secrets_unreadable`) and StorageFullError (`disk_full`) with what to do.

    Args:
        service: whose secrets; those of a user's logins lie apart from a box's.
    """

    def __init__(self, home: Path, service: str = BOX, environ: Mapping[str, str] = os.environ) -> None:
        self._home = home
        self._service = service
        self._environ = environ

    def set(self, name: str, value: str, replace: bool = True) -> None:
        """Keep `value` under `name`, durably; it replaces the one before, or without `replace` leaves that.

        Raises:
            InvalidError: `bad_secret_name`, or `bad_secret` for a value that is empty, no text or has U+0000.
            TooLargeError: `secret_too_large`, over 64 KiB.
            StorageError: `wrong_master_key`, `master_key_missing`, `bad_master_key`.
        """
        check_name(name)
        _check_value(value)
        with self._told():
            keyring = self._keyring()
            (keyring.set_password if replace else keyring.add_password)(self._service, name, value)

    def get(self, name: str) -> str:
        """The value of `name`.

        Raises:
            NotFoundError: `secret_not_found`.
            InvalidError: `bad_secret_name`.
            StorageError: `wrong_master_key`, `master_key_missing`, `bad_master_key`, `secret_damaged`.
        """
        check_name(name)
        with self._told():
            value = self._keyring().get_password(self._service, name)
        if value is None:
            raise _not_found(name)
        return value

    def names(self) -> list[str]:
        """The names of all secrets, sorted; needs no master key."""
        with self._told():
            return self._keyring().names(self._service)

    def remove(self, name: str) -> None:
        """Forget a secret; needs no master key.

        Raises:
            NotFoundError: `secret_not_found`.
            InvalidError: `bad_secret_name`.
        """
        from keyring.errors import PasswordDeleteError

        check_name(name)
        with self._told():
            try:
                self._keyring().delete_password(self._service, name)
            except PasswordDeleteError as fault:
                raise _not_found(name) from fault

    def _keyring(self) -> "SealedKeyring":
        from appliance.keyring_backend import SealedKeyring

        return SealedKeyring(self._home / KEYRING_DIRECTORY, self._master_key)

    def _master_key(self) -> bytes:
        credentials = self._environ.get("CREDENTIALS_DIRECTORY")
        if credentials and (sealed := Path(credentials) / CREDENTIAL).exists():
            return _read_key(sealed)
        file = user_config(self._environ) / "master.key"
        if not file.exists():
            self._make_key(file)
        elif file.stat().st_mode & 0o077:
            raise StorageError("bad_master_key", f"Others can read {file}; if it is yours alone: chmod 600 {file}")
        return _read_key(file)

    def _make_key(self, file: Path) -> None:
        """Make the user's master key, unless it would lie beside what it opens, or something waits for a lost one."""
        from appliance.durable import write_atomically
        from appliance.keyring_backend import MASTER_KEY_BYTES, locked, make_private

        if not self._keyring().is_empty():
            raise StorageError(
                "master_key_missing",
                f"The master key of {self._home / KEYRING_DIRECTORY} is not at hand (no credential {CREDENTIAL}, no "
                f"{file}); on a box only the daemon has it, so start that; else put the key back, or remove the "
                "secrets with `membox secrets rm`.",
            )
        if self._service == BOX and file.resolve().is_relative_to(self._home.resolve()):
            raise NotConfiguredError(
                "master_key_in_home",
                f"The master key would lie at {file}, inside the home it protects; start the daemon, which has its "
                "own, or let XDG_CONFIG_HOME name a directory elsewhere.",
            )
        make_private(file.parent)
        with locked(file.parent):
            if not file.exists():
                write_atomically(file, os.urandom(MASTER_KEY_BYTES))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Faults of the file system as errors of ours."""
        try:
            yield
        except OSError as fault:
            raise _told(fault, self._home / KEYRING_DIRECTORY) from fault


def check_name(name: str) -> None:
    """Raise InvalidError (`bad_secret_name`) unless `name` can be a secret's."""
    if not re.fullmatch(NAME, name):
        raise InvalidError("bad_secret_name", f"{name!r} cannot be a secret's name; allowed: {NAME_RULE}.")


def _check_value(value: str) -> None:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidError("bad_secret", "A secret must be UTF-8 text.") from None
    if not size or "\0" in value:
        what = "has a null character" if size else "is empty"
        raise InvalidError("bad_secret", f"The secret {what}; nothing was changed.")
    if size > MAX_VALUE_BYTES:
        raise TooLargeError("secret_too_large", f"A secret may have {MAX_VALUE_BYTES} bytes; this has {size}.")


def _not_found(name: str) -> NotFoundError:
    return NotFoundError("secret_not_found", f"There is no secret {name}; set it with `membox secrets set {name}`.")


def _read_key(file: Path) -> bytes:
    from appliance.keyring_backend import MASTER_KEY_BYTES

    key = file.read_bytes()
    if len(key) != MASTER_KEY_BYTES:
        raise StorageError(
            "bad_master_key",
            f"{file} is no master key: it must have exactly {MASTER_KEY_BYTES} random bytes; put the right one back.",
        )
    return key


def _told(fault: OSError, directory: Path) -> MemboxError:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(
            "disk_full",
            f"The disk that holds {directory} is full; nothing was changed, so free some space and try again.",
        )
    return StorageError(
        "secrets_unreadable",
        f"{fault.filename or directory} cannot be used ({fault.strerror}); correct its owner and permissions.",
    )
