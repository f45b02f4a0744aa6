"""Does a restored home answer as a box? What a drill asks of it (appliance/backup/drill.py)."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from appliance.box import open_box
from appliance.clock import to_ms
from appliance.config import load_config
from appliance.errors import StorageError
from appliance.lease import COMMAND, Lease
from appliance.memory.models import RecallRequest, Scope
from appliance.memory.visibility import visible_to
from appliance.settings import Store
from appliance.storage.schema import memory_items

if TYPE_CHECKING:
    from appliance.box import Box

_ASKED = 20
_LONGEST_QUERY = 200  # characters


def prove(home: Path) -> str:
    """Open the box that was restored to `home`, check it through and recall something; a sentence on what it answered.

    It is opened on its own database, whatever path its settings or the environment name: never on the live one.

    Raises:
        StorageError: it does not open, is damaged, or does not recall what it holds.
        NotConfiguredError: its settings are wrong.
    """
    config = load_config(home, environ={}).model_copy(update={"store": Store()})
    with Lease.acquire(home, COMMAND), ExitStack() as at_end:
        box = open_box(home, config=config)
        at_end.callback(box.close)
        if faults := box.database.check():
            raise StorageError("drill_failed", f"The restored box is damaged: {faults[0]}.")
        documents = [box.notebook.read(document.path) for document in box.notebook.documents()]
        return f"{len(documents)} files read, {_recalled(box)}"


def _recalled(box: "Box") -> str:
    """Recall some of what everybody may see by its own words."""
    tenant, agent = box.config.core.tenant, box.access.owner.agent_id
    visible = visible_to(tenant, agent, Scope.TEAM, to_ms(box.clock()))
    newest = select(memory_items.c.text).where(visible).order_by(memory_items.c.id.desc()).limit(_ASKED)
    with box.database.read() as conn:
        texts = conn.execute(newest).scalars().all()
    if not texts:
        return "nothing there to recall"
    for text in texts:  # one of "the" and "and" alone answers to no query
        request = RecallRequest(tenant_id=tenant, agent_id=agent, scope=Scope.TEAM, query=text[:_LONGEST_QUERY])
        if box.memory.recall(box.access.owner, request).items:
            return "recall answers"
    raise StorageError("drill_failed", "The restored box does not recall what it holds.")
