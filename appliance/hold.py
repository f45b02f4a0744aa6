"""A hold: for a while the box takes no writes, while everything can be read (contract box, releases side by side).

It is a small file in the home, so that it outlives a restart, and it ends by itself. The file is taken away, durably,
before the first write that comes after it; so as long as it is there, nothing has been written since, whatever the
clock did. An upgrade that was cut off decides by that whether it may go back.

Standard library only: every process that looks after a home asks this first.
"""

import json
import math
import os
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from appliance.durable import sync, write_atomically
from appliance.errors import UnavailableError
from appliance.home import content, run_directory

HELD = "held"
_LONGEST_RETRY = 10  # a hold mostly ends long before its time


@dataclass(frozen=True, slots=True)
class Hold:
    """`why` is for people; `until` in seconds since the epoch, `seconds` how long it was to be."""

    why: str
    until: float
    seconds: float

    def left(self) -> float:
        """How many seconds it still lasts; 0 when it is over, and when the clock was set so that none can tell."""
        left = self.until - time.time()
        return left if 0 < left <= self.seconds + 1 else 0.0


@lru_cache(8)  # asked before every commit, and putting a path together takes longer than looking
def hold_path(home: Path) -> Path:
    """The file that holds the writes of `home`."""
    return run_directory(home) / "hold"


def hold(home: Path, why: str, seconds: float) -> Hold:
    """Refuse writes to `home` for `seconds`; an earlier hold is replaced.

    For whoever has the home's lease. Those who write at this moment are not waited for: `Box.hold` does that.
    """
    run_directory(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Hold(why, time.time() + seconds, seconds)
    write_atomically(hold_path(home), json.dumps(asdict(made)))
    return made


def release(home: Path) -> bool:
    """Let writes in again, at once, whoever holds the lease; False when they were not held."""
    path = hold_path(home)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync(path.parent)
    return True


def written(home: Path) -> Hold | None:
    """The hold on `home`, also one whose time is over, as long as nothing has been written since."""
    try:
        return Hold(**json.loads(content(hold_path(home))))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return Hold("", 0.0, 0.0)  # not of our making


def held(home: Path) -> Hold | None:
    """The hold in force on `home`; None when it takes writes."""
    found = written(home)
    return found if found and found.left() else None


def admit_write(home: Path) -> None:
    """To be called before anything is written; ends a hold whose time is over.

    Raises:
        UnavailableError: `held`.
    """
    if not os.path.exists(hold_path(home)):
        return
    if found := held(home):
        raise UnavailableError(
            HELD,
            f"The box takes no changes for a moment ({found.why}); nothing was changed, try again soon.",
            retry_after=max(1, min(_LONGEST_RETRY, math.ceil(found.left()))),
        )
    release(home)
