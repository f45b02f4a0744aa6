"""Making a machine a box: the playbooks and templates that the wheel carries, and running them here."""

from pathlib import Path

from appliance.errors import NotFoundError

__all__ = ["bundled"]

_PACKAGE = Path(__file__).resolve().parent


def bundled(name: str) -> Path:
    """A file or directory that comes with membox, such as ``playbooks/site.yml`` or ``requirements.lock``.

    An installed wheel has them beside this module, an editable checkout at its root.

    Raises:
        NotFoundError: this installation has none, as an incomplete build does.
    """
    for root in (_PACKAGE / "bundled", _PACKAGE.parent.parent):
        if (path := root / name).exists():
            return path
    raise NotFoundError("not_bundled", f"This installation of membox lacks {name}; install its wheel again.")
