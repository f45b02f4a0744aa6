"""The generations of a mirror: their names, their manifests, their order, and which ones stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

GENERATIONS = "generations"
MANIFEST = "manifest.json"
PARTIAL = ".partial"
_NAME = "%Y%m%dT%H%M%SZ"
_EVERY_ONE = timedelta(hours=24)


class FileEntry(BaseModel):
    """What a file of a generation must be."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size: int


class Manifest(BaseModel):
    """What a generation holds; written last, so that a copy without one is none.

    `sequence` gives the order in which generations were made, whatever the clock said; `content` is the digest of the
    database's rows (storage/copies.py); `created_at` is aware UTC.
    """

    model_config = ConfigDict(frozen=True)

    format: int = 1
    sequence: int
    created_at: datetime
    membox: str
    schema_version: str
    content: str
    counts: dict[str, int]
    files: dict[str, FileEntry]

    @property
    def bytes(self) -> int:
        """The size of all files together; hard-linked ones count in full."""
        return sum(entry.size for entry in self.files.values())


class Generation:
    """One finished copy in a mirror."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.name = path.name
        self.manifest = manifest

    def as_dict(self) -> dict[str, object]:
        """For the JSON API."""
        return {
            "generation": self.name,
            "created_at": self.manifest.created_at.isoformat().replace("+00:00", "Z"),
            "bytes": self.manifest.bytes,
            "files": len(self.manifest.files),
            "membox": self.manifest.membox,
            "schema_version": self.manifest.schema_version,
            **self.manifest.counts,
        }


def read_manifest(path: Path) -> Manifest:
    """The manifest of the generation at `path`.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it is damaged or of a newer format.
    """
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    except ValidationError as fault:
        raise ValueError(f"{MANIFEST} is damaged") from fault
    if manifest.format != 1:
        raise ValueError(f"{MANIFEST} is of format {manifest.format}, which this membox does not know")
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in manifest.files):
        raise ValueError(f"{MANIFEST} names files outside of its directory")
    return manifest


def generations(mirror: Path) -> list[Generation]:
    """The finished generations of `mirror`, newest first; one whose manifest is damaged is not among them."""
    found = []
    for path in (mirror / GENERATIONS).glob("*"):
        if path.suffix == PARTIAL or not path.is_dir():
            continue
        try:
            found.append(Generation(path, read_manifest(path)))
        except (OSError, ValueError):
            continue  # `verify` names it
    return sorted(found, key=lambda generation: (generation.manifest.sequence, generation.name), reverse=True)


def free_name(mirror: Path, now: datetime) -> str:
    """A name for a generation made `now` that is not taken."""
    while True:
        name = now.strftime(_NAME)
        if not (mirror / GENERATIONS / name).exists():
            return name
        now += timedelta(seconds=1)


def superfluous(made: list[Generation], now: datetime, keep_days: int) -> list[Generation]:
    """Which of `made` (newest first) may go: all of the last 24 hours stay, then each day's last for `keep_days`.

    The newest always stays. Days are UTC. One from the future, after a clock that ran wrong, counts as its day's.
    """
    going, days = [], set()
    for generation in made[1:]:
        age = now - generation.manifest.created_at
        if timedelta() <= age < _EVERY_ONE:
            continue
        day = generation.manifest.created_at.astimezone(UTC).date()
        if age > timedelta(days=keep_days) or day in days:
            going.append(generation)
        days.add(day)
    return going
