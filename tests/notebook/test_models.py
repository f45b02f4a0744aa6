"""What a note may be."""

import pytest
from pydantic import ValidationError

from appliance.notebook.models import Note


def test_line_ends_of_every_kind_become_line_feeds_and_control_characters_show() -> None:
    assert Note(text="a\r\nb\rc\x0bd\u2028e\tf\x1b[0m").text == "a\nb\nc\nd\ne\tf\ufffd[0m"


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_database_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Note(text=text)


def test_title_and_source_are_one_line() -> None:
    note = Note(text="x", title=" a\n  b\u2029c ", source="\n")
    assert (note.title, note.source) == ("a b c", None)


def test_tags_are_words() -> None:
    assert Note(text="x", tags=("#to do", "été", "--", "a/b", "a/b", "<!--")).tags == ("to-do", "été", "a/b")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "https://", "e.org", "https://e.org/\nx"])
def test_only_web_addresses_are_urls(url: str) -> None:
    with pytest.raises(ValidationError):
        Note(text="x", url=url)


def test_an_address_cannot_end_its_own_brackets() -> None:
    assert Note(text="x", url=" https://e.org/a b>c ").url == "https://e.org/a%20b%3Ec"


def test_an_empty_address_is_none() -> None:
    assert Note(text="x", url="").url is None


@pytest.mark.parametrize("field", [{"title": "x" * 201}, {"url": "https://e.org/" + "x" * 2048}, {"tags": ["a"] * 21}])
def test_what_is_too_long_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Note.model_validate({"text": "x", **field})
