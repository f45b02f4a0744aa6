"""Killed at any moment, under mixed writes: what was acknowledged is there, once, in file and database.

MEMBOX_KILLS says how often (default 100), MEMBOX_SEED repeats a run. Clients send what was in flight again, with the
same key, once the daemon is back.
"""

import http.client
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.backup.restore import restore
from appliance.backup.verify import verify
from appliance.storage import open_database
from appliance.storage.schema import memory_items, pending_files, similarity_bands

KILLS = int(os.environ.get("MEMBOX_KILLS", "100"))
SEED = os.environ.get("MEMBOX_SEED") or str(random.SystemRandom().randrange(10**9))
CLIENTS = 5
SHARED = "projects/shared.md"


class Client:
    """One of several that write at the same time, and what it was told is kept."""

    def __init__(self, daemon: Any, up: threading.Event, number: int) -> None:
        self._daemon, self._up, self._number = daemon, up, number
        self._random = random.Random(f"{SEED}.{number}")
        self._count = 0
        self.notes: list[str] = []
        self.items: dict[str, str] = {}  # text's own word: memory id
        self.forgotten: list[str] = []
        self.edits: list[tuple[str, str]] = []  # path, line
        self.keys: list[str] = []
        self.again = 0
        self.failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        acts = [self.note, self.remember, self.edit_own, self.edit_shared, self.forget, self.create_key]
        try:
            while not stop.is_set():
                self._random.choices(acts, weights=[30, 40, 10, 10, 8, 2])[0]()
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
            self.failure = failure

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Ask until there is an answer."""
        while True:
            try:
                status, answer = self._daemon.ask(method, path, body, headers)
            except (OSError, http.client.HTTPException):
                self.again += 1
                assert self._up.wait(60)
                continue
            if status != 503:
                return status, answer

    def note(self) -> None:
        word = self._word("note")
        status, answer = self.send("POST", "/note", {"text": f"Noted {word}."}, {"Idempotency-Key": word})
        assert (status, answer.get("ok")) == (200, True), answer
        self.notes.append(word)

    def remember(self) -> None:
        words = [self._word("item") for _ in range(self._random.choice([1, 1, 3]))]
        items = [{"type": "fact", "text": f"Remembered {word}."} for word in words]
        body = {"tenant_id": "home", "agent_id": "tester", "items": items, "idempotency_key": words[0]}
        status, answer = self.send("POST", "/v0/memory/remember", body)
        assert (status, answer.get("accepted")) == (200, len(words)), answer
        self.items.update(zip(words, answer["memory_ids"], strict=True))

    def edit_own(self) -> None:
        self._edit(f"projects/own{self._number}.md")

    def edit_shared(self) -> None:
        self._edit(SHARED)

    def forget(self) -> None:
        kept = sorted(self.items.keys() - set(self.forgotten))
        if not kept:
            return
        word = self._random.choice(kept)
        status, answer = self.send(
            "DELETE", f"/v0/memory/{self.items[word]}", {"tenant_id": "home", "agent_id": "tester"}
        )
        assert status in (200, 404), answer  # 404: it was in flight and had been done
        self.forgotten.append(word)

    def create_key(self) -> None:
        try:
            status, answer = self._daemon.ask("POST", "/v1/keys", {"name": self._word("key"), "role": "reader"})
        except (OSError, http.client.HTTPException):
            assert self._up.wait(60)
            return
        if status == 200:
            self.keys.append(answer["key"])
        else:
            assert status == 503, answer

    def _edit(self, path: str) -> None:
        line = f"- Edited {self._word('edit')}."
        while True:
            status, document = self.send("GET", f"/v1/notebook/document?path={path}")
            text, version = (document["text"], document["version"]) if status == 200 else (f"# {path}\n\n", 0)
            if line in text:
                break  # sent twice, and the first had been done
            lines = text.splitlines(keepends=True)
            lines.insert(self._random.randint(2, len(lines)), f"{line}\n")
            body = {"path": path, "text": "".join(lines), "base_version": version}
            status, answer = self.send("PUT", "/v1/notebook/document", body)
            if status == 200:
                break
            assert (status, answer["detail"]) == (409, "edit_conflict"), answer
        self.edits.append((path, line))

    def _word(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._number}x{self._count:06}"


@contextmanager
def clients(daemon: Any, up: threading.Event, count: int = CLIENTS) -> Iterator[list[Client]]:
    """Clients at work until the block ends; then each finishes what it was doing."""
    stop = threading.Event()
    working = [Client(daemon, up, number) for number in range(count)]
    threads = [threading.Thread(target=client.run, args=(stop,)) for client in working]
    for thread in threads:
        thread.start()
    try:
        yield working
    finally:
        stop.set()
        up.set()
        for thread in threads:
            thread.join(90)
    for client in working:
        if client.failure is not None:
            raise client.failure


def kill_again_and_again(daemon: Any, up: threading.Event, kills: int, working: list[Client]) -> None:
    """SIGKILL `kills` times at random moments, and now and then an orderly stop."""
    chance = random.Random(SEED)
    for _ in range(kills):
        if chance.random() < 0.15:  # also while it starts, settling what the last kill left
            daemon.spawn()
            time.sleep(chance.uniform(0.05, 0.6))
            daemon.kill()
            continue
        daemon.start()
        up.set()
        time.sleep(chance.uniform(0.02, 0.5))
        look(daemon, chance, working)
        up.clear()
        daemon.kill()
        if chance.random() < 0.05:
            daemon.start()
            up.set()
            time.sleep(chance.uniform(0.02, 0.3))
            up.clear()
            assert daemon.stop() == 0


def look(daemon: Any, chance: random.Random, working: list[Client]) -> None:
    """The cheap part of the checks: some of the newest notes are in the day's file, once."""
    newest = [word for client in working for word in client.notes[-3:]]
    if newest:
        word = chance.choice(newest)
        assert journal(daemon.home).count(f"{word}.") == 1, word


