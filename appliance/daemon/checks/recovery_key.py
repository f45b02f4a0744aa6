"""Could anybody open the snapshots when this machine is gone?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from appliance.clock import iso, to_ms
from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

_LONGEST = timedelta(days=182)  # asked for again twice a year (contract box)


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Where there are snapshots, a person has shown that they keep the recovery key."""
    repository, state = box.backup.settings.snapshot_repository, box.backup.state
    if not repository:
        yield ok("recovery_key", "Without snapshots there is no recovery key to keep.")
    elif state.key_confirmed_at and box.clock() - state.key_confirmed_at > _LONGEST:
        yield warn(
            "recovery_key",
            f"The recovery key was confirmed at {iso(to_ms(state.key_confirmed_at))}; is it still where you keep it?",
            "Look for it, then run `membox backup recovery-key --confirm` and type it.",
        )
    elif state.key_confirmed_at:
        yield ok("recovery_key", f"The recovery key was confirmed at {iso(to_ms(state.key_confirmed_at))}.")
    else:
        yield warn(
            "recovery_key",
            "Nobody has confirmed that they keep the recovery key: without it the snapshots are lost with this box.",
            "Run `membox backup recovery-key --confirm` and type it."
            if state.key_shown_at
            else "Run `membox backup recovery-key`, write the key down, and keep it apart from the box.",
        )
