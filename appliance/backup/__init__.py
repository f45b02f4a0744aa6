"""Copies of a box that can become the box again: the mirror, its generations, snapshots of them off the box, drills.

A mirror is a directory, best on another disk or machine:

    PATH/membox-mirror.json                       whose mirror this is
    PATH/generations/20261120T090000Z/            one whole copy: membox.db, config.toml, notebook/…, manifest.json

A snapshot is one generation, encrypted by restic. Secrets in a keyring are in neither: their master key stays with the
machine.
"""

from appliance.backup.service import Backup

__all__ = ["Backup"]
