"""Notes, saves, edits by hand and kills in any order: nothing acknowledged is lost, nothing is there twice."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.errors import ConflictError
from appliance.notebook.models import Note
from appliance.notebook.sections import cut
from appliance.notebook.service import Notebook
from appliance.storage import Database
from appliance.storage.schema import pending_files

DAY = "sessions/2026-11-20.md"
PAGE = "projects/page.md"
DEADLY = ("open", "fsync", "link", "replace", "lstat", "unlink")


class Killed(BaseException):
    """The process ends here."""


class Life:
    """A notebook, and everything it was ever told and answered for."""

    def __init__(self, seed: int, open_notebook: Callable[[], Notebook], root: Path) -> None:
        self.chance = random.Random(seed)
        self.open_notebook = open_notebook
        self.root = root
        self.notebook = open_notebook()
        self.notebook.save(PAGE, "".join(f"line {number}\n" for number in range(30)), 0, "ana")
        self.notebook.capture(Note(text="the first note"), "phone")
        self.told: set[str] = set()
        self.words = (f"token-{number}-end" for number in range(10_000))
        self.ages: Iterator[int] = iter(range(1_000_000))

    def live(self, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
        actions = [self.capture, self.capture, self.save, self.save, self.edit, self.edit, self.notice]
        for _ in range(steps):
            action = self.chance.choice(actions)
            if self.chance.random() < 0.3:
                self.die_in(action, monkeypatch)
            else:
                action(next(self.words))

    def die_in(self, action: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
        """Kill the process in the middle of `action`, start it again, and retry as a client does."""
        word = next(self.words)
        with monkeypatch.context() as dying:
            self._arm(dying)
            try:
                action(word)
            except Killed:
                pass
            else:
                return
        self.notebook = self.open_notebook()
        if action == self.capture:
            action(word)

    def _arm(self, dying: pytest.MonkeyPatch) -> None:
        name, countdown = self.chance.choice(DEADLY), self.chance.randint(1, 4)
        real, after = getattr(os, name), self.chance.random() < 0.5

        def killed(*args: Any, **kwargs: Any) -> Any:
            nonlocal countdown
            countdown -= 1
            if countdown == 0 and not after:
                raise Killed
            result = real(*args, **kwargs)
            if countdown == 0:
                raise Killed
            return result

        dying.setattr(f"appliance.notebook.files.os.{name}", killed)

    def capture(self, word: str) -> None:
        self.notebook.capture(Note(text=f"note {word}"), "phone", word)
        self.told.add(word)

    def save(self, word: str) -> None:
        path = self.chance.choice([PAGE, DAY])
        document = self.notebook.read(path)
        if self.chance.random() < 0.3:  # something else comes between
            self.edit(next(self.words))
        try:
            self.notebook.save(path, self._with(document.text, f"saved {word}"), document.version, "ana")
        except ConflictError:
            return
        self.told.add(word)

    def edit(self, word: str) -> None:
        target = self.root / self.chance.choice([PAGE, DAY])
        if not target.exists():
            return
        text = self._with(target.read_text(), f"by hand {word}")
        if self.chance.random() < 0.5:
            target.write_text(text)
        else:
            beside = target.with_suffix(".editor")
            beside.write_text(text)
            beside.rename(target)
        if self.chance.random() < 0.5:
            moment = 1_000_000_000 + next(self.ages)
            os.utime(target, (moment, moment))
        self.told.add(word)

    def notice(self, _: str) -> None:
        self.notebook.notice()

    def _with(self, text: str, line: str) -> str:
        lines = text.split("\n")
        lines.insert(self.chance.randint(1, len(lines) - 1), line)
        return "\n".join(lines)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_acknowledged_is_lost_or_doubled(
    seed: int,
    open_notebook: Callable[[], Notebook],
    root: Path,
    index: Any,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life(seed, open_notebook, root)
    life.live(40, monkeypatch)
    notebook = open_notebook()
    written = "".join((root / path).read_text() for path in (PAGE, DAY))
    assert [word for word in life.told if word not in written] == []
    if "<<<<<<<" not in written:  # in a conflict a line may stand on both sides
        assert [word for word in life.told if written.count(word) != 1] == []
    for path in (PAGE, DAY):
        text = (root / path).read_text()
        assert notebook.read(path).text == text
        assert index.sections[path] == cut(path, text, "Europe/Berlin")
        for info in notebook.past.history(path, limit=500):
            notebook.past.version(path, info.number)
    with database.read() as conn:
        assert conn.execute(select(pending_files)).all() == []
    assert [path.name for path in root.rglob(".*") if path.name != ".membox-term"] == []
    assert not notebook.problems() or "<<<<<<<" in written
