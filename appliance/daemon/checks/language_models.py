"""Can a language model be asked, and do the last calls succeed?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """One of those in llm.providers is set up, and of the calls of a day not all failed; a box may do without."""
    standing = box.providers.standing()
    usable = [each.name for each in standing if each.is_chosen and each.is_usable]
    if not usable:
        offers = [each.name for each in standing if each.is_usable]
        more = f" {offers[0]} is here, but not in llm.providers." if offers else ""
        yield ok("language_models", f"No language model is set up; notes are filed, not rewritten.{more}")
        return
    spent = box.providers.usage.since(1)
    calls, failed = sum(each.calls for each in spent), sum(each.failed for each in spent)
    if calls and failed == calls:
        remedy = "`membox llm test` says why; `membox llm list` what is missing."
        yield warn("language_models", f"No language model has answered for a day ({failed} calls failed).", remedy)
        return
    yield ok("language_models", f"Language models: {', '.join(usable)}; {calls} calls in a day, {failed} failed.")
