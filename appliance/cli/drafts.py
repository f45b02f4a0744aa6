"""What a person is writing, kept in a file until the box has it: no failure may cost them their text."""

import hashlib
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from appliance.errors import InvalidError

_NAME = re.compile(r"(?P<stem>.+)\.v(?P<version>\d+)\.md")


class Draft:
    """A text in work, in a file whose name says which version of the notebook's file it was made from.

    `original` is the text it began with when leaving it so means "nothing changed"; None when it is to be saved anyway.
    """

    def __init__(self, file: Path, original: str | None) -> None:
        self.file = file
        self.original = original

    @property
    def base_version(self) -> int:
        """The version the text was made from; 0 for a new file."""
        match = _NAME.fullmatch(self.file.name)
        return int(match["version"]) if match else 0

    @property
    def text(self) -> str:
        """What is in it now, lines ending as the notebook's do; InvalidError when an editor saved no UTF-8."""
        try:
            return self.file.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidError("not_utf8", f"{self.file} is not UTF-8 text; save it as UTF-8.") from error

    @property
    def is_unchanged(self) -> bool:
        """Whether there is nothing to save."""
        return self.original is not None and self.file.read_bytes() == self.original.encode()

    def rebase(self, version: int, text: str) -> None:
        """Go on with `text`, made from `version`; the draft before it is gone only once this one is written."""
        match = _NAME.fullmatch(self.file.name)
        file = self.file.with_name(f"{match['stem'] if match else self.file.name}.v{version}.md")
        _write(file, text)
        if file != self.file:
            self.file.unlink()
        self.file, self.original = file, None

    def drop(self) -> None:
        """It is saved, or was nothing."""
        self.file.unlink(missing_ok=True)


def drafts_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where drafts wait: in the user's state directory, not in the box, which may be elsewhere."""
    base = environ.get("XDG_STATE_HOME", "")
    state = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return state / "membox" / "drafts"


def new_draft(box_name: str, path: str, version: int, text: str) -> Draft:
    """A draft of `path` in the box called `box_name`, beginning with its `text` at `version`."""
    directory = drafts_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    file = directory / f"{_stem(box_name, path)}-{stamp}.v{version}.md"
    _write(file, text)
    return Draft(file, text)


def leftover_draft(box_name: str, path: str) -> Draft | None:
    """The newest draft of `path` that was never saved."""
    found = sorted(drafts_directory().glob(f"{_stem(box_name, path)}-*.v*.md"))
    return Draft(found[-1], None) if found else None


def _stem(box_name: str, path: str) -> str:
    """A readable name, and a hash that tells boxes and like-named paths apart."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", path.removesuffix(".md"))[:60]
    return f"{readable}-{hashlib.sha256(f'{box_name}\0{path}'.encode()).hexdigest()[:8]}"


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
