"""What a check of the box found, in words for a person."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from appliance.machine import Machine

if TYPE_CHECKING:
    from appliance.box import Box


class Severity(StrEnum):
    """How much it matters: `warn` should be seen to, `error` means that something does not work."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a sentence on what is so and, unless it is well, a remedy."""

    check: str
    severity: Severity
    sentence: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For the JSON API."""
        return asdict(self)


# A check looks at one thing. `deep`: it may take long and may touch slow disks.
type Check = Callable[[Box, bool], Iterable[Finding]]
# Such a check needs no open box: root can make it, who sees more than the daemon, and when the daemon is down.
type MachineCheck = Callable[[Machine, bool], Iterable[Finding]]


def ok(check: str, sentence: str) -> Finding:
    """All is well there."""
    return Finding(check, Severity.OK, sentence)


def warn(check: str, sentence: str, remedy: str) -> Finding:
    """It works, but should be seen to."""
    return Finding(check, Severity.WARN, sentence, remedy)


def error(check: str, sentence: str, remedy: str) -> Finding:
    """Something does not work."""
    return Finding(check, Severity.ERROR, sentence, remedy)
