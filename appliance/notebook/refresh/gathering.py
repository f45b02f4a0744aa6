"""Finding what waits: the entries of journal and buffer that no applied refresh holds."""

from dataclasses import dataclass, field

from appliance.notebook.documents import BUFFER, day_of
from appliance.notebook.plaintext import digest
from appliance.notebook.refresh import record
from appliance.notebook.refresh.entries import Entry, entries_of, in_order, source_hash
from appliance.notebook.refresh.models import Outcome
from appliance.notebook.service import Notebook
from appliance.storage.database import Database


@dataclass
class Gathered:
    """The entries that wait for a file, in order; those that a refresh awaiting approval holds apart.

    `versions` are those of the files that were read. `sources` tells of each, by path, under which hash it counts as
    merged whole, and which of its entries are still missing for that.
    """

    entries: list[Entry] = field(default_factory=list)
    awaiting: list[Entry] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    sources: dict[str, tuple[str, set[str]]] = field(default_factory=dict)

    def held_by(self, portion: list[Entry]) -> list[tuple[str, str]]:
        """Path and hash of all that is merged with these entries: themselves, and files now merged whole."""
        hashes = {entry.hash for entry in portion}
        whole = [(path, name) for path, (name, missing) in self.sources.items() if missing <= hashes]
        return [*((entry.path, entry.hash) for entry in portion), *whole]


def gathered(notebook: Notebook, database: Database, timezone: str, target: str) -> Gathered:
    """What waits to be merged into the file `target`."""
    result = Gathered()
    found: list[Entry] = []
    for path in _unmerged_sources(notebook, database, target):
        document = notebook.read(path)
        entries = entries_of(path, document.text, timezone, target)
        result.versions[path] = document.version
        result.sources[path] = (source_hash(target, digest(document.text)), {entry.hash for entry in entries})
        found += entries
    hashes = [entry.hash for entry in found]
    with database.read() as conn:
        merged = record.known(conn, hashes)
        awaiting = record.known(conn, hashes, Outcome.AWAITING)
    result.sources = {path: (name, missing - merged) for path, (name, missing) in result.sources.items()}
    once = {entry.hash: entry for entry in in_order(found) if entry.hash not in merged}
    result.entries = [entry for entry in once.values() if entry.hash not in awaiting]
    result.awaiting = [entry for entry in once.values() if entry.hash in awaiting]
    return result


def _unmerged_sources(notebook: Notebook, database: Database, target: str) -> list[str]:
    """The files of entries that are not merged whole as they are."""
    there = {
        path: source_hash(target, held.stored.hash)
        for path, held in sorted(notebook.past.held().items())
        if not held.stored.deleted and (path == BUFFER or day_of(path))
    }
    with database.read() as conn:
        merged = record.known(conn, list(there.values()))
    return [path for path, name in there.items() if name not in merged]
