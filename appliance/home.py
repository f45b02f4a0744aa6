"""Where a box's state lives. Standard library only: the command line needs it before anything heavy is loaded."""

import errno
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import NotConfiguredError

CONFIG_FILE = "config.toml"
DATABASE_FILE = "membox.db"
NOTEBOOK_DIRECTORY = "notebook"


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The home to use when none is named: `$MEMBOX_HOME`, else `membox` in the user's data directory."""
    if given := environ.get("MEMBOX_HOME"):
        return expanded(Path(given)).absolute()
    return _user_data(environ) / "membox"


def expanded(path: Path) -> Path:
    """`path` with the directory its `~` stands for; NotConfiguredError when there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError as fault:
        raise NotConfiguredError(
            "no_such_user", f"{path}: {path.parts[0]} is nobody here; write it in full."
        ) from fault


def _user_data(environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    base = environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    return Path(base) if base.startswith("/") else Path.home() / ".local" / "share"


def content(file: Path) -> bytes:
    """What a regular file holds; OSError for any other: root reads in homes too, and a pipe there would hold it up."""
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(file))
        return opened.read()


def user_config(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own directory for what belongs to no home: their login, their keyring, the master key of a keyring.

    Apart from every home, also on macOS: a copied home must not carry the key to its secrets.
    """
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "membox"


def run_directory(home: Path) -> Path:
    """What exists only while a daemon runs: lock, socket, owner key; and its log."""
    return home / "run"


def socket_path(home: Path) -> Path:
    """The unix socket by which commands on this machine reach the daemon."""
    return run_directory(home) / "membox.sock"


def serve_path(home: Path) -> Path:
    """The unix socket by which Tailscale Serve, and nobody else, reaches the daemon."""
    return run_directory(home) / "serve.sock"


def owner_key_path(home: Path) -> Path:
    """The key of the running daemon that only the home's owner can read."""
    return run_directory(home) / "owner.key"


def lock_path(home: Path) -> Path:
    """The file whose flock is the home's lease."""
    return run_directory(home) / "lock"


def log_path(home: Path) -> Path:
    """What a detached daemon says."""
    return run_directory(home) / "daemon.log"
