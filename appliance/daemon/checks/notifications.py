"""Do the box's messages arrive?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """The target in use is set up, the digest has one, and the last message to each arrived."""
    targets = {target.name: target for target in box.notifier.targets()}
    used = next(target for target in targets.values() if target.is_default)
    if used.missing:
        yield warn("notifications", f"Messages go to {used.name}, which is not set up.", used.missing)
    failed = [(target.name, target.failure) for target in targets.values() if target.failure]
    for name, failure in failed:
        sentence = f"The message of {failure.at} did not reach {name}: {failure.why}."
        yield warn("notifications", sentence, f"Mend that, then `membox notify test {name}`; the log has the message.")
    if not used.missing and not failed:
        yield ok("notifications", f"Messages go to {used.name}.")
