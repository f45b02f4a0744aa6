"""Search word for word: the lines of a text that have all the words, with the lines around them."""

import re
from collections.abc import Iterator

from appliance.notebook.models import FoundLine
from appliance.notebook.plaintext import lines_of
from appliance.text import plain

AROUND = 1
_TERM = re.compile(r'"([^"]+)"|(\S+)')


def terms_of(query: str) -> list[str]:
    """What a line must have, without case and accents: the phrases in double quotes, and the other words."""
    return [plain(" ".join((phrase or word).split())) for phrase, word in _TERM.findall(query)]


def lines_with(path: str, text: str, terms: list[str]) -> Iterator[FoundLine]:
    """Every line of `text` with all `terms`, in order."""
    if not all(term in plain(text) for term in terms):
        return
    lines = lines_of(text)
    for index, line in enumerate(lines):
        folded = plain(line)
        if all(term in folded for term in terms):
            before, after = lines[max(0, index - AROUND) : index], lines[index + 1 : index + 1 + AROUND]
            yield FoundLine(path=path, line=index + 1, text=line, before=before, after=after)
