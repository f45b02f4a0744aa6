"""What membox knows in memory about each file: its newest version, and what the file on disk was last seen to hold."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.notebook.files import Seen
from appliance.notebook.merge import has_conflict
from appliance.notebook.sections import Section
from appliance.notebook.versions import Stored

_TEXTS_KEPT = 4


@dataclass(frozen=True)
class Facts:
    """What a listing says of a text."""

    lines: int
    bytes: int
    conflict: bool

    @classmethod
    def of(cls, text: str) -> "Facts":
        """The facts of `text`."""
        return cls(text.count("\n"), len(text) if text.isascii() else len(text.encode()), has_conflict(text))


@dataclass
class Held:
    """A document: the newest version, and the hash of what its file holds (None: no file)."""

    stored: Stored
    file_hash: str | None = None
    seen: Seen | None = None
    base: str | None = None
    """While the file lags behind, the text it holds, where known."""
    facts: Facts | None = None

    @property
    def wanted(self) -> str | None:
        """The hash the file should have; None when there should be no file."""
        return None if self.stored.deleted else self.stored.hash

    @property
    def lags(self) -> bool:
        """Whether the file still has to be brought to the newest version."""
        return self.file_hash != self.wanted

    def is_as_left(self, look: Seen | None) -> bool:
        """Whether the file, by its look, is what it was when membox last looked, and nothing is left to do."""
        return not self.lags and self.seen == look and (look is None) == (self.wanted is None)


@dataclass(frozen=True)
class Change:
    """A new version to store.

    `on_file`: the file already holds it (a hand edit). `appended`: the text before only grew at its end, by these
    sections, so that the index need not look at the rest. `previous`: the text of the version before, where the same
    transaction rewrote it.
    """

    path: str
    text: str
    author: str
    reason: str
    on_file: bool = False
    appended: Sequence[Section] | None = None
    previous: str | None = None


@dataclass
class RecentTexts:
    """The texts of the files worked on last, so that a note does not read a day's history again."""

    _texts: OrderedDict[str, tuple[int, str]] = field(default_factory=OrderedDict)

    def get(self, path: str, version: int) -> str | None:
        """The text of that version, if it is remembered."""
        number, text = self._texts.get(path, (0, ""))
        if number != version:
            return None
        self._texts.move_to_end(path)
        return text

    def put(self, path: str, version: int, text: str) -> None:
        """Remember a text, and forget the one used longest ago."""
        self._texts[path] = (version, text)
        self._texts.move_to_end(path)
        while len(self._texts) > _TEXTS_KEPT:
            self._texts.popitem(last=False)
