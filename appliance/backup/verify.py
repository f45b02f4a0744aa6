"""Is a copy whole? Every file against its manifest, and the database against itself. Nothing is written."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from appliance.backup.files import files_under, sha256_of
from appliance.backup.generations import GENERATIONS, MANIFEST, PARTIAL, Manifest, generations, read_manifest
from appliance.errors import NotFoundError
from appliance.home import DATABASE_FILE
from appliance.storage import copies


@dataclass(frozen=True)
class Report:
    """What verifying one generation found; `faults` is empty when it is good."""

    generation: str
    path: str
    ok: bool
    created_at: str = ""
    membox: str = ""
    files: int = 0
    bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For `--output-json` and the JSON API."""
        return asdict(self)


def verify(path: Path) -> list[Report]:
    """Reports on the generation at `path`, or on every one of the mirror at `path`, newest first.

    Raises:
        NotFoundError: there is neither.
    """
    if (path / GENERATIONS).is_dir():
        known = [generation.path for generation in generations(path)]
        others = [
            entry
            for entry in sorted((path / GENERATIONS).iterdir(), reverse=True)
            if entry.is_dir() and entry.suffix != PARTIAL and entry not in known
        ]
        if known or others:
            return [verify_generation(entry) for entry in [*known, *others]]
    elif path.is_dir() and ((path / MANIFEST).exists() or (path / DATABASE_FILE).exists()):
        return [verify_generation(path)]
    raise NotFoundError(
        "no_backup", f"There is no copy of a box at {path}: name a mirror, or one directory in its {GENERATIONS}/."
    )


def verify_generation(path: Path) -> Report:
    """The report on the generation at `path`."""
    try:
        manifest = read_manifest(path)
    except (OSError, ValueError) as fault:
        return Report(path.name, str(path), ok=False, faults=[f"no usable manifest: {fault}"])
    faults = faults_of(path, manifest)
    return Report(
        generation=path.name,
        path=str(path),
        ok=not faults,
        created_at=manifest.created_at.isoformat().replace("+00:00", "Z"),
        membox=manifest.membox,
        files=len(manifest.files),
        bytes=manifest.bytes,
        counts=manifest.counts,
        faults=faults,
    )


def faults_of(path: Path, manifest: Manifest) -> list[str]:
    """What is wrong with the generation at `path`; empty when it is good."""
    faults = [fault for name in sorted(manifest.files) if (fault := _file_fault(path, name, manifest))]
    faults += [f"{name} does not belong there" for name in _strangers(path, manifest)]
    if faults:
        return faults
    faults = copies.faults_of(path / DATABASE_FILE)
    # A copy's manifest counts what its membox knew of.
    if not faults and not manifest.counts.items() <= copies.counts(path / DATABASE_FILE).items():
        faults = [f"{DATABASE_FILE} holds other counts than {MANIFEST} says"]
    return faults


def _file_fault(path: Path, name: str, manifest: Manifest) -> str | None:
    expected = manifest.files[name]
    try:
        if (path / name).stat().st_size != expected.size:
            return f"{name} has another size than when it was copied"
        return None if sha256_of(path / name) == expected.sha256 else f"{name} was changed or damaged"
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as fault:
        return f"{name} cannot be read ({fault.strerror})"


def _strangers(path: Path, manifest: Manifest) -> list[str]:
    return [name for name in files_under(path) if name not in manifest.files and name != MANIFEST]
