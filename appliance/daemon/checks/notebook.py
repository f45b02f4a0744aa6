"""Are the notebook's files readable, and in step with the database?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", _deep: bool) -> Iterator[Finding]:
    """Files that cannot be taken in or written, and conflicts nobody has settled."""
    problems = box.notebook.problems()
    for problem, remedy in problems.items():
        yield warn("notebook", problem, remedy)
    if not problems:
        yield ok("notebook", "Every file of the notebook is taken in.")
