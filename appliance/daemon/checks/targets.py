"""Do the files that carry the curated memory carry the one of now, on every machine?"""

from collections.abc import Iterator
from itertools import groupby
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
        rows = []
    if not rows:
        yield ok("targets", "No instruction file is to carry the memory.")
    for machine, own in groupby(rows, key=lambda row: row.machine):
        seen = list(own)
        bad = [row.sentence for row in seen if row.sentence]
        yield from (warn("targets", sentence, _REPAIR) for sentence in bad)
        if not bad:
            last = max(row.checked_at for row in seen)
            where = f"on {machine} (checked in at {last})" if machine else "of this box"
            yield ok("targets", f"The instruction files {where} carry the memory ({len(seen)}).")
