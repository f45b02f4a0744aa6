"""The releases on a box: `releases/VERSION` beside each other, `current` and `previous` leading to two of them."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from appliance.clock import iso
from appliance.durable import sync
from appliance.errors import NotFoundError

COMPLETE = ".complete"  # written last, by whoever installs a release
KEPT = 3
_CURRENT, _PREVIOUS = "current", "previous"


@dataclass(frozen=True, slots=True)
class Release:
    """A finished release. `version` is its directory's name, `installed_at` in ISO 8601."""

    version: str
    path: Path
    installed_at: str
    is_current: bool
    is_previous: bool


class Releases:
    """The releases below `root`, which is root's own: ``/opt/membox`` on a box."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def current(self) -> str | None:
        """The version in use; None before the first."""
        return self._linked(_CURRENT)

    @property
    def previous(self) -> str | None:
        """The version that was in use before, if it is still there."""
        return self._linked(_PREVIOUS)

    def all(self) -> list[Release]:
        """The finished releases, the last installed first."""
        found = sorted(self._directory.glob(f"*/{COMPLETE}"), key=lambda mark: mark.stat().st_mtime_ns, reverse=True)
        return [self._release(mark) for mark in found]

    def path(self, version: str) -> Path:
        """The directory of a finished release; NotFoundError when there is none."""
        known = {release.version: release.path for release in self.all()}
        if version not in known:
            names = ", ".join(known) or "none"
            raise NotFoundError(
                "no_release", f"There is no finished release {version} in {self._directory} (there: {names})."
            )
        return known[version]

    def activate(self, version: str | None) -> None:
        """Make `version` the one in use, by one rename; None for none."""
        self._link(_CURRENT, version)

    def remember(self, version: str | None) -> None:
        """Keep `version` as the one to go back to."""
        self._link(_PREVIOUS, version)

    def prune(self) -> list[str]:
        """Remove the oldest finished releases beyond three, never the current or the previous; which ones."""
        others = [release for release in self.all() if not (release.is_current or release.is_previous)]
        room = KEPT - len({self.current, self.previous} - {None})
        for release in others[room:]:
            (release.path / COMPLETE).unlink()  # half removed, it must not look whole
            shutil.rmtree(release.path)
        return [release.version for release in others[room:]]

    @property
    def _directory(self) -> Path:
        return self.root / "releases"

    def _release(self, mark: Path) -> Release:
        path = mark.parent
        installed_at = iso(mark.stat().st_mtime_ns // 1_000_000)
        return Release(path.name, path, installed_at, path.name == self.current, path.name == self.previous)

    def _linked(self, name: str) -> str | None:
        link = self.root / name
        return link.readlink().name if link.is_symlink() and link.exists() else None

    def _link(self, name: str, version: str | None) -> None:
        link, new = self.root / name, self.root / f"{name}.new"
        new.unlink(missing_ok=True)
        if version is None:
            link.unlink(missing_ok=True)
        else:
            new.symlink_to(os.path.join("releases", version))
            new.replace(link)
        sync(self.root)
