"""Build the wheels that upgrades are tried with: `wheels.py DIRECTORY` writes previous.whl's path, and so on, there.

previous: the release before this one, as an upgrade meets it: this tree with a lower version.
next: the release after this one, with a migration of the database.
broken: the one after that, with another migration, whose database does not get well.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = [
    *("appliance", "roles", "playbooks", "inventory", "cloud-init"),
    *("pyproject.toml", "README.md", "LICENSE", "ansible.cfg"),
    *(path.name for path in PROJECT.glob("requirements*.lock")),
]
# Of the versions of previous, next and broken.
SUFFIXES = (".dev1", ".post1", ".post2")
MIGRATION = '''"""A change of the schema, made up for the tests of upgrades."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.create_table("made_up_{revision}", sa.Column("id", sa.Integer, primary_key=True))
'''
UNWELL = '''"""A database that is never well, made up for the tests of upgrades."""

from appliance.daemon.findings import error


def check(box, deep=False):
    return [error("database", "The new release cannot read it (made up for a test).", "Nothing.")]
'''


def copy_of_the_tree(version: str) -> Path:
    """This tree at another place and under another version."""
    tree = Path(tempfile.mkdtemp(dir=os.environ["MEMBOX_RUN"]))
    for name in SOURCES:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / name, tree / name)
    init = tree / "appliance/__init__.py"
    init.write_text(re.sub(r'(?<=__version__ = ").*(?=")', version, init.read_text()))
    return tree


def add_migration(tree: Path) -> None:
    versions = tree / "appliance/storage/migrations/versions"
    before = max(path.name for path in versions.glob("[0-9]*.py"))[:4]
    revision = f"{int(before) + 1:04}"
    (versions / f"{revision}_made_up.py").write_text(MIGRATION.format(revision=revision, before=before))


def wheel_of(tree: Path, into: Path) -> str:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", into, tree], check=True)
    version = re.search(r'__version__ = "(.*)"', (tree / "appliance/__init__.py").read_text())
    assert version
    shutil.rmtree(tree)
    return str(next(into.glob(f"membox-{version.group(1)}-*.whl")))


def main(into: Path) -> None:
    into.mkdir(exist_ok=True)
    version = re.search(r'__version__ = "(.*)"', (PROJECT / "appliance/__init__.py").read_text())
    assert version
    previous, following, broken = (copy_of_the_tree(f"{version.group(1)}{suffix}") for suffix in SUFFIXES)
    for tree in (following, broken, broken):
        add_migration(tree)
    (broken / "appliance/daemon/checks/database.py").write_text(UNWELL)
    wheels = {"previous": previous, "next": following, "broken": broken}
    (into / "wheels.json").write_text(json.dumps({name: wheel_of(tree, into) for name, tree in wheels.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
