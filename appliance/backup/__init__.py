"""Copies of a box that can become the box again: the mirror, its generations, verifying and restoring them.

A mirror is a directory, best on another disk or machine:

    PATH/membox-mirror.json                       whose mirror this is
    PATH/generations/20261120T090000Z/            one whole copy: membox.db, config.toml, notebook/…, manifest.json

Secrets in a keyring are never in a mirror: their master key stays with the machine.
"""

from appliance.backup.service import Backup

__all__ = ["Backup"]
