"""Of several daemons on one database one keeps the notebook and the schedule: which?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok
from appliance.errors import UnavailableError

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Nothing is wrong either way; a box whose database nobody shares has nothing to say."""
    if not box.database.is_shared:
        return
    try:
        box.database.term()
    except UnavailableError as elsewhere:
        yield ok("keeping", f"This daemon serves memory alone. {elsewhere.sentence}")
    else:
        yield ok("keeping", "This daemon keeps the notebook and the schedule of the database.")
