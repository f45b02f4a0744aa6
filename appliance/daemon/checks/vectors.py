"""Can items be found by their meaning?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.daemon.findings import Finding, ok, warn

if TYPE_CHECKING:
    from appliance.box import Box


def check(box: "Box", deep: bool) -> Iterator[Finding]:
    """Whether there is a model that works, and whether every item has its vector; `deep` tries the model.

    Says no number: it would tell of other agents' private items.
    """
    if box.config.memory.embedding == "off":
        return
    vectors = box.memory.vectors
    is_behind = vectors.is_behind()
    if deep:
        vectors.vector_of("membox")
    if vectors.fault:
        yield warn("vectors", "Recall goes by words alone, and not by meaning.", vectors.fault)
    elif is_behind:
        yield ok("vectors", "Not everything can be found by its meaning yet; that is under way.")
    else:
        yield ok("vectors", "Everything can be found by its meaning.")
