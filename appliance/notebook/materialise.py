"""Writing a notebook's files out of a copy of the database, which has every version: for mirrors and restores."""

from pathlib import Path

from appliance.notebook import versions
from appliance.notebook.documents import checked_path
from appliance.storage import copies


def write_notebook(database_copy: Path, target: Path) -> None:
    """Write the current text of every document in `database_copy` below the directory `target`.

    Raises:
        OSError: a file cannot be written.
        StorageError: the copy cannot be read.
    """
    with copies.reading(database_copy) as conn:
        for stored in versions.stored_documents(conn):
            if stored.deleted:
                continue
            file = target / checked_path(stored.path)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_text(versions.text_at(conn, stored.id, stored.version) or "", encoding="utf-8", newline="")
