"""A count of wrong keys and tickets per client, so that guessing is answered with 429 and costs little.

With 256-bit secrets guessing is hopeless; this only keeps a broken or hostile client from filling logs and time.
A valid credential is never delayed or refused, whatever address it shares (contract memory-api, Errors).
"""

import time
from collections.abc import Callable

from appliance.errors import TooManyError

_MAX_CLIENTS = 10_000


class WrongKeys:
    """Allows a client `allowed` wrong credentials in `seconds`."""

    def __init__(self, allowed: int = 100, seconds: float = 60, now: Callable[[], float] = time.monotonic) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._now = now
        self._clients: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def count(self, client: str) -> None:
        """Count a wrong credential from `client`, an address.

        Raises:
            TooManyError: it has sent too many lately.
        """
        now = self._now()
        if len(self._clients) >= _MAX_CLIENTS:
            self._clients.clear()  # forgetting is harmless, growing without bound is not
        name = _network(client)
        since, wrong = self._clients.get(name, (now, 0))
        if now - since >= self._seconds:
            since, wrong = now, 0
        self._clients[name] = (since, wrong + 1)
        if wrong >= self._allowed:
            raise TooManyError("too_many_wrong_keys", "Too many wrong keys came from here; wait a minute.")


def _network(client: str) -> str:
    """The client for counting: an IPv6 client owns a whole /64."""
    return ":".join(client.split(":")[:4]) if ":" in client else client
