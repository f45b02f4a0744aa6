"""The power goes at any step of a switch, and again at any step of settling it: no acknowledged write is lost.

All is real here but the daemon, which is a model that takes a write whenever it would, and systemd; so hundreds of
cuts take seconds. With real daemons, some of them are in test_cut_off.py.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from appliance import hold
from appliance.cli.release_steps import STEPS
from appliance.errors import UnavailableError
from appliance.release import Inside, Releases, Switcher, Unit, database
from appliance.storage import opening
from appliance.storage.opening import known_versions, schema_version

SCHEMA = {"1.0.0": known_versions()[-1], "2.0.0": "9999"}
ENDLESS = 10**9


class PowerCutError(BaseException):
    """No error that anything may handle."""


class Power:
    """Lets so many things more be done, and then none."""

    left = ENDLESS

    def used(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def work(*args: Any, **more: Any) -> Any:
            if self.left <= 0:
                raise PowerCutError
            self.left -= 1
            return real(*args, **more)

        return work


class World:
    """A box below `place`, whose new release may be a bad one; a copy of it can be taken while it is without power."""

    def __init__(self, place: Path, power: Power, is_bad: bool, accepted: list[str]) -> None:
        self.place, self.home, self.root = place, place / "home", place / "opt"
        self.database = self.home / "membox.db"
        self.power, self.is_bad, self.accepted = power, is_bad, list(accepted)
        self.is_running = False
        self.releases = Releases(self.root)
        self.switcher = Switcher(self.releases, OfWorld(self), InWorld(self), lambda _line: None)

    def switch(self) -> None:
        with suppress(UnavailableError):  # a bad release
            self.switcher.switch("2.0.0")

    def start(self) -> None:
        """The daemon opens its home: never does a release meet the other's database."""
        assert schema_version(self.database) == SCHEMA[str(self.releases.current)]
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def write(self) -> bool:
        if not self.is_running:
            return False
        try:
            hold.admit_write(self.home)
        except UnavailableError:
            return False
        word = f"word {len(self.accepted)}"
        with closing(opened(self.database)) as conn, conn:
            conn.execute("INSERT INTO box_state(key, value) VALUES (?, '')", (word,))
        self.accepted.append(word)
        return True

    def cut_off(self, work: Callable[[], object], after: int) -> bool:
        """Whether the power went before `work` was done."""
        self.power.left = after
        try:
            work()
            return False
        except PowerCutError:
            self.is_running = False
            return True
        finally:
            self.power.left = ENDLESS

    def settle(self) -> None:
        """What is done at boot: membox-recover.service, then the daemon."""
        if (self.root / "switch.json").exists():
            self.switcher.recover()
        self.start()

    def verify(self) -> None:
        assert self.write(), "writes are let in"
        with closing(opened(self.database)) as conn:
            found = {str(key) for (key,) in conn.execute("SELECT key FROM box_state")}
        assert set(self.accepted) <= found
        beside = [*self.home.glob("membox.db.*"), self.root / "switch.json", self.home / "run" / "hold"]
        assert [path for path in beside if path.exists()] == []


class OfWorld(Unit):
    def __init__(self, world: World) -> None:
        super().__init__("membox.service")
        self.start, self.stop = world.power.used(world.start), world.power.used(world.stop)  # type: ignore[method-assign]


class InWorld(Inside):
    """Each step in this process; before each, the daemon is asked to take a write."""

    def __init__(self, world: World) -> None:
        super().__init__([], world.home)
        self.world = world
        self.run = world.power.used(self._run)  # type: ignore[method-assign]

    def _run(self, step: str, **options: Any) -> dict[str, Any]:
        self.world.write()
        if step == "health":
            is_well = options["is_known"] or not self.world.is_bad
            return {"is_well": self.world.is_running and is_well, "is_final": True, "why": "it is ill"}
        return STEPS[step](self.home, **options)


def opened(path: Path) -> sqlite3.Connection:
    """Without waiting for the disk, whose power does not go."""
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA synchronous = OFF")
    return conn


def migrate(path: Path) -> None:
    with closing(opened(path)) as conn, conn:
        conn.execute("UPDATE alembic_version SET version_num = ?", (SCHEMA["2.0.0"],))


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    """What the power is needed for, beside steps and service: each change of a name on the disk."""
    power = Power()
    for name in ("replace", "unlink", "hardlink_to", "symlink_to"):
        monkeypatch.setattr(Path, name, power.used(getattr(Path, name)))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(database, "_opened", opened)
    monkeypatch.setattr(opening, "migrate", migrate)
    monkeypatch.setattr(opening, "known_versions", lambda: list(SCHEMA.values()))
    return power


@pytest.fixture(params=[False, True], ids=["a good release", "a bad release"])
def worlds(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path, power: Power) -> Iterator[World]:
    """One box after the other, all alike: 1.0.0 runs, 2.0.0 is installed."""

    def made() -> Iterator[World]:
        for number in range(1000):
            place = tmp_path / str(number)
            for version in SCHEMA:
                (place / "opt" / "releases" / version).mkdir(parents=True)
                (place / "opt" / "releases" / version / ".complete").touch()
            (place / "home" / "run").mkdir(parents=True)
            shutil.copy(empty_database, place / "home" / "membox.db")
            world = World(place, power, request.param, [])
            world.releases.activate("1.0.0")
            world.start()
            yield world
            shutil.rmtree(place)

    return made()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Where a box as the first cut left it is kept."""
    return tmp_path / "saved"


@pytest.mark.timeout(600)
def test_whatever_was_acknowledged_outlives_power_cuts_at_any_two_steps(worlds: Iterator[World], saved: Path) -> None:
    ends = []
    for first, world in enumerate(worlds):
        if not world.cut_off(world.switch, first):
            break
        world.place.rename(saved)
        ends.append(settled_after_any_cut(world, saved))
        shutil.rmtree(saved)
    world.verify()
    assert world.releases.current == ("1.0.0" if world.is_bad else "2.0.0")
    assert len(ends) > 30
    assert set(ends) == ({"1.0.0"} if world.is_bad else {"1.0.0", "2.0.0"})


def settled_after_any_cut(world: World, saved: Path) -> str | None:
    """The release that is in use after a second cut wherever there can be one."""
    for second in range(100):
        shutil.copytree(saved, world.place, symlinks=True, dirs_exist_ok=True)
        again = World(world.place, world.power, world.is_bad, world.accepted)
        was_cut = again.cut_off(again.settle, second)
        if was_cut:
            again.settle()
        again.verify()
        if not was_cut:
            break
        shutil.rmtree(world.place)
    return again.releases.current
