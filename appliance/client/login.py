"""A login: the box that a user's commands speak to, and the key for it.

The address stands in client.toml in the user's configuration directory; the key lies in the user's own keyring, sealed
like a box's secrets, and bound to the address: with the file changed to name another box, no key goes there.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import NotConfiguredError, NotFoundError
from appliance.home import user_config

CLIENT_FILE = "client.toml"
_SERVICE = "membox login"


def login_url(environ: Mapping[str, str] = os.environ) -> str:
    """The address of the box the user has logged in to; "" when there is none.

    Raises:
        NotConfiguredError: the file is there and does not say.
    """
    file = _file(environ)
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except PermissionError:
        return ""  # another user's: HOME is still theirs after runuser or sudo
    import tomllib

    try:
        return str(tomllib.loads(content.decode())["url"])
    except (ValueError, KeyError) as fault:
        raise NotConfiguredError(
            "bad_login", f"{file} names no box; log in again with `membox login URL`, or `membox logout`."
        ) from fault


def login_key(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """The key for the box at `url`.

    Raises:
        NotConfiguredError: there is none.
        StorageError: it is there and cannot be opened.
    """
    from appliance.secrets import Secrets

    try:
        return Secrets(user_config(environ), _SERVICE, environ).get(_name(url))
    except NotFoundError as fault:
        raise NotConfiguredError(
            "missing_api_key", f"Your keyring has no key for {url}; log in again with `membox login {url}`."
        ) from fault


def log_in(url: str, key: str, environ: Mapping[str, str] = os.environ) -> None:
    """Remember box and key, in place of the login before."""
    from appliance.durable import write_atomically
    from appliance.secrets import Secrets

    Secrets(user_config(environ), _SERVICE, environ).set(_name(url), key)
    write_atomically(_file(environ), f"# Written by `membox login`.\nurl = {json.dumps(url)}\n")
    _forget_keys(environ, but=_name(url))


def log_out(environ: Mapping[str, str] = os.environ) -> str:
    """Forget box and key; the address there was, "" when there was none."""
    try:
        before = login_url(environ)
    except NotConfiguredError:
        before = str(_file(environ))  # it names no box, and goes all the same
    _file(environ).unlink(missing_ok=True)
    _forget_keys(environ)
    return before


def _forget_keys(environ: Mapping[str, str], but: str = "") -> None:
    from appliance.secrets import Secrets

    secrets = Secrets(user_config(environ), _SERVICE, environ)
    for name in secrets.names():
        if name != but:
            secrets.remove(name)


def _name(url: str) -> str:
    import hashlib

    return hashlib.sha256(url.encode()).hexdigest()[:32]


def _file(environ: Mapping[str, str]) -> Path:
    return user_config(environ) / CLIENT_FILE
