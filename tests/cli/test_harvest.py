"""`membox memory harvest`, with the transcripts of the user who runs it."""

import json
from pathlib import Path
from typing import Any


def test_what_transcripts_hold_is_noted_once(box: Any, tmp_path: Path) -> None:
    transcript = tmp_path / "claude" / "projects" / "-home-me-shop" / "one.jsonl"
    transcript.parent.mkdir(parents=True)
    message = {"role": "user", "content": "Never deploy on a Friday."}
    transcript.write_text(json.dumps({"type": "user", "message": message, "cwd": "/home/me/shop"}) + "\n")
    box.environ["CLAUDE_CONFIG_DIR"] = str(tmp_path / "claude")
    answer = box.json("memory", "harvest")
    assert (answer["transcripts"], answer["notes"], answer["failed"]) == (1, 1, 0)
    assert "0 finds" in box("memory", "harvest").stdout
    found = box.json("recall", "when do we deploy")["items"]
    assert any("Never deploy on a Friday." in item["text"] for item in found)