def journal(home: Path) -> str:
    return "".join(path.read_text() for path in sorted((home / "notebook" / "sessions").glob("*.md")))


def once(words: list[str], text: str) -> dict[str, int]:
    """Those of `words` that are not exactly once in `text`."""
    counts = Counter(text.replace(".", " ").split())
    return {word: counts[word] for word in words if counts[word] != 1}


def check_what_was_acknowledged(daemon: Any, working: list[Client]) -> None:
    """Through the running daemon."""
    for client in working:
        for path in {path for path, _ in client.edits}:
            status, document = daemon.ask("GET", f"/v1/notebook/document?path={path}")
            lines = Counter(document["text"].splitlines())
            assert {line: lines[line] for where, line in client.edits if where == path and lines[line] != 1} == {}
        for key in client.keys:
            status, _ = daemon.ask("GET", "/v1/status", headers={"Authorization": f"Bearer {key}"})
            assert status == 200
    assert once([word for client in working for word in client.notes], journal(daemon.home)) == {}
    for client in working:
        kept = sorted(client.items.keys() - set(client.forgotten))
        for word in client.notes[-2:] + kept[-2:] + kept[:2]:
            asked = {"tenant_id": "home", "agent_id": "tester", "scope": "team", "query": word, "explain": True}
            _, answer = daemon.ask("POST", "/v0/memory/recall", asked)
            # Others may come along, as their words are much alike.
        assert [word in item["text"] for item in answer["items"]].count(True) == 1, (word, answer)


def check_files_and_database_agree(daemon: Any) -> None:
    notebook = daemon.home / "notebook"
    _, answer = daemon.ask("GET", "/v1/notebook/documents")
    paths = {document["path"] for document in answer["documents"]}
    for path in paths:
        _, document = daemon.ask("GET", f"/v1/notebook/document?path={path}")
        assert (notebook / path).read_bytes() == document["text"].encode(), path
    assert {str(file.relative_to(notebook)) for file in notebook.rglob("*") if file.is_file()} == paths


