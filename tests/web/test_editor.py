"""The notebook over JSON, as the pages and the command line use it."""

from typing import Any
from urllib.parse import quote

import pytest

from appliance.principal import Role

TEXT = "# Boat\n\nThe mast is ash.\n\nThe hull is oak.\n"


@pytest.fixture
def path(request: Any) -> str:
    """A file of the test's own."""
    return f"projects/{request.node.name[:60]}.md"


@pytest.fixture
def person(signed_in: Any) -> Any:
    return signed_in()


@pytest.fixture
def saved(person: Any, path: str) -> Any:
    """The file, saved once."""
    return person("PUT", "/v1/notebook/document", {"path": path, "text": TEXT, "base_version": 0}).json


def save(person: Any, path: str, text: str, base_version: int, **more: object) -> Any:
    return person("PUT", "/v1/notebook/document", {"path": path, "text": text, "base_version": base_version, **more})


def get(person: Any, what: str, path: str, **more: object) -> Any:
    query = "&".join(f"{name}={quote(str(value))}" for name, value in {"path": path, **more}.items())
    return person("GET", f"/v1/notebook/{what}?{query}")


def test_a_saved_file_is_listed_and_read_back(person: Any, path: str, saved: Any) -> None:
    assert saved == {"path": path, "version": 1, "text": TEXT, "merged": False}
    listed = [each for each in person("GET", "/v1/notebook/documents").json["documents"] if each["path"] == path]
    assert [(each["tier"], each["author"], each["lines"]) for each in listed] == [("long-term", "owner", 5)]
    assert get(person, "document", path).json["text"] == TEXT


def test_a_conflict_answers_with_both_sides(person: Any, path: str, saved: Any) -> None:
    save(person, path, TEXT.replace("ash", "carbon"), 1)
    reply = save(person, path, TEXT.replace("ash", "spruce"), 1)
    assert (reply.status, reply.detail) == (409, "edit_conflict")
    conflict = reply.json["conflict"]
    assert (conflict["base"], conflict["version"]) == (TEXT, 2)
    assert "spruce" in conflict["yours"]
    assert "carbon" in conflict["theirs"]
    assert "<<<<<<<" in conflict["merged"]


def test_a_clean_merge_says_that_it_was_one(person: Any, path: str, saved: Any) -> None:
    save(person, path, TEXT.replace("oak", "larch"), 1)
    reply = save(person, path, TEXT.replace("ash", "spruce"), 1)
    assert reply.json["merged"] is True
    assert reply.json["text"] == TEXT.replace("oak", "larch").replace("ash", "spruce")


def test_an_empty_save_must_be_meant(person: Any, path: str, saved: Any) -> None:
    assert save(person, path, " \n", 1).status == 422
    assert save(person, path, "", 1, allow_empty=True).json["text"] == ""


def test_history_versions_and_diffs_agree(person: Any, path: str, saved: Any) -> None:
    save(person, path, TEXT.replace("ash", "spruce"), 1)
    history = get(person, "history", path).json["versions"]
    assert [(each["number"], each["lines_added"], each["lines_removed"]) for each in history] == [(2, 1, 1), (1, 5, 0)]
    assert get(person, "version", path, number=1).json["text"] == TEXT
    assert "+The mast is spruce." in get(person, "diff", path, old=1, new=2).json["diff"]
    lines = get(person, "lines", path).json["lines"]
    assert [line["version"] for line in lines] == [1, 1, 2, 1, 1]


def test_the_diff_before_saving_changes_nothing(person: Any, path: str, saved: Any) -> None:
    unsaved = {"path": path, "text": TEXT.replace("ash", "spruce"), "base_version": 1}
    assert "-The mast is ash." in person("POST", "/v1/notebook/diff", unsaved).json["diff"]
    assert get(person, "document", path).json["version"] == 1


def test_restore_and_undo_make_new_versions(person: Any, path: str, saved: Any) -> None:
    save(person, path, TEXT.replace("ash", "spruce"), 1)
    assert person("POST", "/v1/notebook/restore", {"path": path, "number": 1}).json["version"] == 3
    assert "spruce" in person("POST", "/v1/notebook/undo", {"path": path}).json["text"]


def test_the_preview_is_safe_html(person: Any) -> None:
    html = person("POST", "/v1/notebook/preview", {"text": "# A\n\n<script>x</script>"}).json["html"]
    assert "<h1" in html
    assert "<script" not in html


def test_forgotten_lines_are_gone_from_every_version(person: Any, path: str, saved: Any) -> None:
    lines = {"path": path, "first_line": 3, "last_line": 3, "base_version": 1}
    assert person("POST", "/v1/notebook/forget", lines).json == {"path": path, "forgotten": True}
    assert "ash" not in get(person, "document", path).json["text"] + get(person, "version", path, number=1).json["text"]


def test_lines_that_moved_since_they_were_seen_are_not_forgotten(person: Any, path: str, saved: Any) -> None:
    lines = {"path": path, "first_line": 3, "last_line": 3, "base_version": 1}
    save(person, path, TEXT.replace("# Boat\n", "# Boat\n\nTwo masts.\n"), 1)
    reply = person("POST", "/v1/notebook/forget", lines)
    assert (reply.status, reply.detail) == (409, "lines_moved")
    assert "The mast is ash." in get(person, "document", path).json["text"]


def test_lines_that_stayed_in_place_are_forgotten_though_the_file_changed(person: Any, path: str, saved: Any) -> None:
    save(person, path, TEXT + "\nMore.\n", 1)
    lines = {"path": path, "first_line": 3, "last_line": 3, "base_version": 1}
    assert person("POST", "/v1/notebook/forget", lines).status == 200


@pytest.mark.parametrize("what", ["document", "history", "lines"])
def test_a_file_that_is_not_there_is_404(person: Any, what: str) -> None:
    reply = get(person, what, "projects/nowhere.md")
    assert (reply.status, reply.detail) == (404, "document_not_found")


@pytest.mark.parametrize("bad", ["../escape.md", "/etc/passwd", "a.txt", ".hidden.md", "a//b.md"])
def test_a_path_outside_the_notebook_is_refused(person: Any, bad: str) -> None:
    assert save(person, bad, "x", 0).status == 422
    assert get(person, "document", bad).status == 422


def test_what_an_agent_with_an_admin_key_saves_has_its_name(as_role: Any, path: str) -> None:
    agent = as_role(Role.ADMIN, agent="claude")
    save(agent, path, TEXT, 0)
    assert get(agent, "document", path).json["author"] == "claude"


def test_a_qr_code_is_drawn_for_the_owner_only(person: Any, as_role: Any) -> None:
    reply = person("POST", "/v1/qr", {"text": "https://box.example/phone#key=x"})
    assert reply.headers["content-type"] == "image/svg+xml"
    assert reply.body.startswith(b"<svg")
    assert as_role(Role.ADMIN)("POST", "/v1/qr", {"text": "x"}).status == 403


def test_the_sessions_token_is_given_to_the_session_only(person: Any, as_role: Any) -> None:
    assert person("GET", "/v1/session").json == {"csrf_token": person.headers["X-CSRF-Token"]}
    assert as_role(Role.ADMIN)("GET", "/v1/session").status == 403
