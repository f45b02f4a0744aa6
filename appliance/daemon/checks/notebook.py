"""Are the notebook's files readable, and in step with the database?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box

_REMEDY = "Make it a plain UTF-8 text file that the box may read; until then its last good version is used."


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Files that were edited by hand into something that cannot be taken in."""
    problems = box.notebook.problems()
    for problem in problems:
        yield warn("notebook", str(problem), _REMEDY)
    if not problems:
        yield ok("notebook", "Every file of the notebook is taken in.")
