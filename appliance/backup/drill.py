"""The drill: a copy is brought back to a temporary home, opened and asked, as it would have to be on a bad day."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.backup import state
from appliance.backup.fetching import emptied, fetch, newest_of
from appliance.backup.restic import Progress, Restic
from appliance.backup.restore import restore
from appliance.clock import Clock
from appliance.home import run_directory

# Opens a restored home and asks it things; a sentence on what it answered, or an error (daemon/proving.py).
Prove = Callable[[Path], str]


@dataclass(frozen=True)
class Drilled:
    """A drill that went well: of what copy, from when it is, and what it holds."""

    source: str
    copied_at: str
    counts: dict[str, int]
    sentence: str

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


class Drill:
    """Drills of one home's copies; how each went is kept in its state.

    Beside what they say themselves, the methods raise:
        ConflictError: `snapshot_running`.
        StorageError: what came back is damaged, holds other counts than were copied, or does not answer as a box.
        StorageFullError: the temporary home needs the room of another box.
    """

    def __init__(self, home: Path, prove: Prove, clock: Clock) -> None:
        self._home = home
        self._prove = prove
        self._clock = clock

    def of_snapshots(self, restic: Restic, progress: Progress) -> Drilled:
        """Drill the newest snapshot; NotFoundError `no_snapshot`, and what `Restic` raises."""

        def brought(place: Path) -> tuple[Path, str]:
            newest = newest_of(restic)
            copy = place / "copy"
            copy.mkdir()
            fetch(restic, newest.id, copy, progress)
            return copy, f"snapshot {newest.id} in {restic.repository}"

        return self._drill(brought)

    def of_mirror(self, mirror: Path) -> Drilled:
        """Drill the newest generation in `mirror`; NotFoundError `no_backup`."""
        return self._drill(lambda _place: (mirror, f"the mirror {mirror}"))

    def _drill(self, bring: Callable[[Path], tuple[Path, str]]) -> Drilled:
        with state.alone(self._home), state.remembered(self._home, "drill", self._clock) as remember:
            with emptied(run_directory(self._home) / "drill") as place:
                copy, source = bring(place)
                restored = restore(copy, place / "home")
                answered = self._prove(place / "home")
            drilled = Drilled(source, restored.created_at, restored.counts, f"{answered}, from {source}")
            remember(drilled.sentence)
            return drilled
