"""`membox reindex`, with a daemon and without."""

from typing import Any

from appliance.memory.embedding import better
from appliance.memory.embedding.embedder import file_of


def test_words_and_vectors_are_made_anew(box: Any) -> None:
    box("remember", "The backup of the photos runs at night.")
    box("remember", "Luisa is allergic to peanuts.")
    assert box("reindex").stdout == "The words of every item are indexed anew, and 2 vectors made.\n"
    assert box.json("reindex") == {"embedding": "light", "fault": "", "vectors_behind": 0}
    assert box("reindex", "--no-wait").stdout == (
        "The words of every item are indexed anew; 2 vectors will be made by and by.\n"
    )
    assert "photos" in box("recall", "photos").stdout


def test_where_vectors_are_switched_off_the_words_are_indexed(box: Any) -> None:
    box("config", "set", "memory.embedding", "off")
    box("remember", "The backup of the photos runs at night.")
    assert "switched off" in box("reindex").stdout


def test_a_model_that_is_not_installed_is_told(box: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(better, "file_of", lambda _package, path: file_of("no_such_package", path))
    box("config", "set", "memory.embedding", "better")
    box("remember", "The backup of the photos runs at night.")
    refused = box("reindex", code=None)
    assert refused.returncode != 0
    assert "The words are indexed anew, but: The better embedding model cannot be used" in refused.stderr
    assert "photos" in box("recall", "photos").stdout
