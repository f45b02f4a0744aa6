"""Taking over a notebook that another home has kept meanwhile, on a database that both share.

The files here are of some time before, and the database has gone on. A file that is an old version is no wish to go
back to it: it is brought to the newest. One that was edited by hand counts as an edit of the version it is nearest to;
but where something was forgotten since, what the file still says of it must not come back.
"""

from appliance.errors import StorageError
from appliance.notebook import versions
from appliance.notebook.files import Reading
from appliance.notebook.holding import Held
from appliance.notebook.plaintext import digest, distance
from appliance.notebook.versions import FORGET
from appliance.notebook.working_copy import WorkingCopy
from appliance.storage.database import Database

_NEAREST_OF = 20  # versions of a file


def take_as_found(copy: WorkingCopy, database: Database) -> None:
    """Say of every document which version its file here is; what follows brings it to the newest, or merges it."""
    for path, held in copy.held.items():
        try:
            reading = copy.files.read(path)
        except StorageError:
            continue  # told of by what looks at each file next
        if reading is None:
            held.file_hash = None
        else:
            held.base = _version_like(database, held, reading)
            held.file_hash = digest(held.base)


def _version_like(database: Database, held: Held, reading: Reading) -> str:
    """The text to count as what the file was before any edit of it; its own, when there is none to be kept."""
    document, newest = held.stored.id, held.stored.version
    with database.read() as conn:
        if versions.number_with_hash(conn, document, digest(reading.text)) is not None:
            return reading.text
        history = versions.history(conn, document, _NEAREST_OF, None)
        if any(each.reason == FORGET and each.created_at >= reading.seen.mtime_ns // 1_000_000 for each in history):
            return reading.text
        texts = [text for _, text in versions.texts_between(conn, document, max(1, newest - _NEAREST_OF), newest)]
    return min(reversed(texts), key=lambda text: distance(text, reading.text))
