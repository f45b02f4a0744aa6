"""Our backend for the `keyring` library: every entry a file of its own, sealed with AES-GCM (DESIGN, Decisions).

Always used as an object that was made here, never through keyring's automatic choice, which may fall to a backend that
keeps clear text. keyring and cryptography are heavy: only `secrets.py` imports this module, when a secret is needed.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from appliance.durable import sync, write_atomically
from appliance.errors import StorageError

MASTER_KEY_BYTES = 32

# An entry is FORMAT, the id of its master key, the nonce, and what AES-GCM made of the value. The nonce is random: the
# bound of NIST SP 800-38D, 2^32 encryptions under one key, is far beyond what a person sets.
_FORMAT = b"membox1\n"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_PARTIAL = ".partial"


class SealedKeyring(KeyringBackend):
    """The entries of one directory (0700, its files 0600), safe under several writers and a crash at any moment.

    `master_key` is asked for when an entry is sealed or opened, so that names can be listed and entries removed
    without it. Service and name are the associated data: an entry moved to another's place does not open.

    Raises OSError where the directory cannot be read or written.
    """

    priority = 0  # the library computes it; ours is never to be chosen by itself

    def __init__(self, directory: Path, master_key: Callable[[], bytes]) -> None:
        # Not the base's: it sets attributes from the environment.
        self._directory = directory
        self._master_key = master_key

    def get_password(self, service: str, username: str) -> str | None:
        """The value of an entry, None when there is none.

        Raises:
            StorageError: `wrong_master_key`, or `secret_damaged` when the entry is not as it was written here.
        """
        file = self._file(service, username)
        try:
            sealed = file.read_bytes()
        except FileNotFoundError:
            return None
        return _open(sealed, self._master_key(), service, username, file)

    def set_password(self, service: str, username: str, password: str) -> None:
        """Write an entry; the one before it stays until the new one is on the disk.

        Raises:
            StorageError: `wrong_master_key`, when the other entries were sealed with another one.
        """
        with self._locked():
            self._write(service, username, password)

    def add_password(self, service: str, username: str, password: str) -> None:
        """As `set_password`, but an entry that is there stays as it is."""
        with self._locked():
            if not self._file(service, username).exists():
                self._write(service, username, password)

    def _write(self, service: str, username: str, password: str) -> None:
        key, file = self._master_key(), self._file(service, username)
        for other in self._files():
            if other != file:
                _check_key(other.read_bytes(), key, other)
        write_atomically(file, _seal(password, key, service, username))

    def delete_password(self, service: str, username: str) -> None:
        """Remove an entry; PasswordDeleteError when there is none."""
        with self._locked():
            try:
                self._file(service, username).unlink()
            except FileNotFoundError as fault:
                raise PasswordDeleteError(f"no entry {username}") from fault
            sync(self._directory)

    def names(self, service: str) -> list[str]:
        """The names of a service's entries, sorted."""
        found = (file.name.partition("@") for file in self._files())
        return sorted(unquote(name) for name, _, of in found if unquote(of) == service)

    def is_empty(self) -> bool:
        """Whether there is no entry of any service."""
        return not self._files()

    def _file(self, service: str, username: str) -> Path:
        return self._directory / f"{quote(username, safe='')}@{quote(service, safe='')}"

    def _files(self) -> list[Path]:
        try:
            return sorted(file for file in self._directory.iterdir() if "@" in file.name and file.suffix != _PARTIAL)
        except FileNotFoundError:
            return []

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among the writers; what one that was killed left half written is cleared away."""
        make_private(self._directory)
        with locked(self._directory):
            for partial in self._directory.glob(f"*{_PARTIAL}"):
                partial.unlink()
            yield


def make_private(directory: Path) -> None:
    """Make `directory` and what is missing above it, durably and for its owner only."""
    if not directory.exists():
        make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        sync(directory.parent)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of `directory`; whoever has it is waited for, and lets go however it ends."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _seal(value: str, key: bytes, service: str, name: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, value.encode(), _bound_to(service, name))


def _open(sealed: bytes, key: bytes, service: str, name: str, file: Path) -> str:
    _check_key(sealed, key, file)
    nonce_at = len(_FORMAT) + _KEY_ID_BYTES
    value_at = nonce_at + _NONCE_BYTES
    try:
        return AESGCM(key).decrypt(sealed[nonce_at:value_at], sealed[value_at:], _bound_to(service, name)).decode()
    except (InvalidTag, ValueError) as fault:  # ValueError: too short to be one
        raise _damaged(file) from fault


def _check_key(sealed: bytes, key: bytes, file: Path) -> None:
    if not sealed.startswith(_FORMAT):
        raise _damaged(file)
    if sealed[len(_FORMAT) :][:_KEY_ID_BYTES] != _key_id(key):
        raise StorageError(
            "wrong_master_key",
            f"{file} was sealed with another master key than this one; put the right key back, or remove the secret "
            "with `membox secrets rm` and set it again.",
        )


def _damaged(file: Path) -> StorageError:
    return StorageError(
        "secret_damaged",
        f"{file} is damaged, or not the entry that was written there; remove the secret with `membox secrets rm` and "
        "set it again.",
    )


def _key_id(key: bytes) -> bytes:
    """Tells master keys apart, and nothing about them: they are random."""
    return hashlib.sha256(b"membox master key\0" + key).digest()[:_KEY_ID_BYTES]


def _bound_to(service: str, name: str) -> bytes:
    return _FORMAT + service.encode() + b"\0" + name.encode()
