"""Taking everything out of a home at once, so that no power cut leaves a box half erased that still starts."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from appliance.durable import sync
from appliance.home import NOTEBOOK_DIRECTORY, run_directory

_IN_THE_WAY = (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EXDEV)


def erase(home: Path) -> None:
    """Leave an empty `home` of the same owner and rights, and erase all that was in it, links not followed.

    The home is set aside by one rename. Only where that cannot be, as it is a disk of its own or in a directory of
    somebody else's, its entries are moved one by one, the notebook first: the database alone makes it anew. What an
    earlier run was kept from erasing goes too.
    """
    home = home.resolve()  # a link to the home stays one
    aside = _set_aside(home)
    for left in {aside, *_left_over(home)}:
        shutil.rmtree(left)
    sync(home)
    sync(home.parent)


def _set_aside(home: Path) -> Path:
    was, aside = home.stat(), home.with_name(f".{home.name}.erased-{secrets.token_hex(4)}")
    try:
        home.rename(aside)
    except OSError as fault:
        if fault.errno not in _IN_THE_WAY:
            raise
        return _emptied(home)
    home.mkdir(mode=0o700)
    if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(home, was.st_uid, was.st_gid)
    home.chmod(was.st_mode & 0o7777)
    return aside


def _emptied(home: Path) -> Path:
    aside = home / f".erased-{secrets.token_hex(4)}"
    aside.mkdir(mode=0o700)
    entries = [entry for entry in home.iterdir() if not entry.name.startswith(".erased-")]
    for entry in sorted(entries, key=lambda entry: (entry.name != NOTEBOOK_DIRECTORY, entry == run_directory(home))):
        entry.rename(aside / entry.name)
    return aside


def _left_over(home: Path) -> Iterator[Path]:
    yield from home.parent.glob(f".{home.name}.erased-*")
    yield from home.glob(".erased-*")