def check_the_store(home: Path, working: list[Client], was_stopped: bool) -> None:
    """Without a daemon: sound, and each item in it once; after a clean stop no file counts as still to be written."""
    database = open_database(home / "membox.db")
    try:
        assert database.check() == []
        with database.read() as conn:
            texts = [row.text for row in conn.execute(select(memory_items.c.text))]
            assert not was_stopped or conn.execute(select(pending_files)).all() == []
            banded = select(similarity_bands.c.item_id).where(
                similarity_bands.c.item_id.not_in(select(memory_items.c.id))
            )
            assert conn.execute(banded).all() == []
    finally:
        database.close()
    stored = Counter(word for text in texts for word in text.replace(".", " ").split())
    forgotten = {word for client in working for word in client.forgotten}
    items = {word for client in working for word in client.items}
    assert {word: stored[word] for word in items - forgotten if stored[word] != 1} == {}
    assert {word for word in forgotten if stored[word]} == set()
    assert {word for word in stored if word.startswith("item")} == items - forgotten
    notes = {word for client in working for word in client.notes}
    assert {word: count for word, count in stored.items() if word.startswith("note") and count != 1} == {}
    assert {word for word in stored if word.startswith("note") and "x" in word} == notes


def check_nothing_is_left_over(home: Path) -> None:
    assert {path.name for path in home.iterdir()} == {"config.toml", "membox.db", "notebook", "run"}
    assert {path.name for path in (home / "run").iterdir()} <= {"lock", "daemon.log"}


def tell(working: list[Client], daemon: Any, kills: int) -> None:
    done: Counter[str] = Counter()
    for client in working:
        done.update(
            notes=len(client.notes),
            items=len(client.items),
            forgotten=len(client.forgotten),
            edits=len(client.edits),
            keys=len(client.keys),
            again=client.again,
        )
    slowest = max(daemon.starts)
    print(f"{kills} kills: {dict(done)}; starts {min(daemon.starts):.2f} to {slowest:.2f} s")


@pytest.mark.timeout(600)
def test_killed_again_and_again_under_mixed_writes_nothing_is_lost_and_nothing_doubled(daemon: Any) -> None:
    print(f"MEMBOX_SEED={SEED}")
    up = threading.Event()
    with clients(daemon, up) as working:
        kill_again_and_again(daemon, up, KILLS, working)
        daemon.start()
    tell(working, daemon, KILLS)
    check_what_was_acknowledged(daemon, working)
    check_files_and_database_agree(daemon)
    assert daemon.stop() == 0
    check_the_store(daemon.home, working, was_stopped=True)
    check_nothing_is_left_over(daemon.home)


def mirror_on_and_on(daemon: Any, up: threading.Event, stop: threading.Event, outcomes: Counter[int]) -> None:
    """Ask for copy after copy, so that kills meet one in the making."""
    while not stop.is_set():
        try:
            status, _ = daemon.ask("POST", "/v1/backups", {})
        except (OSError, http.client.HTTPException):
            outcomes[0] += 1
            up.wait(60)
        else:
            assert status in (200, 409, 503), status
            outcomes[status] += 1


@pytest.mark.timeout(600)
def test_killed_while_it_is_mirrored_every_finished_copy_is_good_and_the_next_one_is_made(
    daemon: Any, tmp_path: Path
) -> None:
    print(f"MEMBOX_SEED={SEED}")
    mirror = tmp_path / "mirror"
    daemon.home.mkdir(mode=0o700)
    (daemon.home / "config.toml").write_text(f'[daemon]\nbackup_mirror_path = "{mirror}"\n')
    up, stop, outcomes = threading.Event(), threading.Event(), Counter[int]()
    mirroring = threading.Thread(target=mirror_on_and_on, args=(daemon, up, stop, outcomes))
    mirroring.start()
    try:
        with clients(daemon, up, 2) as working:
            kill_again_and_again(daemon, up, max(KILLS // 4, 1), working)
            daemon.start()
    finally:
        stop.set()
        up.set()
        mirroring.join(60)
    print(f"copies: {outcomes[200]} made, {outcomes[0]} killed")
    tell(working, daemon, max(KILLS // 4, 1))
    assert outcomes[200] > 0
    assert outcomes[0] > 0
    status, answer = daemon.ask("POST", "/v1/backups", {}, seconds=60)
    assert status == 200, answer
    check_files_and_database_agree(daemon)
    assert daemon.stop() == 0

    assert verify(mirror)
    assert [report for report in verify(mirror) if report.faults] == []
    assert [path.name for path in mirror.rglob("*.partial")] == []
    restored = restore(mirror, tmp_path / "restored", replace=False)
    assert restored.skipped == []
    check_the_store(tmp_path / "restored", working, was_stopped=False)
    assert once([word for client in working for word in client.notes], journal(tmp_path / "restored")) == {}
