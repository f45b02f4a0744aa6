"""Marking what matched: by stem, across accents, inside scripts without spaces, and always escaped."""

import pytest

from appliance.memory.lexical import stem
from appliance.web.search_page import marked


@pytest.mark.parametrize(
    ("text", "matched", "html"),
    [
        ("Backups run nightly.", ["backup"], "<mark>Backups</mark> run nightly."),
        ("El café cierra.", ["cafe"], "El <mark>café</mark> cierra."),
        ("a <b>backup</b>", ["backup"], "a &lt;b&gt;<mark>backup</mark>&lt;/b&gt;"),
        ("東京タワーへ", ["東京"], "<mark>東京</mark>タワーへ"),
        ("no match", ["backup"], "no match"),
    ],
)
def test_matching_words_are_marked(text: str, matched: list[str], html: str) -> None:
    assert marked(text, {stem(word) for word in matched}) == html
