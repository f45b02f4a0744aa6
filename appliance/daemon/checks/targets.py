"""Do the files that carry the curated memory carry the one of now, on every machine?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn
from appliance.errors import NotFoundError

if TYPE_CHECKING:
    from appliance.box import Box

_REPAIR = "Run `membox targets sync` there; a machine that is no more: `membox targets remove --machine NAME`."


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Every target as its machine last told; what is merely behind until the next check-in is well."""
    try:
        rows = box.targets.overview()
    except NotFoundError:  # no memory, so nothing can drift from it
        return
    bad = [row.sentence for row in rows if row.sentence]
    for sentence in bad:
        yield warn("targets", sentence, _REPAIR)
    if rows and not bad:
        last = min(row.checked_at for row in rows)
        yield ok("targets", f"Every instruction file carries the memory ({len(rows)}; the last check-in {last}).")
