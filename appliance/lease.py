"""The lease on a home: whoever holds it is the only one that writes there (DESIGN, who writes).

It is an flock, never a pid file: the kernel lets go of it when the holder dies, however it dies. What the lock file
says (who, where) is information for people and for `stop`, and counts only while the lock is held. Standard library
only: every command asks first whether a daemon runs.
"""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from appliance.errors import StorageError, StorageFullError, UnavailableError
from appliance.home import lock_path, run_directory

DAEMON = "daemon"
COMMAND = "command"
_POLL_SECONDS = 0.02
_LENGTH = 1024
# Root looks into homes that are another user's, and restores them: nothing there may lead it elsewhere or hold it up.
_AS_IT_IS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a home: `what` is DAEMON or COMMAND; `url` and `ready` are set once a daemon serves."""

    what: str
    pid: int
    since: float
    url: str = ""
    ready: bool = False


class Lease:
    """A held lease. Release it with `release`, or use it as a context manager."""

    def __init__(self, home: Path, descriptor: int, holder: Holder) -> None:
        self.home = home
        self._descriptor = descriptor
        self._holder = holder
        self._write()

    @classmethod
    def acquire(cls, home: Path, what: str, wait: float = 10.0) -> Self:
        """Take the lease of `home`, which is made (0700) when it is not there.

        A command in the way is waited for, up to `wait` seconds; a daemon is not.

        Raises:
            UnavailableError: somebody else holds it; the sentence says who and what to do.
            StorageError, StorageFullError: the home cannot be made or written.
        """
        descriptor = _open(home)
        deadline = time.monotonic() + wait
        try:
            while not _lock(descriptor, home):
                holder = _read(descriptor)
                if (holder and holder.what == DAEMON) or time.monotonic() >= deadline:
                    raise UnavailableError("home_in_use", in_use(home, holder))
                time.sleep(_POLL_SECONDS)
            return cls(home, descriptor, Holder(what, os.getpid(), time.time()))
        except BaseException:
            os.close(descriptor)
            raise

    def announce(self, url: str) -> None:
        """Say that the daemon serves now, and where."""
        self._holder = Holder(self._holder.what, self._holder.pid, self._holder.since, url, ready=True)
        self._write()

    def release(self) -> None:
        """Let go; the lock file stays, empty."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _write(self) -> None:
        # One write of a fixed length: whoever reads meanwhile sees the old or the new.
        os.pwrite(self._descriptor, json.dumps(asdict(self._holder)).encode().ljust(_LENGTH), 0)


def holder(home: Path) -> Holder | None:
    """Who holds the lease of `home` now; None when nobody does. Makes and changes nothing."""
    try:
        descriptor = os.open(lock_path(home), os.O_RDONLY | _AS_IT_IS)
    except OSError:
        return None  # no home, or none that we may look into
    try:
        # Shared: two who only look do not see each other; `acquire` outwaits the moment this takes.
        if _attempt(descriptor, fcntl.LOCK_SH):
            return None
        return _read(descriptor) or Holder(COMMAND, 0, 0.0)
    finally:
        os.close(descriptor)


def wait_until_free(home: Path, seconds: float, still: Callable[[], bool] = lambda: True) -> bool:
    """Wait until nobody holds `home`; False when `seconds` have passed or `still` says no."""
    deadline = time.monotonic() + seconds
    while holder(home) is not None:
        if time.monotonic() >= deadline or not still():
            return False
        time.sleep(_POLL_SECONDS)
    return True


def make_home(home: Path) -> None:
    """Make `home` and its run directory for their owner only; a home that is there keeps its permissions.

    Where its group may pass through the home, it may pass through the run directory to the socket; never list it.
    """
    os.close(_made_run_directory(home))


def _made_run_directory(home: Path) -> int:
    """A descriptor of the home's run directory, which is made with the home where it is not there."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    run_directory(home).mkdir(mode=0o700, exist_ok=True)
    run = os.open(run_directory(home), os.O_RDONLY | os.O_DIRECTORY | _AS_IT_IS)
    of_home = home.stat()
    if of_home.st_mode & stat.S_IXGRP and not os.fstat(run).st_mode & stat.S_IXGRP:
        with suppress(PermissionError):  # of a group the caller is not in
            os.fchown(run, -1, of_home.st_gid)
        os.fchmod(run, 0o710)
    return run


def _open(home: Path) -> int:
    try:
        run = _made_run_directory(home)
        try:
            return os.open(lock_path(home).name, os.O_RDWR | os.O_CREAT | _AS_IT_IS, 0o600, dir_fd=run)
        finally:
            os.close(run)
    except OSError as fault:
        raise unwritable(home, fault) from fault


def unwritable(home: Path, fault: OSError) -> StorageError | StorageFullError:
    """The error for a home that cannot be written to."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError("disk_full", f"The disk that holds {home} is full; free some space and try again.")
    return StorageError(
        "home_unwritable",
        f"The home {home} cannot be written ({fault.strerror}); correct its owner and permissions, or name another "
        "one with --home or MEMBOX_HOME.",
    )


def _lock(descriptor: int, home: Path) -> bool:
    try:
        return _attempt(descriptor, fcntl.LOCK_EX)
    except OSError as fault:
        raise StorageError(
            "no_locks", f"The file system of {home} has no locks ({fault.strerror}); put the home on a local disk."
        ) from fault


def _attempt(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(descriptor, _LENGTH, 0)))
    except (ValueError, TypeError):
        return None  # just taken and not yet written


def in_use(home: Path, holder: Holder | None) -> str:
    """The sentence for a home that `holder` holds."""
    if holder is None or holder.what != DAEMON:
        return f"Another command is using the home {home}; try again when it has finished."
    where = f" ({holder.url})" if holder.url else ""
    return (
        f"A daemon already runs on the home {home}{where}, process {holder.pid}: "
        "see `membox daemon status`, end it with `membox daemon stop`."
    )
