#!/usr/bin/python3
"""Installs one release of membox beside the others, and says in JSON which one it is and whether it is new.

Runs on the box as root, with nothing but Debian's Python and pip: ``install_release.py SOURCE``, where SOURCE is the
path or URL of a wheel, or a package spec. A release is a virtual environment of its own, ``ROOT/releases/VERSION``,
with the dependencies that its wheel's lock file names by hash; its file ``.complete``, written last, tells where it
came from. Another wheel of the same version is installed as ``VERSION+HASH``. What fails is told in one sentence on
stderr.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from fcntl import LOCK_EX, flock
from pathlib import Path

LOCK = "appliance/provision/bundled/requirements.lock"
COMPLETE = ".complete"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")


class Refusal(Exception):  # noqa: N818 - not every refusal is somebody's error
    """Why nothing was installed, in one sentence."""


def install(root: Path, source: str, sha256: str = "", newest: bool = False, check: bool = False) -> dict[str, object]:
    """The release of `source` below `root`, installed where it is not there yet.

    A spec or URL that the current release came from counts as there, unless the `newest` is asked for.
    """
    current = root / "current"
    if not newest and not source.startswith("/") and _record(current).get("source") == source:
        return {"release": current.resolve().name, "changed": False}
    with tempfile.TemporaryDirectory(prefix="membox-release-") as place:
        wheel = Path(source) if source.startswith("/") else _downloaded(source, Path(place), check)
        if wheel is None or (check and not wheel.exists()):
            return {"release": "", "changed": True}
        digest = _digest(wheel)
        if sha256 and digest != sha256.lower():
            raise Refusal(f"{source} has the SHA-256 {digest}, not {sha256}: get the right wheel, or correct the sum.")
        with nullcontext() if check else _alone(root):
            release, is_there = _place(root / "releases", _version(wheel), digest)
            if not is_there and not check:
                _fill(release, wheel, {"source": source, "sha256": digest})
                _forget_other_wheels(root, wheel)
            return {"release": release.name, "changed": not is_there}


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """A playbook that was broken off may have left an installation that still goes on: wait for it."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".install.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def _place(releases: Path, version: str, digest: str) -> tuple[Path, bool]:
    """The directory for the wheel of this digest, and whether it is installed there already."""
    for release in (releases / version, releases / f"{version}+{digest[:8]}"):
        if not (release / COMPLETE).exists():
            return release, False
        if _record(release).get("sha256") == digest:
            return release, True
    raise Refusal(f"{release} is another wheel's; remove it with the release that uses it.")


def _record(release: Path) -> dict[str, str]:
    try:
        return dict(json.loads((release / COMPLETE).read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _downloaded(source: str, place: Path, check: bool) -> Path | None:
    """The wheel of a URL or spec; None in a check that would have to install pip first."""
    if check and importlib.util.find_spec("pip") is None:
        return None
    _run([*PIP, "download", "--no-deps", "--only-binary=:all:", "--dest", str(place), source], source)
    return next(place.glob("*.whl"))


def _version(wheel: Path) -> str:
    if wheel.suffix != ".whl" or not wheel.name.startswith("membox-"):
        raise Refusal(f"{wheel.name} is no wheel of membox (membox-VERSION-py3-none-any.whl): correct membox_wheel.")
    return wheel.name.split("-")[1]


def _digest(wheel: Path) -> str:
    try:
        with wheel.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        raise Refusal(f"The wheel {wheel} cannot be read ({fault.strerror}): correct membox_wheel.") from fault


def _fill(release: Path, wheel: Path, record: dict[str, str]) -> None:
    """Make `release` from nothing: what a broken-off installation left there goes first."""
    shutil.rmtree(release, ignore_errors=True)
    _run([sys.executable, "-m", "venv", "--without-pip", str(release)], release.name)
    install_here = [*PIP, "--python", str(release / "bin" / "python"), "install", "--no-cache-dir"]
    with tempfile.NamedTemporaryFile(suffix=".lock") as lock:
        lock.write(_lock(wheel) + f"\n{wheel} --hash=sha256:{record['sha256']}\n".encode())
        lock.flush()
        _run([*install_here, "--require-hashes", "--only-binary=:all:", "--requirement", lock.name], wheel.name)
    _run([str(release / "bin" / "membox"), "--version"], wheel.name)
    _write_durably(release / COMPLETE, json.dumps(record))


def _forget_other_wheels(root: Path, wheel: Path) -> None:
    for other in (root / "wheels").glob("*.whl"):
        if other != wheel:
            other.unlink()


def _lock(wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(LOCK)
    except (KeyError, zipfile.BadZipFile) as fault:
        raise Refusal(f"{wheel.name} is damaged or incomplete ({fault}): build it again with `make wheel`.") from fault


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reason = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "no reason given")
        raise Refusal(f"{what} could not be installed ({reason.strip()}): see to that, then run this again.")


def _write_durably(file: Path, text: str) -> None:
    os.sync()  # everything the release consists of is on disk before it counts as complete
    with file.open("w", encoding="utf-8") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())


def main() -> int:
    """The exit code; the answer is on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--sha256", default="")
    parser.add_argument("--root", type=Path, default=Path("/opt/membox"))
    parser.add_argument("--newest", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    os.umask(0o022)
    try:
        answer = install(given.root, given.source, given.sha256, given.newest, given.check)
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    except OSError as fault:
        sys.stderr.write(f"The release could not be installed ({fault}): see to that, then run this again.\n")
        return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
